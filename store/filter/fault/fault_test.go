package fault

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/store/storetest"
)

func open(t *testing.T, rules ...Rule) *Store {
	t.Helper()
	m, err := memory.Open(memory.Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return New(m, 1, rules...)
}

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		s := open(t)
		var faults []storetest.Fault
		for _, late := range []bool{false, true} {
			for _, want := range []error{store.ErrMedium, store.ErrOutOfSpace, store.ErrReadOnly, store.ErrUnavailable} {
				faults = append(faults, storetest.Fault{
					Name: want.Error(),
					Arm:  func() { s.Set(Rule{Ops: Write, Err: want, Late: late}) },
					Do: func(ctx context.Context, s store.Store, data *buffer.Lease) error {
						return s.WriteAt(ctx, data, 0, 0)
					},
					Want:   want,
					Disarm: func() { s.Set() },
				})
			}
		}
		return storetest.Subject{Store: s, Faults: faults}
	})
}

func comparing(t *testing.T) store.Store {
	m, err := memory.Open(memory.Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return storetest.NewComparing(m)
}

func TestComparingSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject { return storetest.Subject{Store: New(comparing(t), 1)} })
}

// TestUnavailable: each way to use a store that cannot be reached for now says so, and works again.
func TestUnavailable(t *testing.T) {
	m, err := memory.Open(memory.Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s := New(m, 1)
	defer s.Close()
	c := New(comparing(t), 1)
	defer c.Close()
	l := buffer.Of(make([]byte, 512))
	ctx := t.Context()
	calls := map[string]func() error{
		"read":  func() error { return s.ReadAt(ctx, l, 0) },
		"write": func() error { return s.WriteAt(ctx, l, 0, 0) },
		"flush": func() error { return s.Flush(ctx) },
		"trim":  func() error { return s.Trim(ctx, 0, 512) },
		"zero":  func() error { return s.Zero(ctx, 0, 512, 0) },
		"map":   func() error { _, err := s.Extent(ctx, 0, 512); return err },
		"try":   func() error { _, err := s.TryWriteAt(l, 0); return err },
		"lend": func() error {
			l, err := s.Lend(0, 512, store.ForRead)
			if err == nil {
				l.Release()
			}
			return err
		},
		"compare and write": func() error { return c.CompareAndWrite(ctx, l, l, 0, 0) },
		"resize":            func() error { return s.Resize(ctx, 2<<20) },
	}
	for _, f := range []*Store{s, c} {
		f.Set(Rule{Ops: All, Err: store.ErrUnavailable})
	}
	for name, do := range calls {
		if err := do(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.Set()
	c.Set()
	for name, do := range calls {
		if err := do(); err != nil {
			t.Errorf("%s afterwards: %v", name, err)
		}
	}
}

func TestRules(t *testing.T) {
	own := errors.New("own")
	for _, test := range []struct {
		name string
		rule Rule
		want []bool // which of the calls below fail
	}{
		{"all", Rule{Ops: All}, []bool{true, true, true, true, true, true, true, true, true}},
		{"reads", Rule{Ops: Read}, []bool{true, true, true, false, false, false, false, false, false}},
		{"write and trim", Rule{Ops: Write | Trim, Err: own}, []bool{false, false, false, true, true, true, false, false, false}},
		{"range", Rule{Ops: All, Off: 512, Len: 512}, []bool{false, true, false, false, true, false, true, false, true}},
		{"to the end", Rule{Ops: Read | Write, Off: 512}, []bool{false, true, true, false, true, false, false, false, false}},
		{"third", Rule{Ops: All, Skip: 2, Times: 1}, []bool{false, false, true, false, false, false, false, false, false}},
	} {
		s := open(t, test.rule)
		data := buffer.Of(make([]byte, 512))
		calls := []func() error{
			func() error { return s.ReadAt(t.Context(), data, 0) },
			func() error { _, err := s.TryReadAt(data, 512); return err },
			func() error {
				l, err := s.Lend(1024, 512, store.ForRead)
				if err == nil {
					l.Release()
				}
				return err
			},
			func() error { return s.WriteAt(t.Context(), data, 0, 0) },
			func() error { _, err := s.TryWriteAt(data, 512); return err },
			func() error { return s.Trim(t.Context(), 0, 512) },
			func() error { return s.Flush(t.Context()) },
			func() error { return s.Zero(t.Context(), 0, 512, 0) },
			func() error { _, err := s.Extent(t.Context(), 1023, 1); return err },
		}
		if test.rule.Err == nil {
			test.rule.Err = store.ErrMedium
		}
		hits := int64(0)
		for i, call := range calls {
			err := call()
			if test.want[i] != (err != nil) || err != nil && !errors.Is(err, test.rule.Err) {
				t.Errorf("%s: call %d: %v", test.name, i, err)
			}
			if err != nil {
				hits++
			}
		}
		if got := s.Hits(); !slices.Equal(got, []int64{hits}) {
			t.Errorf("%s: hits %v, want %d", test.name, got, hits)
		}
		if err := s.Close(); err != nil { // no lease is left, though Lend failed late
			t.Error(err)
		}
	}
}

func TestLate(t *testing.T) {
	s := open(t, Rule{Ops: Write, Late: true, Times: 1}, Rule{Ops: Read, Late: true, Times: 1})
	data := buffer.Of([]byte{1, 2, 3})
	if err := s.WriteAt(t.Context(), data, 0, 0); !errors.Is(err, store.ErrMedium) {
		t.Error(err)
	}
	if _, err := s.Lend(0, 3, store.ForRead); !errors.Is(err, store.ErrMedium) {
		t.Error(err)
	}
	got := buffer.Of(make([]byte, 3))
	if err := s.ReadAt(t.Context(), got, 0); err != nil || !slices.Equal(got.At(0), []byte{1, 2, 3}) {
		t.Errorf("the late write was not done: %v %v", got.At(0), err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a lease was lost: %v", err)
	}
}

func TestProbability(t *testing.T) {
	run := func(seed uint64) (failed []bool) {
		m, _ := memory.Open(memory.Config{Size: 512})
		s := New(m, seed, Rule{Ops: Flush, Probability: 0.25})
		defer s.Close()
		for range 1000 {
			failed = append(failed, s.Flush(t.Context()) != nil)
		}
		if n := s.Hits()[0]; n < 150 || n > 350 {
			t.Errorf("seed %d: %d of 1000 failed, want about 250", seed, n)
		}
		return failed
	}
	if !slices.Equal(run(7), run(7)) {
		t.Error("the same seed gives other failures")
	}
	if slices.Equal(run(7), run(8)) {
		t.Error("another seed gives the same failures")
	}
}
