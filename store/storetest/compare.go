package storetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/lunette-io/lunette/store"
)

func (w *worker) swap(off, n int64) error    { return w.swapFlags(off, n, 0) }
func (w *worker) swapFUA(off, n int64) error { return w.swapFlags(off, n, store.FUA) }

// swapFlags compares and writes, mostly with what the store holds.
func (w *worker) swapFlags(off, n int64, flags store.Flags) error {
	if w.comparer == nil {
		return nil
	}
	want := append([]byte(nil), w.model.bytes[off:off+n]...)
	at := int64(-1)
	if w.rand.IntN(3) == 0 {
		at = w.rand.Int64N(n)
		want[at] ^= 0x80
		want[n-1] ^= byte(w.rand.IntN(2)) // differs once more, or not
	}
	b := w.fresh(n)
	expect, with := w.data(want), w.data(b)
	defer expect.Release()
	defer with.Release()
	err := w.comparer.CompareAndWrite(w.Context(), expect, with, off, flags)
	if at < 0 && differ(want, w.model.bytes[off:off+n]) < 0 {
		if err == nil {
			copy(w.model.bytes[off:], b)
		}
		return err
	}
	var wrong *store.MiscompareError
	if first := int64(differ(want, w.model.bytes[off:off+n])); !errors.Is(err, store.ErrMiscompare) || !errors.As(err, &wrong) || wrong.At != first {
		return fmt.Errorf("it differs at %d, but the answer is %v", first, err)
	}
	return nil
}

// compareAndWrite: many count in one block, while others write the blocks around it; no step is
// lost.
func (f *fixture) compareAndWrite() {
	if f.comparer == nil {
		return
	}
	const counters, rounds, at = 4, 30, 3 * Block
	var all sync.WaitGroup
	for i := range int64(counters) {
		all.Go(func() {
			w := f.worker(4*Block+i*Block, 5*Block+i*Block, uint64(i))
			for done := 0; done < rounds; {
				was, err := f.read(at, Block)
				if err != nil {
					f.Error(err)
					return
				}
				next := append([]byte(nil), was...)
				binary.BigEndian.PutUint64(next, binary.BigEndian.Uint64(was)+1)
				expect, with := f.data(was), f.data(next)
				err = f.comparer.CompareAndWrite(f.Context(), expect, with, at, 0)
				expect.Release()
				with.Release()
				switch {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrMiscompare):
					f.Error(err)
					return
				}
				if err := w.write(w.from, Block); err != nil {
					f.Error(err)
					return
				}
			}
		})
	}
	was := binary.BigEndian.Uint64(f.model.bytes[at:])
	all.Wait()
	binary.BigEndian.PutUint64(f.model.bytes[at:], was+counters*rounds)
	f.verify("in the end")
}
