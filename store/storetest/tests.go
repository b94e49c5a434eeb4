package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

func (f *fixture) worker(from, to int64, seed uint64) *worker {
	return &worker{fixture: f, rand: rand.New(rand.NewPCG(seed, 2)), from: from, to: to}
}

// random compares random operations on the whole store with the model.
func (f *fixture) random() {
	seed := rand.Uint64()
	if err := f.worker(0, f.model.size(), seed).run(400); err != nil {
		f.Fatalf("seed %d: %v", seed, err)
	}
	f.verify("in the end")
}

// boundaries: the first block, the last, and all of them.
func (f *fixture) boundaries() {
	size := f.model.size()
	w := f.worker(0, size, 1)
	for _, r := range [][2]int64{{0, Block}, {size - Block, Block}, {0, size}, {Block, size - 2*Block}} {
		for name, op := range map[string]func(off, n int64) error{
			"write": w.write, "write FUA": w.writeFUA, "try write": w.tryWrite, "try read": w.tryRead,
			"submit write": w.submitWrite, "submit write FUA": w.submitWriteFUA, "submit read": w.submitRead,
			"submit trim": w.submitTrim, "submit zero": w.submitZero, "submit zero, may trim": w.submitZeroTrim,
			"compare and write": w.swap,
			"lend for reading":  w.lendRead, "lend for writing": w.lendWrite,
			"trim": w.trim, "zero": w.zero, "zero, may trim": w.zeroTrim, "extent": w.extent,
		} {
			if err := op(r[0], r[1]); err != nil {
				f.Fatalf("%s of %d bytes at %d: %v", name, r[1], r[0], err)
			}
			f.verify(name)
		}
	}
	// What was trimmed whole is given back, as far as the store can tell.
	if f.trimmer != nil && f.mapper != nil {
		if err := errors.Join(w.write(0, size), w.trim(0, size)); err != nil {
			f.Fatal(err)
		}
		if e, err := f.mapper.Extent(f.Context(), 0, size); err != nil || e.Mapped || e.Len != size {
			f.Errorf("after trimming all: %+v, %v", e, err)
		}
	}
}

// scattered reads and writes leases of many pieces of odd lengths.
func (f *fixture) scattered() {
	for i, lens := range [][]int64{
		{512, 512}, {1, 511}, {100, 24, 388}, {4096, 1, 4095}, {3, 65536, 0, 509}, {512 << 10, 512}, many(40, 100, 96),
	} {
		n := int64(0)
		for _, m := range lens {
			n += m
		}
		off := int64(i) * Block
		b := pattern(n, uint64(i)+100)
		l := f.pieces(lens)
		l.Copy(0, b)
		err := f.WriteAt(f.Context(), l, off, 0)
		l.Clear(0, n)
		if err == nil {
			err = f.ReadAt(f.Context(), l, off)
		}
		got := make([]byte, n)
		l.Read(0, got)
		l.Release()
		if at := differ(got, b); err != nil || at >= 0 {
			f.Fatalf("pieces of %v: %v, first difference at %d", lens, err, at)
		}
		copy(f.model.bytes[off:], b)
		f.verify("after scattered writes")
		if f.submitter != nil {
			f.submitScattered(lens, off)
		}
	}
}

// submitScattered writes and reads the same by requests.
func (f *fixture) submitScattered(lens []int64, off int64) {
	l := f.pieces(lens)
	defer l.Release()
	b := pattern(l.Len(), uint64(off)+200)
	l.Copy(0, b)
	err := f.submit(store.OpWrite, l, off, 0)
	l.Clear(0, l.Len())
	if err == nil {
		err = f.submit(store.OpRead, l, off, 0)
	}
	got := make([]byte, len(b))
	l.Read(0, got)
	if at := differ(got, b); err != nil || at >= 0 {
		f.Fatalf("submitted pieces of %v: %v, first difference at %d", lens, err, at)
	}
	copy(f.model.bytes[off:], b)
	f.verify("after scattered writes that were submitted")
}

// many is n pieces of m bytes, and one that fills up to whole blocks.
func many(n int, m, last int64) []int64 {
	s := make([]int64, n, n+1)
	for i := range s {
		s[i] = m
	}
	return append(s, last)
}

// pieces is a lease of segments of the given lengths.
func (f *fixture) pieces(lens []int64) *buffer.Lease {
	var segs []buffer.Segment
	for _, n := range lens {
		segs = append(segs, buffer.Segment{Mem: make([]byte, n)})
	}
	return buffer.New(nil, segs...)
}

// concurrent has workers apply random operations, each to a part of its own.
func (f *fixture) concurrent() {
	const workers = 4
	part := f.model.size() / workers / 4096 * 4096
	seed := rand.Uint64()
	var all sync.WaitGroup
	for i := range int64(workers) {
		all.Go(func() {
			if err := f.worker(i*part, (i+1)*part, seed+uint64(i)).run(120); err != nil {
				f.Errorf("seed %d, worker %d: %v", seed, i, err)
			}
		})
	}
	all.Wait()
	f.verify("in the end")
}

// neighbours has workers write blocks that take turns, so that whatever larger unit
// the store knows belongs to several of them.
func (f *fixture) neighbours() {
	const workers, rounds = 4, 3
	blocks := min(f.model.size()/Block, 256)
	var all sync.WaitGroup
	for i := range int64(workers) {
		all.Go(func() {
			w := f.worker(0, f.model.size(), uint64(i))
			for round := range rounds {
				for b := i; b < blocks; b += workers {
					op := w.write
					if round == 1 && b%3 == 0 {
						op = w.zeroTrim
					}
					if err := errors.Join(op(b*Block, Block), w.readBack(b*Block, Block)); err != nil {
						f.Errorf("worker %d, block %d: %v", i, b, err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	f.verify("in the end")
}

// persistent: what was flushed, or written with FUA, is there after reopening.
func (f *fixture) persistent() {
	if f.Reopen == nil {
		return
	}
	w := f.worker(0, f.model.size(), 3)
	if err := errors.Join(w.run(20), f.Flush(f.Context()), w.writeFUA(1<<19, 8192)); err != nil {
		f.Fatal(err)
	}
	before := f.Info()
	if err := f.Store.Close(); err != nil {
		f.Fatal(err)
	}
	s, err := f.Reopen()
	if err != nil {
		f.Fatalf("reopen: %v", err)
	}
	f.use(s)
	if after := f.Info(); after != before {
		f.Errorf("Info was %+v, is %+v", before, after)
	}
	f.verify("after reopening")
}

// canceled: a canceled context may end a call early, and harms nothing.
func (f *fixture) canceled() {
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	l := f.get(Block)
	defer l.Release()
	check := func(what string, err error) {
		f.Helper()
		if err != nil && !errors.Is(err, context.Canceled) {
			f.Errorf("%s: %v", what, err)
		}
	}
	check("read", f.ReadAt(ctx, l, 0))
	check("flush", f.Flush(ctx))
	if !f.Info().ReadOnly {
		l.Copy(0, f.model.bytes[:Block])
		check("write", f.WriteAt(ctx, l, 0, 0))
		if f.zeroer != nil {
			check("zero", f.zeroer.Zero(ctx, Block, Block, 0))
			clear(f.model.bytes[Block : 2*Block])
		}
		if f.comparer != nil {
			check("compare and write", f.comparer.CompareAndWrite(ctx, l, l, 0, 0))
		}
		if f.resizer != nil {
			check("resize", f.resizer.Resize(ctx, f.model.size()))
		}
	}
	if f.mapper != nil {
		_, err := f.mapper.Extent(ctx, 0, Block)
		check("extent", err)
	}
	f.verify("after canceled calls")
}

// faults arms each fault of the subject in turn.
func (f *fixture) faults() {
	w := f.worker(0, f.model.size(), 4)
	for _, fault := range f.Faults {
		b := pattern(4096, 5)
		if err := w.write(0, f.model.size()); err != nil {
			f.Fatal(err)
		}
		l := f.data(b)
		fault.Arm()
		err := fault.Do(f.Context(), f.Store, l)
		fault.Disarm()
		l.Release()
		if !errors.Is(err, fault.Want) {
			f.Errorf("%s: %v, want %v", fault.Name, err, fault.Want)
		}
		// Only the range that Do was to change, the first 4 KiB, may have changed.
		got, err := f.read(0, 4096)
		if err != nil {
			f.Fatalf("%s: read afterwards: %v", fault.Name, err)
		}
		copy(f.model.bytes, got)
		f.verify("after " + fault.Name)
		if err := w.run(20); err != nil {
			f.Errorf("after %s: %v", fault.Name, err)
		}
	}
}

// closed: calls after Close fail with ErrClosed; closing again does nothing.
func (f *fixture) closed() {
	if err := f.Store.Close(); err != nil {
		f.Fatal(err)
	}
	l := f.get(Block)
	defer l.Release()
	check := func(what string, err error) {
		f.Helper()
		if !errors.Is(err, store.ErrClosed) {
			f.Errorf("%s after close: %v, want ErrClosed", what, err)
		}
	}
	check("read", f.ReadAt(f.Context(), l, 0))
	check("flush", f.Flush(f.Context()))
	if f.submitter != nil {
		check("submit read", f.submit(store.OpRead, l, 0, 0))
		check("submit flush", f.submitRange(store.OpFlush, 0, 0, 0))
	}
	if f.resizer != nil {
		check("resize", f.resizer.Resize(f.Context(), 0))
	}
	if f.Info().ReadOnly {
		return
	}
	check("write", f.WriteAt(f.Context(), l, 0, 0))
	if f.submitter != nil {
		check("submit write", f.submit(store.OpWrite, l, 0, 0))
	}
	if f.lender != nil {
		_, err := f.lender.Lend(0, Block, store.ForRead)
		check("lend", err)
	}
	if f.zeroer != nil {
		check("zero", f.zeroer.Zero(f.Context(), 0, Block, 0))
	}
	if f.comparer != nil {
		check("compare and write", f.comparer.CompareAndWrite(f.Context(), l, l, 0, 0))
	}
}
