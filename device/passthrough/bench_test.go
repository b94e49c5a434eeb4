package passthrough

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a unit on a device in memory, at LUN 0 of a target.
type bench struct {
	testing.TB
	dev    *sgtest.Device
	source *sgtest.Source
	u      *Unit
	unit   *target.Unit
	port   *target.Port
	arena  *buffer.Arena
	all    []*loopback.Session
	log    *journal
	once   sync.Once
}

// newBench returns a bench of dev, and closes it at the end of the test.
func newBench(t testing.TB, dev *sgtest.Device, cfg Config) *bench {
	t.Helper()
	b := &bench{TB: t, dev: dev, source: sgtest.NewSource(dev), arena: buffer.NewArena(256 << 20), log: new(journal)}
	cfg.Source, cfg.Log = b.source, slog.New(slog.NewTextHandler(b.log, nil))
	var err error
	if b.u, err = New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	b.unit = target.NewUnit("unit", b.u)
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:test", target.Mapping{Unit: b.unit})
	if err != nil {
		t.Fatal(err)
	}
	if b.port, err = tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:test,t,0x0001"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	return b
}

// close ends all, and looks for what was not given back.
func (b *bench) close() {
	b.once.Do(func() {
		for _, s := range b.all {
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		}
		if err := b.unit.Close(); err != nil {
			b.Error(err)
		}
		if n := b.arena.Outstanding(); n != 0 {
			b.Errorf("%d bytes of the arena are not given back", n)
		}
		if err := b.arena.Close(); err != nil {
			b.Error(err)
		}
		if n := b.u.path.maps.lent; n != 0 {
			b.Errorf("%d bytes of mappings are not given back", n)
		}
		if n := b.dev.Opened(); n != 0 {
			b.Errorf("%d handles of the device are open", n)
		}
		for _, w := range b.dev.Wrong() {
			b.Error(w)
		}
	})
}

// login logs in as initiator id, with unit attentions cleared.
func (b *bench) login(id byte, opt loopback.Options) *loopback.Session {
	b.Helper()
	opt.Arena = b.arena
	name := fmt.Sprintf("iqn.host%d", id)
	s := loopback.Login(b.port, target.Initiator{Name: name, Port: scsi.ISCSIPort(name, [6]byte{5: id})}, opt)
	b.all = append(b.all, s)
	b.calm(s)
	return s
}

// calm takes the unit attentions of a session, and returns them.
func (b *bench) calm(s *loopback.Session) (all []scsi.ASC) {
	b.Helper()
	for range 20 {
		r := b.do(s, cdb.AppendTestUnitReady(nil), nil, 0)
		if r.Status == scsi.Good || r.sense().Key != scsi.KeyUnitAttention {
			return all
		}
		all = append(all, r.sense().ASC)
	}
	b.Fatal("unit attentions without end")
	return nil
}

// A result is how a command has ended.
type result struct {
	loopback.Result
	data []byte
}

func (r *result) sense() scsi.Sense {
	if len(r.SenseData) > 0 {
		s, err := scsi.ParseSense(r.SenseData)
		if err != nil {
			return scsi.Sense{}
		}
		return s
	}
	return r.Sense
}

func (b *bench) do(s *loopback.Session, c, out []byte, in int) result {
	b.Helper()
	r, data, err := s.Do(context.Background(), 0, c, out, in)
	if err != nil {
		b.Fatalf("%x: %v", c, err)
	}
	return result{r, data}
}

// good runs a command that must end with GOOD and without a residual.
func (b *bench) good(s *loopback.Session, c, out []byte, in int) []byte {
	b.Helper()
	r := b.do(s, c, out, in)
	if r.Status != scsi.Good || r.Residual != 0 {
		b.Fatalf("%x: %v %v, residual %d", c, r.Status, r.sense(), r.Residual)
	}
	return r.data
}

// fails runs a command that must end with the sense.
func (b *bench) fails(s *loopback.Session, c, out []byte, in int, want scsi.Sense) result {
	b.Helper()
	r := b.do(s, c, out, in)
	if got := r.sense(); r.Status != scsi.CheckCondition || got.Key != want.Key || got.ASC != want.ASC {
		b.Errorf("%x: %v %v, want %v", c, r.Status, got, want)
	}
	return r
}

// rw is READ(10) or WRITE(10).
func rw(op scsi.Opcode, lba uint32, blocks int) []byte {
	c := make([]byte, 10)
	c[0] = byte(op)
	binary.BigEndian.PutUint32(c[2:], lba)
	binary.BigEndian.PutUint16(c[7:], uint16(blocks))
	return c
}

// rw6 is READ(6) or WRITE(6) of a tape, of variable blocks.
func rw6(op scsi.Opcode, n int) []byte {
	return []byte{byte(op), 0, byte(n >> 16), byte(n >> 8), byte(n), 0}
}

// pattern is n bytes that are like no others.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>9) ^ byte(i) + seed
	}
	return b
}

// disk is a disk of 16 MiB.
func disk(cfg sgtest.Config) *sgtest.Disk { return sgtest.NewDisk(cfg, 32<<10, 512) }

// A journal keeps what was logged.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) count(what string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), what)
}

// result of the device, as a fault.
func hostSays(h sg.HostStatus, ops ...scsi.Opcode) sgtest.Fault {
	return sgtest.Fault{Match: sgtest.Op(ops...), Times: 1, Host: h}
}

// closeRest looks for what was not given back when the unit is closed already.
func (b *bench) closeRest() {
	b.once.Do(func() {
		if n := b.arena.Outstanding(); n != 0 {
			b.Errorf("%d bytes of the arena are not given back", n)
		}
		if n := b.dev.Opened(); n != 0 {
			b.Errorf("%d handles of the device are open", n)
		}
		_ = b.arena.Close()
	})
}
