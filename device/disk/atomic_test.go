package disk_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
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

// A write that lands in place and never ends keeps a COMPARE AND WRITE of its blocks waiting, and the
// writes of those blocks that come after that; neither holds a worker, and all else goes on.
func TestSlowWriterAndCompareAndWrite(t *testing.T) {
	b := newBench(t, memoryStore(t, 4<<20), nil)
	slow, fast := b.login(1, loopback.Options{Never: true}), b.login(2, loopback.Options{})
	stuck := slow.Start(loopback.Command{CDB: writeCDB(0, 8), Out: make([]byte, 4096)})
	swap := fast.Start(loopback.Command{CDB: cdb.CompareAndWrite{Blocks: 1}.Append(nil), Out: append(make([]byte, 512), bytes.Repeat([]byte{1}, 512)...)})
	behind := fast.Start(loopback.Command{CDB: writeCDB(0, 8), Out: bytes.Repeat([]byte{2}, 4096)})
	for i := range uint64(100) { // more than there are workers
		do(t, fast, writeCDB(8+i, 8), make([]byte, 4096), 0, scsi.Sense{})
		if got := do(t, fast, readCDB(0, 8), nil, 4096, scsi.Sense{}); !bytes.Equal(got, make([]byte, 4096)) {
			t.Fatal("COMPARE AND WRITE did not wait, or the write behind it")
		}
	}
	slow.Manage(target.AbortTask, 0, stuck.Tag())
	if _, err := stuck.Wait(t.Context()); err == nil {
		t.Error("the slow write was answered")
	}
	for _, p := range []loopback.Pending{swap, behind} {
		if r, err := p.Wait(t.Context()); err != nil || r.Status != scsi.Good {
			t.Errorf("%v %v %v", r.Status, r.Sense, err)
		}
	}
	if got := do(t, fast, readCDB(0, 1), nil, 512, scsi.Sense{}); got[0] != 2 {
		t.Error("the write did not come last")
	}
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

// asked is a store that compares by itself, and answers as it is told.
type asked struct {
	store.Store
	calls  *int
	answer error
}

func (s asked) CompareAndWrite(_ context.Context, expect, with *buffer.Lease, off int64, _ store.Flags) error {
	*s.calls++
	if expect.Len() != 1024 || with.Len() != 1024 || off != 2560 || expect.At(1023)[0] != 1 || with.At(0)[0] != 2 {
		return errors.New("it was asked for something else")
	}
	return s.answer
}

// A store that compares and writes by itself is asked to, and believed.
func TestCompareWriter(t *testing.T) {
	for _, c := range []struct {
		answer error
		want   scsi.Sense
	}{
		{nil, scsi.Sense{}},
		{&store.MiscompareError{At: 700}, scsi.Miscompare(700)},
		{store.ErrUnavailable, scsi.NotReady(scsi.ASCBecomingReady)},
		{store.ErrMedium, scsi.WriteError(5)},
		{store.ErrNotSupported, scsi.Miscompare(0)}, // not that, so the disk compares
	} {
		calls := 0
		b := newBench(t, asked{memoryStore(t, 1<<20), &calls, c.answer}, nil)
		s := b.login(1, loopback.Options{})
		out := append(bytes.Repeat([]byte{1}, 1024), bytes.Repeat([]byte{2}, 1024)...)
		r, _, err := s.Do(t.Context(), 0, cdb.CompareAndWrite{LBA: 5, Blocks: 2}.Append(nil), out, 0)
		if err != nil || r.Status == scsi.Good != c.want.IsZero() || r.Sense.Key != c.want.Key || r.Sense.ASC != c.want.ASC || r.Sense.Info != c.want.Info {
			t.Errorf("%v: %v %v %v, want %v", c.answer, r.Status, r.Sense, err, c.want)
		}
		if calls != 1 {
			t.Errorf("%v: it was asked %d times", c.answer, calls)
		}
		b.close()
	}
}
