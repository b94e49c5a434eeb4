package echo_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/devicetest"
	"github.com/lunette-io/lunette/device/devicetest/echo"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newEcho(t testing.TB, _ *buffer.Arena, kept devicetest.Kept) devicetest.Unit {
	t.Helper()
	p, err := echo.New(echo.Config{
		Identity: scsi.Identity{Vendor: "LUNETTE", Product: "ECHO", Revision: "1", Serial: "7", NAA: scsi.NAA6("echo")},
		Modes:    kept.Modes, Reservations: kept.Reservations,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSuite: a device type with neither a store nor a medium.
func TestSuite(t *testing.T) {
	devicetest.Run(t, devicetest.Device{
		New:      func(t testing.TB, arena *buffer.Arena) devicetest.Unit { return newEcho(t, arena, devicetest.Kept{}) },
		NewKept:  newEcho,
		Default:  true,
		Access:   map[devicetest.Name]reserve.Class{{Op: echo.Receive}: reserve.Reading, {Op: echo.Send}: reserve.Writing},
		Write:    []byte{byte(echo.Send), 0, 0x01, 0, 0, 0},
		WriteLen: 64 << 10,
		Modes: []devicetest.Mode{
			{Code: page.ModeControl}, {Code: page.ModeExceptions}, {Code: echo.ModePage}, {Code: echo.ModePage, Subpage: echo.ModeSubpage},
		},
	})
}

// A bench is an echo at LUN 0 of a target, with two initiators that have heard of the power on.
type bench struct {
	*testing.T
	s, other *loopback.Session
	p        *echo.Processor
}

func newBench(t *testing.T) *bench {
	t.Helper()
	arena := buffer.NewArena(1 << 20)
	b := &bench{T: t, p: newEcho(t, arena, devicetest.Kept{}).(*echo.Processor)}
	unit := target.NewUnit("echo", b.p)
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:echo", target.Mapping{Unit: unit})
	if err != nil {
		t.Fatal(err)
	}
	port, err := tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:echo,t,0x0001"})
	if err != nil {
		t.Fatal(err)
	}
	login := func(id byte) *loopback.Session {
		s := loopback.Login(port, target.Initiator{Port: scsi.ISCSIPort("iqn.host", [6]byte{5: id})}, loopback.Options{Arena: arena})
		b.do(s, cdb.AppendTestUnitReady(nil), nil)
		return s
	}
	b.s, b.other = login(1), login(2)
	t.Cleanup(func() {
		for _, f := range []func() error{b.s.Close, b.other.Close, unit.Close, arena.Close} {
			if err := f(); err != nil {
				t.Error(err)
			}
		}
	})
	return b
}

func (b *bench) do(s *loopback.Session, c, out []byte) (loopback.Result, []byte) {
	b.Helper()
	r, data, err := s.Do(b.Context(), 0, c, out, 1024)
	if err != nil {
		b.Fatal(err)
	}
	return r, data
}

// Parameters of the application client log page are set, all of a list or none.
func TestLogParameters(t *testing.T) {
	b := newBench(t)
	text := func(n uint16, s string) []byte {
		return page.AppendLogParameter(nil, n, page.LogBinaryList, []byte(s)...)
	}
	logSelect := func(list []byte) scsi.Sense {
		r, _ := b.do(b.s, cdb.LogSelect{Control: cdb.LogCumulative, Length: uint16(len(list))}.Append(nil), list)
		return r.Sense
	}
	client := func(parameters ...[]byte) []byte {
		return page.AppendLogPage(nil, echo.LogClient, 0, slices.Concat(parameters...))
	}
	if s := logSelect(client(text(0, "zero"), text(3, "three"))); !s.IsZero() {
		t.Fatal(s)
	}
	if r, _ := b.do(b.other, cdb.AppendTestUnitReady(nil), nil); r.Sense != scsi.UnitAttention(scsi.ASCLogParametersChanged) {
		t.Errorf("the other nexus: %v", r.Sense)
	}
	want := client(text(0, "zero"), text(1, ""), text(2, ""), text(3, "three"))
	field := scsi.InvalidFieldInParameterList
	for name, c := range map[string]struct {
		list []byte
		want scsi.Sense
	}{
		"no such parameter": {client(text(0, "0"), text(4, "four")), field(9, -1)},
		"too long":          {client(text(1, strings.Repeat("x", 65))), field(4, -1)},
		"control byte":      {client(text(0, "0"), []byte{0, 1, 0x80, 0}), field(11, -1)},
		"a counter":         {page.AppendLogPage(nil, echo.LogMessages, 0, text(1, "12345678")), field(0, 5)},
		"no such subpage":   {page.AppendLogPage(nil, echo.LogClient, 1, nil), field(1, -1)},
		"a later page":      {slices.Concat(client(text(0, "0")), page.AppendLogPage(nil, 0x3d, 0, nil)), field(9, 5)},
	} {
		if s := logSelect(c.list); s != c.want {
			t.Errorf("%s: %v, want %v", name, s, c.want)
		}
	}
	_, got := b.do(b.s, cdb.LogSense{Control: cdb.LogCumulative, Page: echo.LogClient, Allocation: 1024}.Append(nil), nil)
	if !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	if r, _ := b.do(b.other, cdb.AppendTestUnitReady(nil), nil); r.Err() != nil {
		t.Errorf("a list that was refused: %v", r.Err())
	}
}

// The default row obeys unit attentions and reservations as every row does.
func TestDefaultRow(t *testing.T) {
	b := newBench(t)
	vendor := []byte{0xc5, 1, 2, 3}
	if r, _ := b.do(b.s, vendor, nil); r.Err() != nil || b.p.Passed() != 1 {
		t.Fatalf("%v, %d commands passed", r.Err(), b.p.Passed())
	}
	if o := b.p.Order(vendor); o != device.WholeUnit(target.Writes) {
		t.Errorf("%+v", o)
	}
	b.p.Announce(scsi.ASCModeParametersChanged, nil)
	if r, _ := b.do(b.s, vendor, nil); r.Sense != scsi.UnitAttention(scsi.ASCModeParametersChanged) {
		t.Errorf("%v", r.Err())
	}
	b.do(b.other, cdb.AppendTestUnitReady(nil), nil)
	if r, _ := b.do(b.other, []byte{0x16, 0, 0, 0, 0, 0}, nil); r.Err() != nil {
		t.Fatal(r.Err())
	}
	if r, _ := b.do(b.s, vendor, nil); r.Status != scsi.ReservationConflict || b.p.Passed() != 1 {
		t.Errorf("%v, %d commands passed", r.Status, b.p.Passed())
	}
}
