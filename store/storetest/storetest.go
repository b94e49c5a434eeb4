// Package storetest is the suite that every store and every filter passes.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

// Block is what all offsets and lengths of the suite are multiples of.
const Block = 512

// A Subject is one store to test. The suite closes it.
type Subject struct {
	// Store has between 1 and 64 MiB, to keep the suite short.
	Store store.Store
	// Content is what it holds at first; nil means zeros.
	Content []byte
	// Reopen opens the same place again, after the suite has closed Store. nil for a
	// store whose contents do not survive that.
	Reopen func() (store.Store, error)
	// Faults are ways to make the store fail.
	Faults []Fault
}

// A Fault makes operations fail, to see that they fail with the right error, change
// nothing outside their range, and work again afterwards.
type Fault struct {
	Name   string
	Arm    func()
	Do     func(ctx context.Context, s store.Store, data *buffer.Lease) error
	Want   error
	Disarm func()
}

// Run runs the suite; open is called for every test in it.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, test := range []struct {
		name string
		run  func(*fixture)
		// writes: it cannot run on a store that is read only.
		writes bool
	}{
		{"Info", (*fixture).info, false},
		{"ReadOnly", (*fixture).refusesWrites, false},
		{"Content", (*fixture).content, false},
		{"Boundaries", (*fixture).boundaries, true},
		{"Model", (*fixture).random, true},
		{"Scattered", (*fixture).scattered, true},
		{"Concurrent", (*fixture).concurrent, true},
		{"Neighbours", (*fixture).neighbours, true},
		{"Persistent", (*fixture).persistent, true},
		{"Canceled", (*fixture).canceled, false},
		{"ManyAtOnce", (*fixture).manyAtOnce, true},
		{"SubmitRefused", (*fixture).submitRefused, false},
		{"SubmitCanceled", (*fixture).submitCanceled, true},
		{"CompareAndWrite", (*fixture).compareAndWrite, true},
		{"Resize", (*fixture).resize, true},
		{"ResizeLive", (*fixture).resizeLive, true},
		{"Foreign", (*fixture).foreign, true},
		{"ForeignGone", (*fixture).foreignGone, true},
		{"Faults", (*fixture).faults, true},
		{"Closed", (*fixture).closed, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, open(t))
			defer f.close()
			if f.Info().ReadOnly && test.writes {
				return
			}
			test.run(f)
		})
	}
}

// fixture is a subject, what its contents should be, and what there is to test with.
type fixture struct {
	*testing.T
	Subject
	store.Store
	arena *buffer.Arena
	model *model
	junk  []byte

	lender    store.Lender
	tryer     store.Tryer
	submitter store.Submitter
	trimmer   store.Trimmer
	zeroer    store.Zeroer
	mapper    store.Mapper
	comparer  store.CompareWriter
	resizer   store.Resizer
}

func newFixture(t *testing.T, s Subject) *fixture {
	size := s.Store.Info().Size
	f := &fixture{T: t, Subject: s, arena: buffer.NewArena(256 << 20), junk: bytes.Repeat([]byte{0xdb}, 64<<10)}
	f.model = newModel(size)
	copy(f.model.bytes, s.Content)
	f.use(s.Store)
	if size < 1<<20 || size > 64<<20 || size%Block != 0 {
		t.Fatalf("the suite wants a store of 1 to 64 MiB, not of %d bytes", size)
	}
	return f
}

// use points the fixture at an open store and finds its capabilities.
func (f *fixture) use(s store.Store) {
	f.Store = s
	f.lender, _ = store.As[store.Lender](s)
	f.tryer, _ = store.As[store.Tryer](s)
	f.submitter, _ = store.As[store.Submitter](s)
	f.zeroer, _ = store.As[store.Zeroer](s)
	f.trimmer, _ = store.As[store.Trimmer](s)
	f.mapper, _ = store.As[store.Mapper](s)
	f.comparer, _ = store.As[store.CompareWriter](s)
	f.resizer, _ = store.As[store.Resizer](s)
}

// close ends every test: nothing may be left lent.
func (f *fixture) close() {
	if n := f.arena.Outstanding(); n != 0 {
		f.Errorf("%d bytes of the arena were not released", n)
	}
	if err := f.Store.Close(); err != nil {
		f.Errorf("close: %v", err)
	}
	if err := f.arena.Close(); err != nil && !f.Failed() {
		f.Error(err)
	}
}

// get lends n bytes of the arena, filled with what no test writes.
func (f *fixture) get(n int64) *buffer.Lease {
	l, err := f.arena.Get(n)
	if err != nil {
		panic(err) // also from other goroutines than the test's, which may not call Fatal
	}
	for off := int64(0); off < n; off += int64(len(f.junk)) {
		l.Copy(off, f.junk)
	}
	return l
}

// data lends a copy of b.
func (f *fixture) data(b []byte) *buffer.Lease {
	l := f.get(int64(len(b)))
	l.Copy(0, b)
	return l
}

// read returns n bytes at off.
func (f *fixture) read(off, n int64) ([]byte, error) {
	l := f.get(n)
	defer l.Release()
	if err := f.ReadAt(f.Context(), l, off); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	l.Read(0, b)
	return b, nil
}

// verify compares the whole store with the model.
func (f *fixture) verify(when string) {
	f.Helper()
	for off := int64(0); off < f.model.size(); off += 1 << 20 {
		n := min(1<<20, f.model.size()-off)
		got, err := f.read(off, n)
		if err != nil {
			f.Fatalf("%s: read %d at %d: %v", when, n, off, err)
		}
		if at := differ(got, f.model.bytes[off:off+n]); at >= 0 {
			f.Fatalf("%s: byte %d is %#x, want %#x", when, off+int64(at), got[at], f.model.bytes[off+int64(at)])
		}
	}
}

func (f *fixture) info() {
	i := f.Info()
	if i.PhysicalBlock < Block || i.PhysicalBlock&(i.PhysicalBlock-1) != 0 {
		f.Errorf("PhysicalBlock %d is not a power of two from 512 on", i.PhysicalBlock)
	}
	if i.Concurrency < 1 {
		f.Errorf("Concurrency %d", i.Concurrency)
	}
	if i.Granularity < 0 || i.Granularity == 0 && i.Alignment != 0 || i.Alignment > i.Granularity {
		f.Errorf("Granularity %d, Alignment %d", i.Granularity, i.Alignment)
	}
	if trims := f.trimmer != nil; trims != (i.Granularity != 0) && !i.ReadOnly {
		f.Errorf("Granularity %d, but a Trimmer is %v", i.Granularity, trims)
	}
	if i.Volatile && f.Reopen != nil {
		f.Error("Volatile, but it can be reopened")
	}
}

// refusesWrites: what is read only says so and stays as it is.
func (f *fixture) refusesWrites() {
	if !f.Info().ReadOnly {
		return
	}
	l := f.data(pattern(Block, 1))
	defer l.Release()
	check := func(what string, err error) {
		f.Helper()
		if !errors.Is(err, store.ErrReadOnly) {
			f.Errorf("%s: %v, want ErrReadOnly", what, err)
		}
	}
	check("write", f.WriteAt(f.Context(), l, 0, 0))
	check("write FUA", f.WriteAt(f.Context(), l, 0, store.FUA))
	if f.tryer != nil {
		if done, err := f.tryer.TryWriteAt(l, 0); done || err != nil {
			check("try write", err)
		}
	}
	if f.submitter != nil {
		check("submit write", f.submit(store.OpWrite, l, 0, 0))
		check("submit write FUA", f.submit(store.OpWrite, l, 0, store.FUA))
		if f.trimmer != nil {
			check("submit trim", f.submitRange(store.OpTrim, 0, Block, 0))
		}
		if f.zeroer != nil {
			check("submit zero", f.submitRange(store.OpZero, 0, Block, 0))
		}
		if err := f.submitRange(store.OpFlush, 0, 0, 0); err != nil {
			f.Errorf("submit flush: %v", err)
		}
	}
	if f.comparer != nil {
		check("compare and write", f.comparer.CompareAndWrite(f.Context(), l, l, 0, 0))
	}
	if f.resizer != nil {
		if err := f.resizer.Resize(f.Context(), f.model.size()+8*Block); !errors.Is(err, store.ErrNotSupported) {
			check("resize", err)
		}
		if err := f.resizer.Resize(f.Context(), 0); err != nil {
			f.Errorf("resize to what is there: %v", err)
		}
	}
	if f.trimmer != nil {
		check("trim", f.trimmer.Trim(f.Context(), 0, Block))
	}
	if f.zeroer != nil {
		check("zero", f.zeroer.Zero(f.Context(), 0, Block, 0))
		check("zero, may trim", f.zeroer.Zero(f.Context(), 0, Block, store.MayTrim))
	}
	if f.lender != nil {
		_, err := f.lender.Lend(0, Block, store.ForWrite)
		check("lend for writing", err)
	}
	if err := f.Flush(f.Context()); err != nil {
		f.Errorf("flush: %v", err)
	}
	f.verify("after refused writes")
}

func (f *fixture) content() { f.verify("at first") }
