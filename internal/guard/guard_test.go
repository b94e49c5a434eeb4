package guard_test

import (
	"bytes"
	"errors"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/lunette-io/lunette/internal/guard"
	"github.com/lunette-io/lunette/internal/guard/guardtest"
)

const page = guardtest.Page

// restored checks that faults of others end the program as before.
func restored(t *testing.T, want bool) {
	t.Helper()
	if got := debug.SetPanicOnFault(want); got != want {
		t.Errorf("SetPanicOnFault is %v afterwards, want %v", got, want)
	}
}

// What lies there is copied, in both directions; what is gone is an error, wherever the end is.
func TestCopy(t *testing.T) {
	for name, way := range map[string]func(dst, src []byte) (int, error){"by the caches": guard.Copy, "past them": guard.CopyNontemporal} {
		t.Run(name, func(t *testing.T) { testCopy(t, way) })
	}
}

func testCopy(t *testing.T, way func(dst, src []byte) (int, error)) {
	m := guardtest.New(t, 4*page)
	own := bytes.Repeat([]byte("lunette!"), page/8)
	for _, at := range []int{0, 1, page, 3*page + 5} {
		n := min(len(own), len(m.Mem)-at)
		if got, err := way(m.Mem[at:], own); got != n || err != nil {
			t.Fatalf("to %d: %d bytes, %v", at, got, err)
		}
		back := make([]byte, n)
		if got, err := way(back, m.Mem[at:]); got != n || err != nil || !bytes.Equal(back, own[:n]) {
			t.Fatalf("from %d: %d bytes, %v", at, got, err)
		}
	}
	m.Cut(2 * page)
	for _, n := range []int{1, 7, 8, 16, 31, 64, 257, 4096, page} { // memmove has a way for each, and from 4096 on the other does it itself
		for name, copied := range map[string]func() (int, error){
			"to what is gone":   func() (int, error) { return way(m.Mem[2*page:], own[:n]) },
			"from what is gone": func() (int, error) { return way(own[:n], m.Mem[2*page:]) },
			"to the end":        func() (int, error) { return way(m.Mem[2*page-n/2:], own[:n]) },
			"from the end":      func() (int, error) { return way(own[:n], m.Mem[2*page-n/2:]) },
			"within":            func() (int, error) { return way(m.Mem[:n], m.Mem[3*page:]) },
		} {
			if _, err := copied(); err != guard.ErrFault {
				t.Errorf("%d bytes %s: %v", n, name, err)
			}
			restored(t, false)
		}
	}
	if n, err := way(own, m.Mem[:2*page]); n != page || err != nil {
		t.Errorf("what is left: %d bytes, %v", n, err)
	}
	if n, err := way(m.Mem[2*page:], nil); n != 0 || err != nil {
		t.Errorf("nothing: %d bytes, %v", n, err)
	}
}

// Memory that comes back can be used again.
func TestBack(t *testing.T) {
	m := guardtest.New(t, 2*page)
	m.Cut(0)
	if err := guard.Do(func() { m.Mem[page] = 1 }); err != guard.ErrFault {
		t.Fatal(err)
	}
	m.Cut(2 * page)
	if err := guard.Do(func() { m.Mem[page] = 1 }); err != nil || m.Mem[page] != 1 {
		t.Fatal(err)
	}
}

func TestDo(t *testing.T) {
	m := guardtest.New(t, 2*page)
	m.Mem[0], m.Mem[page] = 3, 4
	sum := 0
	if err := guard.Do(func() { sum = int(m.Mem[0]) + int(m.Mem[page]) }); err != nil || sum != 7 {
		t.Fatalf("%v, %d", err, sum)
	}
	m.Cut(page)
	for name, f := range map[string]func(){
		"load":  func() { sum = int(m.Mem[page]) },
		"store": func() { m.Mem[page] = 1 },
	} {
		if err := guard.Do(f); err != guard.ErrFault {
			t.Errorf("%s: %v", name, err)
		}
		restored(t, false)
	}
}

// What is set before is set afterwards, and a guard inside another one ends neither.
func TestNested(t *testing.T) {
	m := guardtest.New(t, page)
	m.Cut(0)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	inner, after := error(nil), false
	err := guard.Do(func() {
		_, inner = guard.Copy(m.Mem, []byte{1})
		after = debug.SetPanicOnFault(true)
		m.Mem[1] = 2
	})
	if inner != guard.ErrFault || err != guard.ErrFault || !after {
		t.Errorf("inner %v, outer %v, set in between %v", inner, err, after)
	}
	restored(t, true)
}

// Any other panic goes on, as it was.
func TestPanics(t *testing.T) {
	var none *int
	var list []int
	own := errors.New("own")
	for name, f := range map[string]func(){
		"a value":       func() { panic(own) },
		"nil pointer":   func() { *none = 1 },
		"out of bounds": func() { list[len(list)] = 1 },
	} {
		func() {
			defer func() {
				r := recover()
				if r == nil {
					t.Errorf("%s: the panic ended in the guard", name)
				}
				if name == "a value" && r != any(own) {
					t.Errorf("%s: %v", name, r)
				}
				if _, runs := r.(runtime.Error); name != "a value" && !runs {
					t.Errorf("%s: %v", name, r)
				}
				restored(t, false)
			}()
			t.Errorf("%s: ended with %v", name, guard.Do(f))
		}()
	}
}

// A guard costs some nanoseconds more than the copy.
func BenchmarkCopy(b *testing.B) {
	for _, n := range []int{16, 4096, 64 << 10} {
		dst, src := make([]byte, n), make([]byte, n)
		b.Run(size(n)+"/guarded", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = guard.Copy(dst, src)
			}
		})
		b.Run(size(n)+"/bare", func(b *testing.B) {
			for b.Loop() {
				copy(dst, src)
			}
		})
	}
}

func size(n int) string {
	switch n {
	case 16:
		return "16"
	case 4096:
		return "4K"
	}
	return "64K"
}
