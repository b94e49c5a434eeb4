package disk_test

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

var identity = scsi.Identity{Vendor: "LUNETTE", Product: "DISK", Revision: "1", Serial: "0001", NAA: scsi.NAA6("test")}

// A bench is a disk with one session per name.
type bench struct {
	t     testing.TB
	arena *buffer.Arena
	disk  *disk.Disk
	unit  *target.Unit
	port  *target.Port
	all   []*loopback.Session
}

func newBench(t testing.TB, s store.Store, change func(*disk.Config)) *bench {
	t.Helper()
	b := &bench{t: t, arena: buffer.NewArena(64 << 20)}
	cfg := disk.Config{Store: s, Arena: b.arena, Identity: identity}
	if change != nil {
		change(&cfg)
	}
	d, err := disk.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.disk, b.unit = d, target.NewUnit("disk", d)
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

// login returns a session whose unit attentions are cleared.
func (b *bench) login(id byte, opt loopback.Options) *loopback.Session {
	b.t.Helper()
	if opt.Arena == nil {
		opt.Arena = b.arena
	}
	s := loopback.Login(b.port, target.Initiator{
		Name: "iqn.host", Port: scsi.ISCSIPort("iqn.host", [6]byte{5: id}),
	}, opt)
	b.all = append(b.all, s)
	for range 10 {
		if r, err := s.Run(loopback.Command{CDB: cdb.AppendTestUnitReady(nil)}); err == nil && r.Status == scsi.Good {
			return s
		}
	}
	b.t.Fatal("unit attentions without end")
	return nil
}

func memoryStore(t testing.TB, size int64) *memory.Store {
	t.Helper()
	s, err := memory.Open(memory.Config{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// do runs a command that must end as told.
func do(t testing.TB, s *loopback.Session, c, out []byte, in int, want scsi.Sense) []byte {
	t.Helper()
	r, data, err := s.Do(t.Context(), 0, c, out, in)
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

func TestReadWrite(t *testing.T) {
	b := newBench(t, memoryStore(t, 1<<20), nil)
	s := b.login(1, loopback.Options{})
	data := bytes.Repeat([]byte("lunette!"), 512)
	do(t, s, cdb.ReadWrite{Opcode: scsi.OpWrite10, LBA: 3, Blocks: 8}.Append(nil), data, 0, scsi.Sense{})
	got := do(t, s, cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: 3, Blocks: 8}.Append(nil), nil, 4096, scsi.Sense{})
	if !bytes.Equal(got, data) {
		t.Error("read something else than was written")
	}
	got = do(t, s, cdb.ReadCapacity{Opcode: scsi.OpServiceActionIn16, Allocation: 32}.Append(nil), nil, 32, scsi.Sense{})
	t.Logf("%x", got)
	for _, c := range [][]byte{
		cdb.Inquiry{Allocation: 96}.Append(nil),
		cdb.Inquiry{VPD: true, Page: 0x83, Allocation: 255}.Append(nil),
		cdb.Inquiry{VPD: true, Page: 0xb0, Allocation: 255}.Append(nil),
		cdb.ModeSense{Opcode: scsi.OpModeSense6, Page: 0x3f, Allocation: 255}.Append(nil),
		cdb.RequestSense{Allocation: 18}.Append(nil),
		cdb.ReportLUNs{Allocation: 255}.Append(nil),
		cdb.ReportOpcodes{Allocation: 255}.Append(nil),
	} {
		t.Logf("%x: %x", c, do(t, s, c, nil, 255, scsi.Sense{}))
	}
}
