package changer_test

import (
	"slices"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A bench is a changer at LUN 0 of a target, with two initiators that have heard of the power on.
type bench struct {
	testing.TB
	inv      *inventory
	c        *changer.Changer
	port     *target.Port
	arena    *buffer.Arena
	s, other *loopback.Session
}

func newBench(t testing.TB, inv *inventory, change ...func(*changer.Config)) *bench {
	t.Helper()
	b := &bench{TB: t, inv: inv, arena: buffer.NewArena(64 << 20)}
	b.c = newChanger(t, inv, change...)
	unit := target.NewUnit("changer", b.c)
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:changer", target.Mapping{Unit: unit})
	if err != nil {
		t.Fatal(err)
	}
	b.port, err = tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:changer,t,0x0001"})
	if err != nil {
		t.Fatal(err)
	}
	b.s, b.other = b.login(1), b.login(2)
	t.Cleanup(func() {
		for _, f := range []func() error{b.s.Close, b.other.Close, unit.Close, b.arena.Close} {
			if err := f(); err != nil {
				t.Error(err)
			}
		}
	})
	return b
}

func (b *bench) login(id byte) *loopback.Session {
	s := loopback.Login(b.port, target.Initiator{Port: scsi.ISCSIPort("iqn.host", [6]byte{5: id})}, loopback.Options{Arena: b.arena})
	b.calm(s)
	return s
}

// calm returns the unit attentions of a session, which end with that.
func (b *bench) calm(s *loopback.Session) (all []scsi.ASC) {
	b.Helper()
	for {
		r, _ := b.do(s, cdb.AppendTestUnitReady(nil), nil, 0)
		if r.Status == scsi.Good {
			return all
		}
		if r.Sense.Key != scsi.KeyUnitAttention {
			b.Fatal(r.Sense)
		}
		all = append(all, r.Sense.ASC)
	}
}

func (b *bench) do(s *loopback.Session, c, out []byte, in int) (loopback.Result, []byte) {
	b.Helper()
	r, data, err := s.Do(b.Context(), 0, c, out, in)
	if err != nil {
		b.Fatal(err)
	}
	return r, data
}

// good runs a command that must end with GOOD.
func (b *bench) good(c, out []byte, in int) []byte {
	b.Helper()
	r, data := b.do(b.s, c, out, in)
	if r.Status != scsi.Good {
		b.Fatalf("%x: %v %v", c, r.Status, r.Sense)
	}
	return data
}

// fails runs a command that must end with the sense.
func (b *bench) fails(c, out []byte, want scsi.Sense) {
	b.Helper()
	if r, _ := b.do(b.s, c, out, 512); r.Status != scsi.CheckCondition || r.Sense != want {
		b.Errorf("%x: %v %v, want %v", c, r.Status, r.Sense, want)
	}
}

// attentions expects those of the two initiators.
func (b *bench) attentions(s, other []scsi.ASC) {
	b.Helper()
	if got := b.calm(b.s); !slices.Equal(got, s) {
		b.Errorf("unit attentions %v, want %v", got, s)
	}
	if got := b.calm(b.other); !slices.Equal(got, other) {
		b.Errorf("unit attentions of the other: %v, want %v", got, other)
	}
}

const wholeStatus = 1 << 23

// status is READ ELEMENT STATUS with room for all.
func (b *bench) status(r cdb.ReadElementStatus) page.ElementStatus {
	b.Helper()
	r.Allocation = wholeStatus
	s, err := page.ParseElementStatus(b.good(r.Append(nil), nil, wholeStatus))
	if err != nil {
		b.Fatal(err)
	}
	return s
}
