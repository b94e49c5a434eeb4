package disk_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/internal/guard/guardtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/file"
	"github.com/lunette-io/lunette/store/filter/fault"
	"github.com/lunette-io/lunette/store/storetest"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// foreignKinds are the ways that data takes to and from memory which is the initiator's own.
var foreignKinds = []string{"file", "file waiting", "file submitting", "file missing"}

// foreignWaiting is a store that always waits, and takes foreign memory.
type foreignWaiting struct{ waiting }

func (foreignWaiting) TakesForeign() {}

// foreignKind is a file in the page cache, or a store on one that is not tried; nil: it is no such kind.
func foreignKind(t testing.TB, kind string, size int64) store.Store {
	if !slices.Contains(foreignKinds, kind) {
		return nil
	}
	s, err := file.Open(file.Config{Path: filepath.Join(t.TempDir(), "disk.img"), Size: size})
	if err != nil {
		t.Fatal(err)
	}
	switch kind {
	case "file waiting":
		return foreignWaiting{waiting{s}}
	case "file submitting":
		return newSubmitting(s)
	case "file missing":
		return missing{newSubmitting(s)}
	}
	return s
}

// Memory of the initiator is read into and written from, in any number of pieces, and nothing is copied nor leased. What is not lent, and commands that look at data,
// go as ever.
func TestLent(t *testing.T) {
	const size = 8 << 20
	for _, kind := range foreignKinds {
		for _, opt := range []loopback.Options{
			{}, {LendPiece: 4096}, {LendPiece: 512, Pace: true}, {LendPiece: 4096, First: -1}, {LendPiece: 4096, First: 1024},
		} {
			opt.Lend = true
			t.Run(fmt.Sprintf("%s/%+v", kind, opt), func(t *testing.T) {
				opt.Arena = buffer.NewArena(64 << 20)
				b := newBench(t, foreignKind(t, kind, size), nil)
				s := b.login(1, opt)
				model := make([]byte, size)
				read := func(lba, blocks int) {
					t.Helper()
					in := make([]byte, blocks*512)
					r, err := s.Run(loopback.Command{CDB: cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: uint64(lba), Blocks: uint32(blocks)}.Append(nil), In: in})
					if err != nil || r.Status != scsi.Good || r.In != int64(len(in)) || r.Residual != 0 || !bytes.Equal(in, model[lba*512:][:len(in)]) {
						t.Fatalf("READ of %d blocks at %d: %+v, %v", blocks, lba, r, err)
					}
				}
				for _, blocks := range []int{1, 8, 7, 256, 257, 2048, 2049, 4096, 4097, 9000} {
					lba := rand.IntN(size/512 - blocks)
					out := make([]byte, blocks*512)
					for i := range out {
						out[i] = byte(rand.Uint32())
					}
					for _, fua := range []bool{false, true} {
						c := cdb.ReadWrite{Opcode: scsi.OpWrite16, LBA: uint64(lba), Blocks: uint32(blocks), FUA: fua}.Append(nil)
						if r, err := s.Run(loopback.Command{CDB: c, Out: out}); err != nil || r.Status != scsi.Good || r.Residual != 0 {
							t.Fatalf("WRITE of %d blocks at %d: %+v, %v", blocks, lba, r, err)
						}
						copy(model[lba*512:], out)
					}
					read(lba, blocks)
				}
				if n := s.Moved(); n != 0 {
					t.Errorf("%d bytes were moved", n)
				}
				if n := s.Lent(); n == 0 {
					t.Error("nothing was lent")
				}
				if opt.First == 0 {
					if n := s.Copied(); n != 0 {
						t.Errorf("%d bytes were copied", n)
					}
				}
				// Data that is looked at.
				block := bytes.Repeat([]byte("lunette!"), 64)
				lent := s.Lent()
				do(t, s, cdb.ReadWrite{Opcode: scsi.OpWriteAndVerify10, LBA: 3, Blocks: 1}.Append(nil), block, 0, scsi.Sense{})
				copy(model[3*512:], block)
				if s.Lent() != lent {
					t.Error("WRITE AND VERIFY has data lent")
				}
				read(0, 16)
				if want := b.bytes(); want == 0 {
					t.Error("no bytes are counted")
				}
				b.close()
				if err := opt.Arena.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// bytes is what the unit's nexuses count as moved.
func (b *bench) bytes() int64 {
	n := b.disk.Totals()
	return n.BytesIn + n.BytesOut
}

// Memory that is gone ends its command with a sense that says so, changes nothing else, and is not counted as an error of the medium.
func TestLentGone(t *testing.T) {
	const size = 2 << 20
	for _, kind := range foreignKinds {
		t.Run(kind, func(t *testing.T) {
			b := newBench(t, foreignKind(t, kind, 4<<20), nil)
			s := b.login(1, loopback.Options{Lend: true, LendPiece: 4096})
			mem := guardtest.New(t, size)
			for _, left := range []int{0, guardtest.Page, size / 2, size - guardtest.Page} {
				for _, blocks := range []uint32{256, 2048, 4096} {
					memory := mem.Mem[size-int(blocks)*512:]
					mem.Cut(left)
					write := cdb.ReadWrite{Opcode: scsi.OpWrite16, Blocks: blocks}.Append(nil)
					r, err := s.Run(loopback.Command{CDB: write, Out: memory})
					if want := scsi.NewSense(scsi.KeyAbortedCommand, scsi.ASCDataOutBufferError); err != nil || r.Sense.Key != want.Key || r.Sense.ASC != want.ASC {
						t.Fatalf("WRITE of %d blocks, %d bytes are left: %+v, %v", blocks, left, r, err)
					}
					read := cdb.ReadWrite{Opcode: scsi.OpRead16, Blocks: blocks}.Append(nil)
					r, err = s.Run(loopback.Command{CDB: read, In: memory})
					if want := scsi.NewSense(scsi.KeyAbortedCommand, scsi.ASCDataInBufferError); err != nil || r.Sense.Key != want.Key || r.Sense.ASC != want.ASC {
						t.Fatalf("READ of %d blocks, %d bytes are left: %+v, %v", blocks, left, r, err)
					}
					mem.Cut(size)
					for _, c := range []loopback.Command{{CDB: write, Out: memory}, {CDB: read, In: memory}} {
						if r, err := s.Run(c); err != nil || r.Status != scsi.Good {
							t.Fatalf("with memory again: %+v, %v", r, err)
						}
					}
				}
			}
			if e := b.disk.Errors(); e.Medium != 0 {
				t.Errorf("%+v", e)
			}
		})
	}
}

// A READ that fails when a part of the memory is filled ends with its sense.
func TestLentFails(t *testing.T) {
	f := fault.New(foreignKind(t, "file", 8<<20), 1)
	b := newBench(t, f, nil)
	s := b.login(1, loopback.Options{Lend: true, LendPiece: 4096})
	f.Set(fault.Rule{Ops: fault.Read, Off: 3 << 20, Len: 512, Err: store.ErrMedium})
	in := make([]byte, 4<<20)
	r, err := s.Run(loopback.Command{CDB: cdb.ReadWrite{Opcode: scsi.OpRead16, Blocks: 8192}.Append(nil), In: in})
	if err != nil || r.Sense.Key != scsi.KeyMediumError {
		t.Fatalf("%+v, %v", r, err)
	}
	f.Set()
	if r, err := s.Run(loopback.Command{CDB: cdb.ReadWrite{Opcode: scsi.OpRead16, Blocks: 8192}.Append(nil), In: in}); err != nil || r.Status != scsi.Good {
		t.Fatalf("%+v, %v", r, err)
	}
}

// held is a store whose calls wait until they are let go, whatever becomes of their contexts: storage that cannot take back what it has begun.
type held struct {
	foreignWaiting
	begun chan struct{}
	goes  chan struct{}
}

func (s held) ReadAt(_ context.Context, into *buffer.Lease, off int64) error {
	s.begun <- struct{}{}
	<-s.goes
	return s.foreignWaiting.ReadAt(context.Background(), into, off)
}

func (s held) WriteAt(_ context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	s.begun <- struct{}{}
	<-s.goes
	return s.foreignWaiting.WriteAt(context.Background(), from, off, f)
}

// A task whose memory the store is using does not end before that has ended, whatever ends it.
func TestLentAborted(t *testing.T) {
	read := cdb.ReadWrite{Opcode: scsi.OpRead16, Blocks: 2048}.Append(nil)
	write := cdb.ReadWrite{Opcode: scsi.OpWrite16, Blocks: 2048}.Append(nil)
	ends := map[string]func(s *loopback.Session, tag uint64){
		"ABORT TASK":         func(s *loopback.Session, tag uint64) { s.Manage(target.AbortTask, 0, tag) },
		"LOGICAL UNIT RESET": func(s *loopback.Session, _ uint64) { s.Manage(target.ResetLogicalUnit, 0, 0) },
		"nexus loss": func(s *loopback.Session, _ uint64) {
			done := make(chan struct{})
			s.Nexus.Lost(func() { close(done) })
			<-done
		},
	}
	for _, kind := range []string{"waiting", "submitting"} {
		for what, end := range ends {
			for _, c := range []loopback.Command{{CDB: read, In: make([]byte, 1<<20), Tag: 7}, {CDB: write, Out: make([]byte, 1<<20), Tag: 7}} {
				t.Run(fmt.Sprintf("%s/%s/%#x", kind, what, c.CDB[0]), func(t *testing.T) {
					begun, goes := make(chan struct{}, 1), make(chan struct{})
					h := held{foreignWaiting{waiting{foreignKind(t, "file", 4<<20)}}, begun, goes}
					var st store.Store = h
					if kind == "submitting" {
						late := submitting{storetest.NewLate(h)}
						st = late
					}
					b := newBench(t, st, nil)
					s := b.login(1, loopback.Options{Lend: true, LendPiece: 4096})
					p := s.Start(c)
					<-begun
					ended := make(chan struct{})
					var all sync.WaitGroup
					all.Go(func() {
						end(s, 7)
						close(ended)
					})
					for !s.Aborting(p) { // it is told at once
						runtime.Gosched()
						select {
						case <-ended:
							t.Fatal("it has ended while the store uses the memory")
						default:
						}
					}
					select {
					case <-ended:
						t.Fatal("it has ended while the store uses the memory")
					default:
					}
					close(goes)
					all.Wait()
					if _, err := p.Wait(t.Context()); err != loopback.ErrDropped {
						t.Errorf("ended with %v", err)
					}
					if err := s.Broken(); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// BenchmarkLent is READ and WRITE of a file in the page cache, or past it, with the initiator's memory lent and not.
func BenchmarkLent(b *testing.B) {
	for _, direct := range []bool{false, true} {
		for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
			for _, op := range []scsi.Opcode{scsi.OpRead16, scsi.OpWrite16} {
				for _, lend := range []bool{false, true} {
					name := fmt.Sprintf("direct=%v/%dK/%v/lent=%v", direct, size>>10, op, lend)
					b.Run(name, func(b *testing.B) { benchmarkLent(b, direct, size, op, lend) })
				}
			}
		}
	}
}

func benchmarkLent(b *testing.B, direct bool, size int, op scsi.Opcode, lend bool) {
	const all = 64 << 20
	st, err := file.Open(file.Config{Path: filepath.Join(b.TempDir(), "disk.img"), Size: all, Direct: direct})
	if err != nil {
		b.Skipf("SKIPPED: %v", err)
	}
	s := newBench(b, st, func(c *disk.Config) {}).login(1, loopback.Options{Lend: lend, LendPiece: 4096})
	mem := guardtest.New(b, size)
	fill := loopback.Command{CDB: nil, Out: make([]byte, 1<<20)}
	for lba := uint64(0); lba < all/512; lba += 2048 {
		fill.CDB = cdb.ReadWrite{Opcode: scsi.OpWrite16, LBA: lba, Blocks: 2048}.Append(nil)
		if r, err := s.Run(fill); err != nil || r.Status != scsi.Good {
			b.Fatal(r, err)
		}
	}
	blocks := uint64(size / 512)
	cdbs := make([][]byte, 64)
	for i := range cdbs {
		cdbs[i] = cdb.ReadWrite{Opcode: op, LBA: uint64(i) * 104729 % (all / 512 / blocks) * blocks, Blocks: uint32(blocks)}.Append(nil)
	}
	before, at := cpu(b), 0
	b.ReportAllocs()
	for b.Loop() {
		c := loopback.Command{CDB: cdbs[at%64]}
		if at++; op == scsi.OpRead16 {
			c.In = mem.Mem
		} else {
			c.Out = mem.Mem
		}
		if r, err := s.Run(c); err != nil || r.Status != scsi.Good {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
}
