package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/guard/guardtest"
	"github.com/lunette-io/lunette/store"
)

// shapes are ways in which an initiator's memory may be cut into pieces: by their lengths, 2 MiB at the most.
func shapes() map[string][]int64 {
	return map[string][]int64{
		"one block":           {Block},
		"one piece":           {1 << 20},
		"pages":               many(130, 4096, 4096),
		"more than the limit": many(1030, Block, Block),
		"odd pieces":          many(130, 4095, 130),
		"a few odd ones":      {3, 65536, 1, 508},
	}
}

// shaped is a foreign lease of m in pieces of those lengths, the pieces in another order than they lie there in. The beginning of m is the end of the lease.
func shaped(m []byte, lens []int64) *buffer.Lease {
	segs, at := make([]buffer.Segment, len(lens)), int64(0)
	for i := len(lens) - 1; i >= 0; i-- {
		segs[i].Mem = m[at : at+lens[i] : at+lens[i]]
		at += lens[i]
	}
	l := new(buffer.Lease)
	l.InitForeign(nil, segs)
	return l
}

// calls are the ways to read into a lease, or to write it. A way that the store does not have, or that would wait, reports false.
func (f *fixture) calls(op store.Op, l *buffer.Lease, off int64) map[string]func() (bool, error) {
	write := op == store.OpWrite
	all := map[string]func() (bool, error){
		"call": func() (bool, error) {
			if write {
				return true, f.WriteAt(f.Context(), l, off, 0)
			}
			return true, f.ReadAt(f.Context(), l, off)
		},
	}
	if write {
		all["call with FUA"] = func() (bool, error) { return true, f.WriteAt(f.Context(), l, off, store.FUA) }
	}
	if f.tryer != nil {
		all["try"] = func() (bool, error) {
			if write {
				return f.tryer.TryWriteAt(l, off)
			}
			return f.tryer.TryReadAt(l, off)
		}
	}
	if f.submitter != nil {
		all["request"] = func() (bool, error) { return true, f.submit(op, l, off, 0) }
	}
	return all
}

// foreign: a store that takes memory which is not the process's own reads and writes it in any number of pieces.
func (f *fixture) foreign() {
	if _, takes := store.As[store.Foreign](f.Store); !takes {
		return
	}
	mem := guardtest.New(f.T, 2<<20)
	for shape, lens := range shapes() {
		l := shaped(mem.Mem, lens)
		n := l.Len()
		off := Block * rand.Int64N((f.model.size()-n)/Block+1)
		for way, do := range f.calls(store.OpWrite, l, off) {
			b := pattern(n, rand.Uint64())
			l.Copy(0, b)
			done, err := do()
			if err != nil {
				f.Fatalf("%s, written by a %s at %d: %v", shape, way, off, err)
			}
			if done {
				copy(f.model.bytes[off:], b)
			}
			f.verify(fmt.Sprintf("after %s was written by a %s", shape, way))
		}
		for way, do := range f.calls(store.OpRead, l, off) {
			l.Clear(0, n)
			done, err := do()
			if err != nil {
				f.Fatalf("%s, read by a %s at %d: %v", shape, way, off, err)
			}
			got := make([]byte, n)
			l.Read(0, got)
			if at := differ(got, f.model.bytes[off:off+n]); done && at >= 0 {
				f.Fatalf("%s, read by a %s: byte %d is wrong", shape, way, at)
			}
		}
	}
}

// foreignGone: memory that is cut short makes the call fail, with the error that says so, and nothing else happens: neither to the process nor to the store.
func (f *fixture) foreignGone() {
	if _, takes := store.As[store.Foreign](f.Store); !takes {
		return
	}
	const size = 2 << 20
	if err := f.worker(0, f.model.size(), rand.Uint64()).write(0, f.model.size()); err != nil {
		f.Fatal(err)
	}
	mem := guardtest.New(f.T, size)
	for shape, lens := range shapes() {
		l := shaped(mem.Mem, lens)
		n := l.Len()
		off := Block * rand.Int64N((f.model.size()-n)/Block+1)
		for _, left := range []int64{0, n / 2 / guardtest.Page * guardtest.Page} {
			for _, op := range []store.Op{store.OpRead, store.OpWrite} {
				for way, do := range f.calls(op, l, off) {
					mem.Cut(int(left))
					done, err := do()
					mem.Cut(size)
					if done && !errors.Is(err, store.ErrForeign) || !done && err != nil {
						f.Fatalf("%s by a %s of %s, of which %d bytes are left: %v, want ErrForeign", op, way, shape, left, err)
					}
					if op == store.OpWrite { // any part of the range may have changed
						got, err := f.read(off, n)
						if err != nil {
							f.Fatal(err)
						}
						copy(f.model.bytes[off:], got)
					}
					f.verify(fmt.Sprintf("after a %s by a %s of memory that was gone", op, way))
				}
			}
		}
	}
	if err := f.worker(0, f.model.size(), rand.Uint64()).run(30); err != nil {
		f.Errorf("afterwards: %v", err)
	}
}
