package device_test

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/devicetest"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The commands of a processor device of SCSI-2: a message box. MAINTENANCE OUT stands
// for commands with service actions.
const (
	opReceive = scsi.OpRead6
	opSend    = scsi.OpWrite6
)

// boxPage is a mode page with one byte that may change.
const boxPage = 0x20

// A processor keeps the last message that it was sent.
type processor struct {
	*device.Server

	mu      sync.Mutex
	message []byte

	ready    atomic.Bool
	sets     atomic.Int64              // SET TIMESTAMP
	groups   atomic.Int64              // SET TARGET PORT GROUPS
	storing  func()                    // if set, on a worker before a message is stored
	apply    func([]byte) error        // if set, what the mode page does
	reverted atomic.Int64              // how often the mode page went back
	testing  atomic.Pointer[selfTests] // if set, the self-test
}

type selfTests struct{ run func() error }

// keepers keep what outlives a processor; those that are nil do not.
type keepers struct {
	modes        device.ModeKeeper
	reservations reserve.Keeper
	own          bool // nexuses have settings of their own
}

func newProcessor(t testing.TB, keepers keepers) *processor {
	t.Helper()
	p := &processor{}
	p.ready.Store(true)
	var err error
	p.Server, err = device.New(device.Config{
		Identity: scsi.Identity{Type: 0x03, Vendor: "LUNETTE", Product: "BOX", Revision: "1", Serial: "7", NAA: scsi.NAA6("box")},
		Workers:  3, // of which one initiator gets two
		Commands: []device.Command{
			{Op: opReceive, Usage: "\x08\x00\xff\xff\xff\x00", Access: reserve.Reading, Order: target.Reads, Medium: true, Run: p.receive,
				Timeouts: page.Timeouts{Specific: 1, Nominal: 2, Recommended: 3}},
			{Op: opSend, Usage: "\x0a\x00\xff\xff\xff\x00", Tolerated: map[int]byte{1: 0x01}, Access: reserve.Writing, Order: target.Writes, Run: p.send},
			{Op: scsi.OpMaintenanceOut, Action: scsi.ActionSetTimestamp, Access: reserve.Writing, Order: target.Reads, Run: p.count(&p.sets)},
			{Op: scsi.OpMaintenanceOut, Action: scsi.ActionSetTargetPortGroups, Access: reserve.Reading, Order: target.Reads,
				AccessOf: groupsClass, Run: p.count(&p.groups)},
		},
		Modes: []*device.ModePage{{
			Default:    []byte{boxPage, 3, 0, 0, 9},
			Changeable: []byte{boxPage, 3, 0xff, 0, 0},
			Apply:      p.applied,
			Reverted:   func([]byte) { p.reverted.Add(1) },
		}},
		Logs: []device.LogPage{{Code: 0x30, Append: func(dst []byte, _ *target.Unit) []byte {
			return page.AppendLogPage(dst, 0x30, 0, []byte{0, 1, 0, 1, 0xaa, 0, 7, 0, 2, 1, 2})
		}}},
		Ready: func(*target.ITL) (scsi.Sense, bool) { return scsi.NotReady(scsi.ASCBecomingReady), p.ready.Load() },
		SelfTest: func() error {
			if t := p.testing.Load(); t != nil {
				return t.run()
			}
			return nil
		},
		ModeKeeper:   keepers.modes,
		Own:          keepers.own,
		Reservations: keepers.reservations,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// groupsClass: a list makes SET TARGET PORT GROUPS a command that writes.
func groupsClass(c []byte) reserve.Class {
	if m, _ := cdb.ParseMaintenanceOut(c); m.Length > 0 {
		return reserve.Writing
	}
	return reserve.Probing
}

func length(c []byte) int { return int(c[2])<<16 | int(c[3])<<8 | int(c[4]) }

func (p *processor) receive(t *target.Task) {
	p.mu.Lock()
	data := bytes.Clone(p.message)
	p.mu.Unlock()
	p.Reply(t, data, uint32(length(t.CDB)))
}

func (p *processor) send(t *target.Task) {
	n := length(t.CDB)
	if n == 0 {
		p.Good(t)
		return
	}
	p.ReceiveList(t, int64(n), func(t *target.Task, message []byte) {
		t.Work.Any = message
		p.Workers().Run(t, p.store)
	})
}

func (p *processor) store(t *target.Task) {
	if p.storing != nil {
		p.storing()
	}
	p.mu.Lock()
	p.message, _ = t.Work.Any.([]byte)
	p.mu.Unlock()
	p.Good(t)
}

func (p *processor) count(n *atomic.Int64) func(*target.Task) {
	return func(t *target.Task) { n.Add(1); p.Good(t) }
}

func (p *processor) applied(_ *target.ITL, now []byte) error {
	if p.apply != nil {
		return p.apply(now)
	}
	return nil
}

// TestSuite: what all device types must do, this one does.
func TestSuite(t *testing.T) {
	devicetest.Run(t, devicetest.Device{
		New: func(t testing.TB, _ *buffer.Arena) devicetest.Unit { return newProcessor(t, keepers{}) },
		Access: map[devicetest.Name]reserve.Class{
			{Op: opReceive}: reserve.Reading,
			{Op: opSend}:    reserve.Writing,
			{Op: scsi.OpMaintenanceOut, Action: scsi.ActionSetTimestamp}:        reserve.Writing,
			{Op: scsi.OpMaintenanceOut, Action: scsi.ActionSetTargetPortGroups}: reserve.Probing,
		},
		Write:    []byte{byte(opSend), 0, 0x02, 0, 0, 0},
		WriteLen: 128 << 10,
		Modes:    []devicetest.Mode{{Code: page.ModeControl}, {Code: page.ModeExceptions}, {Code: boxPage}},
	})
}

// A bench is a processor at LUN 0 of a target.
type bench struct {
	*testing.T
	arena *buffer.Arena
	p     *processor
	unit  *target.Unit
	port  *target.Port
}

// newBench lends at most limit bytes, or [buffer.MaxBlock] if that is more.
func newBench(t *testing.T, limit int64) *bench {
	t.Helper()
	return newBenchWith(t, limit, keepers{})
}

func newBenchWith(t *testing.T, limit int64, k keepers) *bench {
	t.Helper()
	b := &bench{T: t, arena: buffer.NewArena(limit)}
	b.p = newProcessor(t, k)
	b.unit = target.NewUnit("box", b.p)
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:box", target.Mapping{Unit: b.unit})
	if err != nil {
		t.Fatal(err)
	}
	b.port, err = tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:box,t,0x0001"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.unit.Close(); err != nil {
			t.Error(err)
		}
		if n := b.arena.Outstanding(); n != 0 {
			t.Errorf("%d bytes of the arena are not given back", n)
		}
		if err := b.arena.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// attach logs in as initiator id; the caller closes it.
func (b *bench) attach(id byte, opt loopback.Options) *loopback.Session {
	opt.Arena = b.arena
	return loopback.Login(b.port, target.Initiator{Name: "iqn.host", Port: scsi.ISCSIPort("iqn.host", [6]byte{5: id})}, opt)
}

// login is attach with unit attentions cleared; it is closed at the end.
func (b *bench) login(id byte, opt loopback.Options) *loopback.Session {
	b.Helper()
	s := b.attach(id, opt)
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	b.calm(s)
	return s
}

// calm takes the unit attentions of s and returns them.
func (b *bench) calm(s *loopback.Session) (all []scsi.ASC) {
	b.Helper()
	for range 40 {
		r, _ := b.do(s, cdb.AppendTestUnitReady(nil), nil, 0)
		if r.Status != scsi.CheckCondition || r.Sense.Key != scsi.KeyUnitAttention {
			return all
		}
		all = append(all, r.Sense.ASC)
	}
	b.Fatal("unit attentions without end")
	return nil
}

func (b *bench) do(s *loopback.Session, c, out []byte, in int) (loopback.Result, []byte) {
	b.Helper()
	r, data, err := s.Do(b.Context(), 0, c, out, in)
	if err != nil {
		b.Fatalf("%x: %v", c, err)
	}
	return r, data
}

// good runs a command that must end with GOOD.
func (b *bench) good(s *loopback.Session, c, out []byte, in int) []byte {
	b.Helper()
	r, data := b.do(s, c, out, in)
	if r.Err() != nil {
		b.Fatalf("%x: %v", c, r.Err())
	}
	return data
}

// fails runs a command that must end with exactly this sense.
func (b *bench) fails(s *loopback.Session, c, out []byte, want scsi.Sense) {
	b.Helper()
	if r, _ := b.do(s, c, out, 512); r.Status != scsi.CheckCondition || r.Sense != want {
		b.Errorf("%x: %v %v, want %v", c, r.Status, r.Sense, want)
	}
}
