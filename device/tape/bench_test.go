package tape_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is a drive that can do everything; the format L7 it only reads, and L6 it does not know.
func model() personality.Drive {
	return personality.Drive{
		Name: "test", Vendor: "LUNETTE", Product: "TAPE", Revision: "1",
		Formats:  []personality.DriveFormat{{Format: "L8", Write: true}, {Format: "L7"}},
		MaxBlock: 8 << 20, Partitions: 4, Compression: 1, Protection: []byte{1, 2}, WORM: true, AppendOnly: true,
	}
}

var formats = []personality.Format{
	{Name: "L8", Density: 0x5e, MediumType: 0x88, WORMType: 0x8c, Capacity: 12_000_000},
	{Name: "L7", Density: 0x5c, MediumType: 0x78, Capacity: 6_000_000},
}

func identity() scsi.Identity {
	return scsi.Identity{Vendor: "LUNETTE", Product: "TAPE", Revision: "1", Serial: "D0001", NAA: scsi.NAA6("drive")}
}

// newDrive makes an empty drive.
func newDrive(t testing.TB, arena *buffer.Arena, change func(*tape.Config)) *tape.Drive {
	t.Helper()
	cfg := tape.Config{Model: model(), Formats: formats, Identity: identity(), Arena: arena, Compression: medium.Plain}
	if change != nil {
		change(&cfg)
	}
	d, err := tape.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// cartridge makes a blank one.
func cartridge(capacity int64, change func(*medium.Spec)) medium.Tape {
	s := medium.Spec{Barcode: "LUN001L8", Serial: "1", Format: "L8", Maker: "LUNETTE", Capacity: capacity}
	if change != nil {
		change(&s)
	}
	return medium.Memory(s)
}

// A bench is a drive at LUN 0 of a target, with an initiator that has heard of everything.
type bench struct {
	testing.TB
	d     *tape.Drive
	arena *buffer.Arena
	unit  *target.Unit
	port  *target.Port
	s     *loopback.Session
	all   []*loopback.Session

	buffered bool // for the model
	once     sync.Once
}

func newBench(t testing.TB, change func(*tape.Config)) *bench {
	t.Helper()
	b := &bench{TB: t, buffered: true, arena: buffer.NewArena(256 << 20)}
	b.d = newDrive(t, b.arena, change)
	b.unit = target.NewUnit("drive", b.d)
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:tape", target.Mapping{Unit: b.unit})
	if err != nil {
		t.Fatal(err)
	}
	if b.port, err = tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:tape,t,0x0001"}); err != nil {
		t.Fatal(err)
	}
	b.s = b.login(1, loopback.Options{})
	t.Cleanup(b.close)
	return b
}

// loaded is newBench with a blank cartridge.
func loaded(t testing.TB, capacity int64, change func(*tape.Config)) *bench {
	t.Helper()
	b := newBench(t, change)
	b.load(cartridge(capacity, nil))
	return b
}

func (b *bench) close() { b.once.Do(b.closeAll) }

func (b *bench) closeAll() {
	for _, s := range b.all {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
	if err := b.unit.Close(); err != nil {
		b.Error(err)
	}
	if n := b.arena.Outstanding(); n != 0 {
		b.Errorf("%d bytes are not given back", n)
	}
	if err := b.arena.Close(); err != nil {
		b.Error(err)
	}
}

// initiator is who has a number.
func (b *bench) initiator(id byte) target.Initiator {
	return target.Initiator{Name: fmt.Sprint("iqn.host", id), Port: scsi.ISCSIPort("iqn.host", [6]byte{5: id})}
}

func (b *bench) login(id byte, opt loopback.Options) *loopback.Session {
	b.Helper()
	opt.Arena = b.arena
	s := loopback.Login(b.port, b.initiator(id), opt)
	b.all = append(b.all, s)
	b.calm(s)
	return s
}

// calm takes the unit attentions of s.
func (b *bench) calm(s *loopback.Session) (all []scsi.ASC) {
	b.Helper()
	for range 20 {
		r := b.on(s, cdb.AppendTestUnitReady(nil), nil, 0)
		if r.Sense.Key != scsi.KeyUnitAttention {
			return all
		}
		all = append(all, r.Sense.ASC)
	}
	b.Fatal("unit attentions without end")
	return nil
}

// load loads a cartridge, and lets all hear of it.
func (b *bench) load(t medium.Tape) {
	b.Helper()
	if err := b.d.Load(context.Background(), t); err != nil {
		b.Fatal(err)
	}
	for _, s := range b.all {
		b.calm(s)
	}
}

// unload takes it out, and closes it.
func (b *bench) unload() {
	b.Helper()
	t, err := b.d.Unload(context.Background(), false)
	if err != nil {
		b.Fatal(err)
	}
	if err := t.Close(); err != nil {
		b.Fatal(err)
	}
}

type result struct {
	loopback.Result
	data []byte
}

func (b *bench) on(s *loopback.Session, c, out []byte, in int) result {
	b.Helper()
	r, data, err := s.Do(context.Background(), 0, c, out, in)
	if err != nil {
		b.Fatalf("%x: %v", c, err)
	}
	return result{r, data}
}

func (b *bench) do(c, out []byte, in int) result { b.Helper(); return b.on(b.s, c, out, in) }

// good runs a command that must end with GOOD.
func (b *bench) good(c, out []byte, in int) []byte {
	b.Helper()
	r := b.do(c, out, in)
	if r.Err() != nil || r.Residual != 0 {
		b.Fatalf("%x: %v, residual %d", c, r.Err(), r.Residual)
	}
	return r.data
}

// ends runs a command that must end with the sense and the residual.
func (b *bench) ends(c, out []byte, in int, want scsi.Sense, residual int64) result {
	b.Helper()
	r := b.do(c, out, in)
	if want.IsZero() && r.Err() != nil || !want.IsZero() && (r.Status != scsi.CheckCondition || r.Sense != want) || r.Residual != residual {
		b.Errorf("%x: %v %v, residual %d; want %v, residual %d", c, r.Status, r.Sense, r.Residual, want, residual)
	}
	return r
}

func writeCDB(n int) []byte {
	return cdb.Transfer{Opcode: scsi.OpWrite6, Length: uint32(n)}.Append(nil)
}
func writeFixed(n int) []byte {
	return cdb.Transfer{Opcode: scsi.OpWrite6, Fixed: true, Length: uint32(n)}.Append(nil)
}
func readCDB(n int) []byte {
	return cdb.Transfer{Opcode: scsi.OpRead6, Length: uint32(n)}.Append(nil)
}
func readSILI(n int) []byte {
	return cdb.Transfer{Opcode: scsi.OpRead6, SILI: true, Length: uint32(n)}.Append(nil)
}
func readFixed(n int) []byte {
	return cdb.Transfer{Opcode: scsi.OpRead6, Fixed: true, Length: uint32(n)}.Append(nil)
}
func marks(n int) []byte      { return cdb.WriteFilemarks{Count: uint32(n)}.Append(nil) }
func marksImmed(n int) []byte { return cdb.WriteFilemarks{Immed: true, Count: uint32(n)}.Append(nil) }
func rewind() []byte          { return cdb.Rewind{}.Append(nil) }
func space(code uint8, n int64) []byte {
	return cdb.Space{Opcode: scsi.OpSpace6, Code: code, Count: n}.Append(nil)
}
func locate(n uint64) []byte {
	return cdb.Locate{Opcode: scsi.OpLocate16, Identifier: n}.Append(nil)
}
func locateIn(partition uint8, n uint64) []byte {
	return cdb.Locate{Opcode: scsi.OpLocate16, Change: true, Partition: partition, Identifier: n}.Append(nil)
}
func ready() []byte { return cdb.AppendTestUnitReady(nil) }

// block is data that no other n gives.
func block(n int, size int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// position is where the drive says that it is, by all forms.
func (b *bench) position() (partition int, object, file uint64, flags byte) {
	b.Helper()
	long := b.good(cdb.ReadPosition{Action: cdb.PositionLong}.Append(nil), nil, 32)
	short := b.good(cdb.ReadPosition{}.Append(nil), nil, 20)
	extended := b.good(cdb.ReadPosition{Action: cdb.PositionExtended, Allocation: 32}.Append(nil), nil, 32)
	object = be(long[8:16])
	if be(short[4:8]) != object || be(extended[8:16]) != object || int(short[1]) != int(be(long[4:8])) || extended[1] != short[1] {
		b.Errorf("long %x, short %x, extended %x", long, short, extended)
	}
	return int(be(long[4:8])), object, be(long[16:24]), short[0]
}

func be(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// at fails unless the drive is at an object of a file.
func (b *bench) at(object, file uint64) {
	b.Helper()
	if _, o, f, _ := b.position(); o != object || f != file {
		b.Errorf("at object %d, file %d; want %d, %d", o, f, object, file)
	}
}

// reads fails unless the next block is this one.
func (b *bench) reads(want []byte) {
	b.Helper()
	if got := b.good(readCDB(len(want)), nil, len(want)); !bytes.Equal(got, want) {
		b.Errorf("another block of %d bytes, want %d", len(got), len(want))
	}
}

func sense(key scsi.SenseKey, asc scsi.ASC) scsi.Sense { return scsi.NewSense(key, asc) }

func mark(info uint64) scsi.Sense {
	s := scsi.Sense{Key: scsi.KeyNoSense, ASC: scsi.ASCFilemarkDetected, Filemark: true}
	return s.WithInfo(info)
}

func eod(info uint64) scsi.Sense {
	return sense(scsi.KeyBlankCheck, scsi.ASCEndOfData).WithInfo(info)
}

func ili(info int64) scsi.Sense { return scsi.Sense{ILI: true}.WithInfo(uint64(info)) }

func eom(key scsi.SenseKey, asc scsi.ASC, info uint64) scsi.Sense {
	s := scsi.Sense{Key: key, ASC: asc, EOM: true}
	return s.WithInfo(info)
}
