// Package devicetest is the suite that every device type runs: what SPC and SAM ask of all of them.
package devicetest

import (
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A Unit is a logical unit under test. The suite asks more of one with a method Commands, as
// a unit that is made with package device has it.
type Unit interface {
	target.LogicalUnit
	Identity() scsi.Identity
}

// A tabled unit has a command table.
type tabled interface {
	Commands() []*device.Command
}

// Kept is what outlives a unit.
type Kept struct {
	Modes        device.ModeKeeper
	Reservations reserve.Keeper
}

// A Device is what the suite has to know of a device type.
type Device struct {
	// New makes a unit that takes what memory it needs from arena.
	New func(t testing.TB, arena *buffer.Arena) Unit
	// NewKept makes one whose saved mode pages and reservations are kept; nil for device
	// types that keep nothing.
	NewKept func(t testing.TB, arena *buffer.Arena, kept Kept) Unit
	// Access says how reservations fence each command of the type's own, with a CDB of
	// zeros: written from the standard, not from the unit's table.
	Access map[Name]reserve.Class
	// Default says that commands without a row are passed on, and end with GOOD.
	Default bool
	// Lend has the initiators' memory lent, in pieces of 4 KiB.
	Lend bool
	// Write is a CDB that takes WriteLen bytes of data-out.
	Write    []byte
	WriteLen int
	// Start is a CDB that makes the unit ready again after a command with a CDB of zeros has stopped it; nil for
	// device types of which a reset does that.
	Start []byte
	// Partial is a command that has data-in with CHECK CONDITION; nil for device types that have none.
	Partial *Partial
	// Change puts another medium in, that can be used; nil for device types whose medium does not change.
	Change func(t testing.TB, u Unit)
	// Modes are the pages that MODE SENSE has, in order.
	Modes []Mode
	// Bound says that fields of a page depend on each other: a change of one bit alone may be refused, or change others;
	// nil: those of none do.
	Bound func(Mode) bool
	// Follows says that the current values of a page follow a state of the unit: they need not be the default ones; nil: none do.
	Follows func(Mode) bool
}

// A Name tells commands apart; Action is 0 where there are no service actions.
type Name struct {
	Op     scsi.Opcode
	Action scsi.ServiceAction
}

// A Mode names a mode page, or a subpage of it.
type Mode struct{ Code, Subpage byte }

// header is the length of the header of the page.
func (m Mode) header() int {
	if m.Subpage == 0 {
		return 2
	}
	return 4
}

// What a test of the suite asks of the device type.
const (
	everyUnit = 0
	table     = 1 // a command table
	kept      = 2 // NewKept
	partial   = 4 // Partial
	changing  = 8 // Change
)

// Run runs the suite.
func Run(t *testing.T, d Device) {
	for _, c := range []struct {
		name string
		asks int
		run  func(*bench)
	}{
		{"power on", everyUnit, (*bench).powerOn},
		{"attentions", everyUnit, (*bench).attentions},
		{"nexus loss", everyUnit, (*bench).nexusLoss},
		{"resets", everyUnit, (*bench).resets},
		{"order", everyUnit, (*bench).order},
		{"opcodes", table, (*bench).opcodes},
		{"usage", table, (*bench).usage},
		{"report opcodes", table, (*bench).reportOpcodes},
		{"report functions", table, (*bench).reportFunctions},
		{"allocation lengths", table, (*bench).allocationLengths},
		{"inquiry", everyUnit, (*bench).inquiry},
		{"modes", table, (*bench).modes},
		{"saved modes", kept | table, (*bench).savedModes},
		{"logs", table, (*bench).logs},
		{"log select", table, (*bench).logSelect},
		{"fencing", everyUnit, (*bench).fencing},
		{"unit reservation", everyUnit, (*bench).unitReservation},
		{"persistent reservation", everyUnit, (*bench).persistent},
		{"preempt and abort", everyUnit, (*bench).preemptAndAbort},
		{"persist through power loss", kept, (*bench).powerLoss},
		{"parameter lists", everyUnit, (*bench).parameterLists},
		{"abort", everyUnit, (*bench).abort},
		{"data-out fails", everyUnit, (*bench).dataOutFails},
		{"data with CHECK CONDITION", partial, (*bench).partialData},
		{"the medium changes", changing, (*bench).mediumChanges},
	} {
		if c.asks&kept != 0 && d.NewKept == nil || c.asks&partial != 0 && d.Partial == nil || c.asks&changing != 0 && d.Change == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, d)
			defer b.close()
			if b.rows != nil || c.asks&table == 0 {
				c.run(b)
			}
		})
	}
}

// A bench is a unit at LUN 0 of a target.
type bench struct {
	*testing.T
	d     Device
	arena *buffer.Arena
	lu    Unit
	rows  []*device.Command // nil: no table
	unit  *target.Unit
	port  *target.Port
	all   []*loopback.Session
}

func newBench(t *testing.T, d Device) *bench {
	return newBenchOf(t, d, func(arena *buffer.Arena) Unit { return d.New(t, arena) })
}

func newBenchOf(t *testing.T, d Device, make func(*buffer.Arena) Unit) *bench {
	b := &bench{T: t, d: d, arena: buffer.NewArena(64 << 20)}
	b.lu = make(b.arena)
	if u, ok := b.lu.(tabled); ok {
		b.rows = u.Commands()
	}
	b.unit = target.NewUnit("unit", b.lu)
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:test", target.Mapping{Unit: b.unit})
	if err != nil {
		t.Fatal(err)
	}
	b.port, err = tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:test,t,0x0001"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// close ends all and looks for what was not given back.
func (b *bench) close() {
	for _, s := range b.all {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
	b.all = nil
	if err := b.unit.Close(); err != nil {
		b.Error(err)
	}
	if n := b.arena.Outstanding(); n != 0 {
		b.Errorf("%d bytes of the arena are not given back", n)
	}
	if err := b.arena.Close(); err != nil {
		b.Error(err)
	}
}

// attach logs in as initiator id and leaves its unit attentions.
func (b *bench) attach(id byte, opt loopback.Options) *loopback.Session {
	opt.Arena = b.arena
	if b.d.Lend {
		opt.Lend, opt.LendPiece = true, 4<<10
	}
	return loopback.Login(b.port, target.Initiator{
		Name: "iqn.host", Port: scsi.ISCSIPort("iqn.host", [6]byte{5: id}),
	}, opt)
}

// login is attach with unit attentions cleared.
func (b *bench) login(id byte, opt loopback.Options) *loopback.Session {
	b.Helper()
	s := b.attach(id, opt)
	b.all = append(b.all, s)
	b.calm(s)
	return s
}

// calm clears the unit attentions of a session and returns them.
func (b *bench) calm(s *loopback.Session) []scsi.ASC {
	b.Helper()
	var all []scsi.ASC
	for range 20 {
		r := b.do(s, cdb.AppendTestUnitReady(nil), nil, 0)
		if r.Status == scsi.Good {
			return all
		}
		if r.Sense.Key != scsi.KeyUnitAttention {
			b.Fatalf("TEST UNIT READY: %v %v", r.Status, r.Sense)
		}
		all = append(all, r.Sense.ASC)
	}
	b.Fatal("unit attentions without end")
	return nil
}

type result struct {
	loopback.Result
	data []byte
}

func (b *bench) do(s *loopback.Session, c, out []byte, in int) result {
	b.Helper()
	r, data, err := s.Do(b.Context(), 0, c, out, in)
	if err != nil {
		b.Fatalf("%x: %v", c, err)
	}
	if len(r.SenseData) > 0 { // raw
		if r.Sense, err = scsi.ParseSense(r.SenseData); err != nil {
			b.Errorf("%x: sense %x: %v", c, r.SenseData, err)
		}
	}
	return result{r, data}
}

// good runs a command that must end with GOOD.
func (b *bench) good(s *loopback.Session, c, out []byte, in int) []byte {
	b.Helper()
	r := b.do(s, c, out, in)
	if r.Status != scsi.Good {
		b.Fatalf("%x: %v %v", c, r.Status, r.Sense)
	}
	return r.data
}

// fails runs a command that must end with the sense.
func (b *bench) fails(s *loopback.Session, c, out []byte, key scsi.SenseKey, asc scsi.ASC) scsi.Sense {
	b.Helper()
	r := b.do(s, c, out, 512)
	if r.Status != scsi.CheckCondition || r.Sense.Key != key || r.Sense.ASC != asc {
		b.Errorf("%x: %v %v, want %v", c, r.Status, r.Sense, scsi.NewSense(key, asc))
	}
	return r.Sense
}

// attention expects one unit attention.
func (b *bench) attention(s *loopback.Session, want ...scsi.ASC) {
	b.Helper()
	got := b.calm(s)
	if len(got) != len(want) {
		b.Errorf("unit attentions %v, want %v", got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			b.Errorf("unit attentions %v, want %v", got, want)
		}
	}
}
