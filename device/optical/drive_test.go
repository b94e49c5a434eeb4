package optical_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/optical"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/store/storetest"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var identity = scsi.Identity{Vendor: "LUNETTE", Product: "OPTICAL", Revision: "1", Serial: "0001", NAA: scsi.NAA6("optical")}

// Senses that commands end with.
var (
	good       = scsi.Sense{}
	noneClosed = scsi.NotReady(scsi.ASCMediumNotPresentTrayClosed)
	noneOpen   = scsi.NotReady(scsi.ASCMediumNotPresentTrayOpen)
	prevented  = scsi.IllegalRequest(scsi.ASCMediumRemovalPrevented)
	changed    = scsi.UnitAttention(scsi.ASCMediumMayHaveChanged)
)

// A bench is a drive in a target.
type bench struct {
	t     testing.TB
	arena *buffer.Arena
	drive *optical.Drive
	unit  *target.Unit
	port  *target.Port
	all   []*loopback.Session
}

// newBench makes a drive with d in it, nil for none.
func newBench(t testing.TB, d *optical.Disc, change func(*optical.Config)) *bench {
	t.Helper()
	b := &bench{t: t, arena: buffer.NewArena(64 << 20)}
	cfg := optical.Config{Arena: b.arena, Identity: identity, Disc: d}
	if change != nil {
		change(&cfg)
	}
	r, err := optical.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.drive, b.unit = r, target.NewUnit("cd", r)
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:test", target.Mapping{Unit: b.unit})
	if err != nil {
		t.Fatal(err)
	}
	b.port = &target.Port{Target: tgt, Protocol: scsi.ProtocolISCSI, Relative: 1, Name: "iqn.2026-11.io.lunette:test,t,0x0001"}
	t.Cleanup(b.close)
	return b
}

func (b *bench) close() {
	if b.unit == nil {
		return
	}
	for _, s := range b.all {
		if err := s.Close(); err != nil {
			b.t.Error(err)
		}
	}
	if err := b.unit.Close(); err != nil {
		b.t.Error(err)
	}
	if n := b.arena.Outstanding(); n != 0 {
		b.t.Errorf("%d bytes of the arena are not given back", n)
	}
	if err := b.arena.Close(); err != nil {
		b.t.Error(err)
	}
	b.unit = nil
}

// login returns a session of an initiator whose unit attentions are cleared.
func (b *bench) login(id byte, opt loopback.Options) *loopback.Session {
	b.t.Helper()
	if opt.Arena == nil {
		opt.Arena = b.arena
	}
	name := "iqn.host" + string('a'+rune(id))
	s := loopback.Login(b.port, target.Initiator{Name: name, Port: scsi.ISCSIPort(name, [6]byte{5: id})}, opt)
	b.all = append(b.all, s)
	b.calm(s)
	return s
}

// calm ends the unit attentions of s.
func (b *bench) calm(s *loopback.Session) {
	b.t.Helper()
	for range 10 {
		r, err := s.Run(loopback.Command{CDB: cdb.AppendTestUnitReady(nil)})
		if err == nil && (r.Status == scsi.Good || r.Sense.Key != scsi.KeyUnitAttention) {
			return
		}
	}
	b.t.Fatal("unit attentions without end")
}

// do runs a command that must end as told.
func do(t testing.TB, s *loopback.Session, c, out []byte, in int, want scsi.Sense) []byte {
	t.Helper()
	r, data, err := s.Do(context.Background(), 0, c, out, in)
	if err != nil {
		t.Fatal(err)
	}
	if want.IsZero() {
		if r.Status != scsi.Good {
			t.Fatalf("%x: %v %v", c, r.Status, r.Sense)
		}
	} else if r.Status != scsi.CheckCondition || r.Sense.Key != want.Key || r.Sense.ASC != want.ASC {
		t.Fatalf("%x: %v %v, want %v", c, r.Status, r.Sense, want)
	}
	return data
}

func memoryStore(t testing.TB, size int64) *memory.Store {
	t.Helper()
	s, err := memory.Open(memory.Config{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fill writes bytes that follow from seed to all of a store, and returns them.
func fill(t testing.TB, s store.Store, seed uint64) []byte {
	t.Helper()
	data := make([]byte, s.Info().Size)
	r := rand.New(rand.NewPCG(seed, 2))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	arena := buffer.NewArena(int64(len(data)) + 1<<20)
	l, err := arena.Get(int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	l.Copy(0, data)
	if err := s.WriteAt(context.Background(), l, 0, 0); err != nil {
		t.Fatal(err)
	}
	l.Release()
	if err := arena.Close(); err != nil {
		t.Fatal(err)
	}
	return data
}

// disc is a disc that follows from seed, with its data.
func disc(t testing.TB, size int64, seed uint64) (*optical.Disc, []byte) {
	t.Helper()
	s := memoryStore(t, size)
	return &optical.Disc{Store: s, Label: "disc"}, fill(t, s, seed)
}

// blank is a disc that can be written.
func blank(t testing.TB, size int64) *optical.Disc {
	t.Helper()
	return &optical.Disc{Store: memoryStore(t, size), Label: "blank", Writable: true}
}

// The ways that data can take.
type trying struct{ store.Store }

func (s trying) TryReadAt(into *buffer.Lease, off int64) (bool, error) {
	return s.Store.(store.Tryer).TryReadAt(into, off)
}

func (s trying) TryWriteAt(from *buffer.Lease, off int64) (bool, error) {
	return s.Store.(store.Tryer).TryWriteAt(from, off)
}

func (s trying) Info() store.Info {
	i := s.Store.Info()
	i.Volatile, i.Cached = false, true
	return i
}

type waiting struct{ store.Store }

func (s waiting) Info() store.Info { return trying(s).Info() }

type submitting struct{ *storetest.Late }

func (s submitting) Info() store.Info { return trying{s.Late}.Info() }

// way is a store of which data takes the way called name.
func way(t testing.TB, name string, size int64) store.Store {
	s := memoryStore(t, size)
	switch name {
	case "trying":
		return trying{s}
	case "waiting":
		return waiting{s}
	case "submitting":
		return submitting{storetest.NewLate(s)}
	}
	return s
}

func readCDB(lba uint64, blocks uint32) []byte {
	return cdb.ReadWrite{Opcode: scsi.OpRead10, LBA: lba, Blocks: blocks}.Append(nil)
}

func writeCDB(lba uint64, blocks uint32) []byte {
	return cdb.ReadWrite{Opcode: scsi.OpWrite10, LBA: lba, Blocks: blocks}.Append(nil)
}

// Reading sends what is on the disc, whatever its store can do, in all lengths.
func TestRead(t *testing.T) {
	for _, name := range []string{"lending", "trying", "waiting", "submitting"} {
		for _, opt := range []loopback.Options{{}, {Pace: true}} {
			s := way(t, name, 8<<20)
			data := fill(t, s, 1)
			b := newBench(t, &optical.Disc{Store: s}, nil)
			x := b.login(1, opt)
			for _, blocks := range []uint32{0, 1, 2, 64, 65, 1000, 4000} {
				if got := do(t, x, readCDB(7, blocks), nil, int(blocks)*2048, good); !bytes.Equal(got, data[7*2048:][:blocks*2048]) {
					t.Errorf("%s: %d blocks are not those of the disc", name, blocks)
				}
			}
			long := cdb.ReadWrite{Opcode: scsi.OpRead12, LBA: 4095, Blocks: 1}.Append(nil)
			long[10] = 0x80 // STREAMING is a hint
			if got := do(t, x, long, nil, 2048, good); !bytes.Equal(got, data[4095*2048:]) {
				t.Errorf("%s: READ(12) is not the last block", name)
			}
			do(t, x, readCDB(4095, 2), nil, 4096, scsi.LBAOutOfRange())
			do(t, x, readCDB(4096, 0), nil, 0, good)
			do(t, x, readCDB(4097, 0), nil, 0, scsi.LBAOutOfRange())
			do(t, x, cdb.Verify{Opcode: scsi.OpVerify10, LBA: 3, Blocks: 5}.Append(nil), nil, 0, good)
			b.close()
		}
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("leases are not recycled under the race detector")
	}
	for _, name := range []string{"lending", "trying", "waiting", "submitting"} {
		func() {
			b := newBench(t, &optical.Disc{Store: way(t, name, 8<<20)}, nil)
			defer b.close()
			x := b.login(1, loopback.Options{})
			for _, blocks := range []uint32{2, 512} {
				for what, c := range map[string][]byte{
					"READ(10)": readCDB(8, blocks),
					"READ CD":  cdb.ReadCD{Opcode: scsi.OpReadCD, LBA: 8, Blocks: blocks, Parts: cdb.PartUser}.Append(nil),
				} {
					c := loopback.Command{CDB: c, In: make([]byte, blocks*2048)}
					run := func() {
						if r, err := x.Run(c); err != nil || r.Status != scsi.Good {
							t.Fatal(r, err)
						}
					}
					for range 10 {
						run()
					}
					if n := testing.AllocsPerRun(300, run); n != 0 {
						t.Errorf("%s: %v allocations for a %s of %d blocks", name, n, what, blocks)
					}
				}
			}
		}()
	}
}

// event is GET EVENT STATUS NOTIFICATION of classes.
func event(t testing.TB, s *loopback.Session, classes uint8) (page.Event, bool) {
	t.Helper()
	data := do(t, s, cdb.GetEventStatus{Polled: true, Classes: classes, Allocation: 64}.Append(nil), nil, 64, good)
	e, supported, any, err := page.ParseEvent(data)
	if err != nil {
		t.Fatal(err)
	}
	if want := uint8(cdb.EventsOperational | cdb.EventsPower | cdb.EventsMedia | cdb.EventsBusy); supported != want {
		t.Fatalf("classes %02x, want %02x", supported, want)
	}
	return e, any
}

// media is the next event of the class media.
func media(t testing.TB, s *loopback.Session) (code, status uint8) {
	t.Helper()
	e, ok := event(t, s, cdb.EventsMedia)
	if !ok || e.Class != page.EventMedia {
		t.Fatalf("no event of the class media: %+v", e)
	}
	return e.Code, e.Status
}

// expectMedia expects one event of the class media, with its status.
func expectMedia(t testing.TB, s *loopback.Session, code, status uint8) {
	t.Helper()
	if c, st := media(t, s); c != code || st != status {
		t.Fatalf("media event %d with status %d, want %d with %d", c, st, code, status)
	}
}

var (
	eject = cdb.StartStop{LoadEject: true}.Append(nil)
	load  = cdb.StartStop{LoadEject: true, Start: true}.Append(nil)
	ready = cdb.AppendTestUnitReady(nil)
)

func prevent(bits uint8) []byte { return cdb.Prevent{Mode: bits}.Append(nil) }

// Discs come and go, and each nexus is told of each event once.
func TestDiscsComeAndGo(t *testing.T) {
	b := newBench(t, nil, nil)
	x, y := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	do(t, x, ready, nil, 0, noneClosed)
	do(t, x, readCDB(0, 1), nil, 2048, noneClosed)
	expectMedia(t, x, page.MediaNone, 0)

	d, data := disc(t, 1<<20, 1)
	if err := b.drive.Load(t.Context(), d, false); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*loopback.Session{x, y} {
		expectMedia(t, s, page.MediaNew, page.MediaPresent) // while the unit attention is pending
		expectMedia(t, s, page.MediaNone, page.MediaPresent)
		do(t, s, ready, nil, 0, changed)
		do(t, s, ready, nil, 0, good)
	}
	if got := do(t, x, readCDB(0, 512), nil, 1<<20, good); !bytes.Equal(got, data) {
		t.Error("the disc that was put in is another")
	}
	if st := b.drive.Status(); st.Label != "disc" || st.Size != 1<<20 || st.Open || st.Swaps != 1 || st.Writable {
		t.Errorf("%+v", st)
	}

	// An initiator opens the tray: the disc lies in it, and nobody can read it. The tray closes again.
	do(t, x, eject, nil, 0, good)
	do(t, x, eject, nil, 0, good)
	do(t, y, ready, nil, 0, noneOpen)
	expectMedia(t, y, page.MediaRemoved, page.MediaTrayOpen)
	do(t, y, load, nil, 0, good)
	expectMedia(t, x, page.MediaRemoved, page.MediaPresent)
	expectMedia(t, x, page.MediaNew, page.MediaPresent)
	do(t, x, ready, nil, 0, changed)
	do(t, y, ready, nil, 0, changed)
	do(t, y, readCDB(0, 1), nil, 2048, good)

	// People put another disc in its place.
	other, data := disc(t, 2<<20, 2)
	if err := b.drive.Load(t.Context(), other, false); err != nil {
		t.Fatal(err)
	}
	do(t, x, readCDB(0, 1), nil, 2048, changed)
	if got := do(t, x, readCDB(0, 1024), nil, 2<<20, good); !bytes.Equal(got, data) {
		t.Error("the disc is the one that was there before")
	}
	if err := d.Store.Flush(t.Context()); err == nil {
		t.Error("the disc that was taken out is not closed")
	}

	// And take it out; an initiator closes the tray.
	if err := b.drive.Eject(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := b.drive.Eject(t.Context(), false); err != optical.ErrEmpty {
		t.Error(err)
	}
	do(t, x, ready, nil, 0, noneOpen)
	do(t, x, load, nil, 0, good)
	do(t, x, ready, nil, 0, noneClosed)
	do(t, x, cdb.StartStop{Start: true}.Append(nil), nil, 0, noneClosed)
}

// While an initiator prevents it nobody takes the disc out, but by force; all are asked.
func TestPrevent(t *testing.T) {
	d, _ := disc(t, 1<<20, 1)
	b := newBench(t, d, nil)
	x, y := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	expectMedia(t, x, page.MediaNew, page.MediaPresent) // there was a disc when it came
	do(t, x, prevent(1), nil, 0, good)
	do(t, x, prevent(1), nil, 0, good)
	do(t, y, prevent(0), nil, 0, good) // another's
	do(t, y, eject, nil, 0, prevented)
	do(t, x, eject, nil, 0, prevented)
	err := b.drive.Eject(t.Context(), false)
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("iqn.hostb")) {
		t.Errorf("who prevents it? %v", err)
	}
	if err := b.drive.Eject(t.Context(), false); err == nil {
		t.Error("ejected")
	}
	expectMedia(t, x, page.MediaEject, page.MediaPresent) // asked twice, told once
	expectMedia(t, x, page.MediaNone, page.MediaPresent)
	if st := b.drive.Status(); st.Prevented != 1 {
		t.Errorf("%+v", st)
	}
	do(t, x, prevent(0), nil, 0, good)
	do(t, y, eject, nil, 0, good)
	do(t, y, load, nil, 0, good)
	b.calm(x)
	b.calm(y)

	// Persistently: people are refused, initiators not.
	do(t, x, prevent(3), nil, 0, good)
	if e, _ := event(t, x, cdb.EventsOperational); e.Status != 0x80 {
		t.Errorf("PERSISTENT PREVENTED is not shown: %+v", e)
	}
	if e, _ := event(t, y, cdb.EventsOperational); e.Status != 0 {
		t.Errorf("PERSISTENT PREVENTED is another's: %+v", e)
	}
	if err := b.drive.Eject(t.Context(), false); err == nil {
		t.Error("ejected")
	}
	do(t, x, eject, nil, 0, good)
	do(t, x, load, nil, 0, good)
	b.calm(x)
	do(t, x, prevent(2), nil, 0, good)

	// A nexus that is lost prevents nothing, nor does a reset leave anything.
	do(t, x, prevent(1), nil, 0, good)
	if r := y.Manage(target.ResetLogicalUnit, 0, 0); r != target.FunctionComplete {
		t.Fatal(r)
	}
	if st := b.drive.Status(); st.Prevented != 0 {
		t.Errorf("%+v", st)
	}
	b.calm(x)
	do(t, x, prevent(1), nil, 0, good)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	b.all = b.all[1:]
	if err := b.drive.Eject(t.Context(), false); err != nil {
		t.Error(err)
	}

	// By force in any case.
	d, _ = disc(t, 1<<20, 1)
	if err := b.drive.Load(t.Context(), d, false); err != nil {
		t.Fatal(err)
	}
	b.calm(y)
	do(t, y, prevent(1), nil, 0, good)
	if err := b.drive.Eject(t.Context(), true); err != nil {
		t.Error(err)
	}
	do(t, y, ready, nil, 0, noneOpen)
}
