package disk_test

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func atomicKinds(t testing.TB) map[string]store.Store {
	all := kinds(t, 4<<20)
	all["dawdling"] = dawdling{waiting{memoryStore(t, 4<<20)}}
	all["dawdling, submitting"] = newSubmitting(dawdling{waiting{memoryStore(t, 4<<20)}})
	return all
}

// Many nexuses count in one block with COMPARE AND WRITE while others write the blocks
// around it, and some write the block itself with a value that is far away. No
// increment is lost between two of those.
func TestCompareAndWriteIsAtomic(t *testing.T) {
	for name, st := range atomicKinds(t) {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, st, nil)
			const counters, rounds = 4, 50
			var wins atomic.Int64
			var all sync.WaitGroup
			stop := make(chan struct{})
			for i := range counters {
				s := b.login(byte(1+i), loopback.Options{Later: i%2 == 0, Piece: 100})
				all.Go(func() {
					read := cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: 5, Blocks: 1}.Append(nil)
					swap := cdb.CompareAndWrite{LBA: 5, Blocks: 1}.Append(nil)
					for done := 0; done < rounds; {
						_, old, err := s.Do(t.Context(), 0, read, nil, 512)
						if err != nil {
							t.Error(err)
							return
						}
						out := append(append([]byte(nil), old...), old...)
						binary.BigEndian.PutUint64(out[512:], binary.BigEndian.Uint64(old)+1)
						binary.BigEndian.PutUint64(out[1016:], binary.BigEndian.Uint64(old)+1) // both ends of the block
						r, _, err := s.Do(t.Context(), 0, swap, out, 0)
						switch {
						case err != nil:
							t.Error(err)
							return
						case r.Status == scsi.Good:
							wins.Add(1)
							done++
						case r.Sense.Key != scsi.KeyMiscompare:
							t.Errorf("%v %v", r.Status, r.Sense)
							return
						}
					}
				})
			}
			for i := range 2 {
				s := b.login(byte(50+i), loopback.Options{Later: true, Piece: 512})
				all.Go(func() {
					write := cdb.ReadWrite{Opcode: scsi.OpWrite16, LBA: uint64(6 * i), Blocks: 5 - uint32(i)}.Append(nil)
					for {
						select {
						case <-stop:
							return
						default:
						}
						if r, _, err := s.Do(t.Context(), 0, write, make([]byte, 512*(5-i)), 0); err != nil || r.Status != scsi.Good {
							t.Error(r, err)
							return
						}
					}
				})
			}
			for wins.Load() < counters*rounds && !t.Failed() {
				time.Sleep(time.Millisecond)
			}
			close(stop)
			all.Wait()
			s := b.login(99, loopback.Options{})
			got := do(t, s, cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: 5, Blocks: 1}.Append(nil), nil, 512, scsi.Sense{})
			for _, at := range []int{0, 504} {
				if n := binary.BigEndian.Uint64(got[at:]); n != counters*rounds {
					t.Errorf("%d counted at byte %d, want %d", n, at, counters*rounds)
				}
			}
		})
	}
}

// Whole-block writes and COMPARE AND WRITE of the same blocks: whatever the order,
// the blocks are of one command, never a mixture.
func TestNoMixture(t *testing.T) {
	for name, st := range atomicKinds(t) {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, st, nil)
			const blocks = 64
			var all sync.WaitGroup
			for i := range 4 {
				s := b.login(byte(1+i), loopback.Options{Later: i%2 == 0, Piece: 600})
				all.Go(func() {
					for round := range 50 {
						_, old, err := s.Do(t.Context(), 0, cdb.ReadWrite{Opcode: scsi.OpRead16, Blocks: blocks}.Append(nil), nil, blocks*512)
						if err != nil {
							t.Error(err)
							return
						}
						with := make([]byte, blocks*512)
						for j := range with {
							with[j] = byte(round*4 + i)
						}
						r, _, err := s.Do(t.Context(), 0, cdb.CompareAndWrite{Blocks: blocks}.Append(nil), append(old, with...), 0)
						if err != nil || r.Status != scsi.Good && r.Sense.Key != scsi.KeyMiscompare {
							t.Errorf("%v %v", r, err)
							return
						}
					}
				})
			}
			all.Wait()
			got := do(t, b.login(9, loopback.Options{}), cdb.ReadWrite{Opcode: scsi.OpRead16, Blocks: blocks}.Append(nil), nil, blocks*512, scsi.Sense{})
			for i := range got {
				if got[i] != got[0] {
					t.Fatalf("byte %d is of another command", i)
				}
			}
		})
	}
}

// A write that lands in place and never ends keeps the first COMPARE AND WRITE of its
// blocks waiting, without a worker, and no other command.
func TestSlowWriterAndCompareAndWrite(t *testing.T) {
	b := newBench(t, memoryStore(t, 4<<20), nil)
	slow, fast := b.login(1, loopback.Options{Never: true}), b.login(2, loopback.Options{})
	write := cdb.ReadWrite{Opcode: scsi.OpWrite16, Blocks: 8}.Append(nil)
	stuck := slow.Start(loopback.Command{CDB: write, Out: make([]byte, 4096)})
	swap := fast.Start(loopback.Command{CDB: cdb.CompareAndWrite{Blocks: 1}.Append(nil), Out: make([]byte, 1024)})
	for range 100 { // more than there are workers
		do(t, fast, write, make([]byte, 4096), 0, scsi.Sense{})
	}
	done := make(chan loopback.Result, 1)
	go func() { r, _ := swap.Wait(t.Context()); done <- r }()
	select {
	case r := <-done:
		t.Fatalf("COMPARE AND WRITE did not wait: %v", r)
	case <-time.After(20 * time.Millisecond):
	}
	slow.Manage(target.AbortTask, 0, stuck.Tag())
	if _, err := stuck.Wait(t.Context()); err == nil {
		t.Error("the slow write was answered")
	}
	select {
	case r := <-done:
		if r.Status != scsi.Good {
			t.Errorf("%v %v", r.Status, r.Sense)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("COMPARE AND WRITE still waits")
	}
	// From now on data is staged there: another slow writer does not matter.
	stuck = slow.Start(loopback.Command{CDB: write, Out: make([]byte, 4096)})
	do(t, fast, cdb.CompareAndWrite{Blocks: 1}.Append(nil), make([]byte, 1024), 0, scsi.Sense{})
	slow.Manage(target.AbortTask, 0, stuck.Tag())
	stuck.Wait(t.Context())
}

// A write that ended between the comparison and the write of a COMPARE AND WRITE would
// be lost: its block would hold what was there before it.
func TestNoWriteIsLost(t *testing.T) {
	for name, st := range atomicKinds(t) {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, st, nil)
			read := cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: 5, Blocks: 1}.Append(nil)
			stop := make(chan struct{})
			var all sync.WaitGroup
			for i := range 2 {
				s := b.login(byte(1+i), loopback.Options{})
				all.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						_, old, err := s.Do(t.Context(), 0, read, nil, 512)
						if err != nil {
							t.Error(err)
							return
						}
						out := append(append([]byte(nil), old...), old...)
						out[1023]++ // marks the block, and leaves its number
						if r, _, err := s.Do(t.Context(), 0, cdb.CompareAndWrite{LBA: 5, Blocks: 1}.Append(nil), out, 0); err != nil || r.Status != scsi.Good && r.Sense.Key != scsi.KeyMiscompare {
							t.Error(r, err)
							return
						}
					}
				})
			}
			s := b.login(9, loopback.Options{First: -1})
			for number := range uint64(150) {
				block := binary.BigEndian.AppendUint64(nil, number)
				do(t, s, cdb.ReadWrite{Opcode: scsi.OpWrite16, LBA: 5, Blocks: 1}.Append(nil), append(block, make([]byte, 504)...), 0, scsi.Sense{})
				if got := binary.BigEndian.Uint64(do(t, s, read, nil, 512, scsi.Sense{})); got != number {
					t.Errorf("write %d is lost, there is %d", number, got)
					break
				}
			}
			close(stop)
			all.Wait()
		})
	}
}
