package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

// told tells how a request has ended, at the end of the batch that it was in.
type told struct {
	err  error
	done chan error
}

func (t *told) Flush() { t.done <- t.err }

// ending counts requests as ended at the end of the batches that they were in.
type ending struct {
	sync.WaitGroup
	ended atomic.Int64 // in batches that have not ended
}

func (e *ending) in(batch *store.Batch, n int64) {
	e.ended.Add(1)
	batch.Add(e, n)
}

func (e *ending) Flush() { e.Add(-int(e.ended.Swap(0))) }

// submit does what a call that waits would do.
func (f *fixture) submit(op store.Op, l *buffer.Lease, off int64, flags store.Flags) error {
	return f.run(&store.Request{Op: op, Flags: flags, Off: off, Data: l})
}

// submitRange does what a call that waits would do, if that has no data.
func (f *fixture) submitRange(op store.Op, off, n int64, flags store.Flags) error {
	return f.run(&store.Request{Op: op, Flags: flags, Off: off, Len: n})
}

// run submits r and waits for its end.
func (f *fixture) run(r *store.Request) error {
	done := make(chan error, 2)
	l := r.Data
	r.Owner, r.Context = f, f.Context()
	r.Done = func(ended *store.Request, err error) {
		if ended != r || r.Owner != any(f) || r.Data != l {
			err = errors.Join(err, errors.New("another request, or a changed one, has ended"))
		}
		ended.Batch.Add(&told{err, done}, ended.Size())
	}
	f.submitter.Submit(r)
	return <-done
}

func (w *worker) submitRead(off, n int64) error {
	if w.submitter == nil {
		return nil
	}
	l := w.get(n)
	defer l.Release()
	if err := w.submit(store.OpRead, l, off, 0); err != nil {
		return err
	}
	got := make([]byte, n)
	l.Read(0, got)
	return w.expect(got, off)
}

func (w *worker) submitWrite(off, n int64) error    { return w.submitFlags(off, n, 0) }
func (w *worker) submitWriteFUA(off, n int64) error { return w.submitFlags(off, n, store.FUA) }

func (w *worker) submitFlags(off, n int64, flags store.Flags) error {
	if w.submitter == nil {
		return nil
	}
	b := w.fresh(n)
	l := w.data(b)
	defer l.Release()
	if err := w.submit(store.OpWrite, l, off, flags); err != nil {
		return err
	}
	copy(w.model.bytes[off:], b)
	got := make([]byte, n)
	if l.Read(0, got); differ(got, b) >= 0 {
		return errors.New("the store changed what it had only borrowed")
	}
	return nil
}

func (w *worker) submitFlush(_, _ int64) error {
	if w.submitter == nil {
		return nil
	}
	return w.submitRange(store.OpFlush, 0, 0, 0)
}

func (w *worker) submitTrim(off, n int64) error {
	if w.submitter == nil || w.trimmer == nil {
		return nil
	}
	clear(w.model.bytes[off : off+n])
	return w.submitRange(store.OpTrim, off, n, 0)
}

func (w *worker) submitZero(off, n int64) error     { return w.submitZeros(off, n, store.FUA) }
func (w *worker) submitZeroTrim(off, n int64) error { return w.submitZeros(off, n, store.MayTrim) }

func (w *worker) submitZeros(off, n int64, flags store.Flags) error {
	if w.submitter == nil || w.zeroer == nil {
		return nil
	}
	clear(w.model.bytes[off : off+n])
	return w.submitRange(store.OpZero, off, n, flags)
}

// manyAtOnce has more requests outstanding than any store can have under way, next to calls
// that wait; requests are submitted again from where they end, and every batch has an end.
func (f *fixture) manyAtOnce() {
	if f.submitter == nil {
		return
	}
	const requests, rounds = 600, 4
	size := min(f.model.size()/requests/Block, 16) * Block // one for each
	var all ending
	var wrong atomic.Pointer[error]
	fail := func(err error) { wrong.CompareAndSwap(nil, &err) }
	seed := rand.Uint64()
	var leases []*buffer.Lease
	for i := range int64(requests) {
		off := i * size
		l := f.get(size)
		if i%7 == 0 { // memory of any alignment
			l.Release()
			l = buffer.Of(make([]byte, size+1)[1:])
		}
		leases = append(leases, l)
		round := 0
		b := pattern(size, seed+uint64(i))
		l.Copy(0, b)
		r := &store.Request{Op: store.OpWrite, Off: off, Data: l}
		if i%50 == 0 {
			r.Flags = store.FUA
		}
		all.Add(1)
		r.Done = func(r *store.Request, err error) {
			if err != nil {
				fail(fmt.Errorf("seed %d, request %d, round %d: %w", seed, i, round, err))
				all.in(r.Batch, size)
				return
			}
			if r.Op == store.OpRead {
				got := make([]byte, size)
				if l.Read(0, got); differ(got, b) >= 0 {
					fail(fmt.Errorf("seed %d, request %d, round %d: byte %d is wrong", seed, i, round, differ(got, b)))
				}
				if round++; round == rounds {
					copy(f.model.bytes[off:], b)
					all.in(r.Batch, size)
					return
				}
				b = pattern(size, seed+uint64(round*requests)+uint64(i))
				l.Copy(0, b)
				r.Op = store.OpWrite
			} else {
				l.Clear(0, size)
				r.Op, r.Flags = store.OpRead, 0
			}
			r.Batch = nil
			f.submitter.Submit(r)
		}
		f.submitter.Submit(r)
	}
	// Others go on meanwhile, behind them.
	if w := f.worker(requests*size, f.model.size(), seed); w.to-w.from >= Block {
		if err := w.run(60); err != nil {
			f.Errorf("seed %d: meanwhile: %v", seed, err)
		}
	}
	all.Wait()
	for _, l := range leases {
		l.Release()
	}
	if err := wrong.Load(); err != nil {
		f.Fatal(*err)
	}
	f.verify("in the end")
}

// submitRefused: what cannot be is refused by Done, like anything else that fails.
func (f *fixture) submitRefused() {
	if f.submitter == nil {
		return
	}
	l := f.get(Block)
	defer l.Release()
	for _, off := range []int64{-Block, f.model.size(), f.model.size() - Block/2, 1<<63 - Block} {
		if f.ReadAt(f.Context(), l, off) == nil {
			continue // the caller checks: it may do without
		}
		if err := f.submit(store.OpRead, l, off, 0); err == nil {
			f.Errorf("read at %d: no error", off)
		}
		if err := f.submit(store.OpWrite, l, off, 0); err == nil {
			f.Errorf("write at %d: no error", off)
		}
		if f.submitRange(store.OpTrim, off, Block, 0) == nil || f.submitRange(store.OpZero, off, Block, 0) == nil {
			f.Errorf("trim or zero at %d: no error", off)
		}
	}
	f.verify("after requests outside the store")
}
