package buffer

import (
	"bytes"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// owner counts what comes back.
type owner struct{ back int }

func (o *owner) Reclaim(*Lease) { o.back++ }

// draw returns a lease of random pieces, some of them empty, and its bytes.
func draw(t *rapid.T, o Owner) (*Lease, []byte) {
	var segs []Segment
	var all []byte
	for range rapid.IntRange(0, 9).Draw(t, "pieces") {
		b := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "piece")
		segs = append(segs, Segment{Mem: bytes.Clone(b)})
		all = append(all, b...)
	}
	return New(o, segs...), all
}

// walk is all bytes from off on, by At.
func walk(l *Lease, off int64) (b []byte) {
	for {
		m := l.At(off)
		if m == nil {
			return b
		}
		b = append(b, m...)
		off += int64(len(m))
	}
}

func TestLease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := new(owner)
		l, want := draw(t, o)
		n := len(want)
		off := rapid.IntRange(0, n+3).Draw(t, "off")
		tail := want[min(off, n):]
		if l.Len() != int64(n) {
			t.Fatalf("Len %d, want %d", l.Len(), n)
		}
		if got := walk(l, int64(off)); !bytes.Equal(got, tail) {
			t.Fatalf("At from %d: %x, want %x", off, got, tail)
		}
		var pieces []byte
		i := 0
		for s := range l.All() {
			if !bytes.Equal(s.Mem, l.Segment(i).Mem) {
				t.Fatalf("All and Segment differ in piece %d", i)
			}
			pieces = append(pieces, s.Mem...)
			i++
		}
		if i != l.Segments() || !bytes.Equal(pieces, want) {
			t.Fatal("All does not yield all")
		}

		part := make([]byte, rapid.IntRange(0, n+3).Draw(t, "length"))
		if got := l.Read(int64(off), part); got != min(len(part), len(tail)) || !bytes.Equal(part[:got], tail[:got]) {
			t.Fatalf("Read %d at %d: %d, %x", len(part), off, got, part)
		}
		for i := range part {
			part[i] = 0xa5
		}
		if got := l.Copy(int64(off), part); got != copy(tail, part) {
			t.Fatalf("Copy %d at %d: %d", len(part), off, got)
		}
		if got := walk(l, 0); !bytes.Equal(got, want) {
			t.Fatalf("after Copy: %x, want %x", got, want)
		}
		m := rapid.IntRange(0, n+3).Draw(t, "clear")
		l.Clear(int64(off), int64(m))
		clear(tail[:min(m, len(tail))])
		if got := walk(l, 0); !bytes.Equal(got, want) {
			t.Fatalf("after Clear: %x, want %x", got, want)
		}

		short := rapid.IntRange(0, n+3).Draw(t, "truncate")
		l.Truncate(int64(short))
		want = want[:min(short, n)]
		if got := walk(l, 0); l.Len() != int64(len(want)) || !bytes.Equal(got, want) {
			t.Fatalf("after Truncate(%d): %d, %x, want %x", short, l.Len(), got, want)
		}
		l.Release()
		if o.back != 1 {
			t.Fatalf("came back %d times", o.back)
		}
	})
}

// TestSlice: slices of slices show their part of the memory, and the owner gets it
// back after the last of them, in whatever order they are released.
// Memory where data stays is filled as any other, whatever lies where; a lease that is made again is not Kept.
func TestKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem, src := make([]byte, 20000), bytes.Repeat([]byte("lunette!"), 2500)
		var l Lease
		first := rapid.IntRange(0, len(mem)).Draw(t, "first")
		l.Init(nil, Segment{Mem: mem[:first]}, Segment{Mem: mem[first:]})
		l.Keep()
		off, n := rapid.IntRange(0, len(mem)).Draw(t, "off"), rapid.IntRange(0, len(src)).Draw(t, "n")
		fits := min(n, len(mem)-off)
		if got := l.Copy(int64(off), src[:n]); got != fits || !bytes.Equal(mem[off:off+fits], src[:fits]) {
			t.Fatalf("%d of %d bytes at %d", got, n, off)
		}
		if len(bytes.Trim(mem[:off], "\x00")) > 0 || len(bytes.Trim(mem[off+fits:], "\x00")) > 0 {
			t.Fatalf("more than %d bytes at %d are written", n, off)
		}
		if !l.Kept() {
			t.Fatal("it is not Kept")
		}
		if l.Init(nil); l.Kept() {
			t.Fatal("it is Kept when it is made again")
		}
	})
}

func TestSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := new(owner)
		l, want := draw(t, o)
		type view struct {
			*Lease
			want []byte
		}
		views := []view{{l, want}}
		for range rapid.IntRange(0, 5).Draw(t, "slices") {
			from := rapid.SampledFrom(views).Draw(t, "from")
			off := rapid.IntRange(0, len(from.want)).Draw(t, "off")
			n := rapid.IntRange(0, len(from.want)-off).Draw(t, "n")
			views = append(views, view{from.Slice(int64(off), int64(n)), from.want[off : off+n]})
		}
		if len(want) > 0 { // they share the memory
			l.Copy(0, []byte{0x5a})
			want[0] = 0x5a
		}
		for i, v := range views {
			if got := walk(v.Lease, 0); v.Len() != int64(len(v.want)) || !bytes.Equal(got, v.want) {
				t.Fatalf("slice %d: %x, want %x", i, got, v.want)
			}
		}
		for i, v := range rapid.Permutation(views).Draw(t, "order") {
			if o.back != 0 {
				t.Fatalf("came back before slice %d was released", i)
			}
			v.Release()
		}
		if o.back != 1 {
			t.Fatalf("came back %d times", o.back)
		}
	})
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestSliceOutside(t *testing.T) {
	l := Of(make([]byte, 10))
	for _, r := range [][2]int64{{-1, 1}, {0, -1}, {0, 11}, {11, 0}, {5, 6}, {1, 1<<63 - 1}} {
		if !panics(func() { l.Slice(r[0], r[1]) }) {
			t.Errorf("%v does not panic", r)
		}
	}
	if !panics(func() { l.Release(); l.Release() }) {
		t.Error("a slice that panicked left a reference behind")
	}
}

func TestReleaseTwice(t *testing.T) {
	o := new(owner)
	a := NewArena(1 << 20)
	defer a.Close()
	fromArena, err := a.Get(100)
	if err != nil {
		t.Fatal(err)
	}
	pool := new(pooled)
	for what, l := range map[string]*Lease{
		"plain": New(o, Segment{Mem: make([]byte, 10)}), "without owner": Of(nil), "arena": fromArena,
		"pool": pool.Get(pool, Segment{}), "slice": Of(make([]byte, 4)).Slice(1, 2),
	} {
		l.Release()
		if !panics(l.Release) {
			t.Errorf("%s: the second release does not panic", what)
		}
	}
	if o.back != 1 || a.Outstanding() != 0 || pool.Outstanding() != 0 {
		t.Errorf("came back %d times; %d in the arena, %d in the pool", o.back, a.Outstanding(), pool.Outstanding())
	}
}

// pooled is an owner that recycles its leases.
type pooled struct{ Pool }

func (p *pooled) Reclaim(l *Lease) { p.Put(l) }

func TestPool(t *testing.T) {
	var p pooled
	mem := []byte("0123456789")
	l := p.Get(&p, Segment{Mem: mem})
	if l.Len() != 10 || l.Segments() != 1 || p.Outstanding() != 1 {
		t.Errorf("%d bytes, %d pieces, %d outstanding", l.Len(), l.Segments(), p.Outstanding())
	}
	s := l.Slice(2, 3)
	l.Release()
	if p.Outstanding() != 1 {
		t.Error("came back with a slice still out")
	}
	s.Release()
	if p.Outstanding() != 0 {
		t.Errorf("%d outstanding", p.Outstanding())
	}
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 500 {
				l := p.Get(&p, Segment{Mem: mem[:g+1]})
				if l.Len() != int64(g+1) || l.Segments() != 1 {
					t.Errorf("turn %d: %d bytes in %d pieces", i, l.Len(), l.Segments())
				}
				l.Truncate(int64(i % 2))
				l.Release()
			}
		})
	}
	all.Wait()
	if p.Outstanding() != 0 {
		t.Errorf("%d outstanding", p.Outstanding())
	}
	if !recycle {
		return // leases are not recycled under the race detector
	}
	if n := testing.AllocsPerRun(1000, func() { p.Get(&p, Segment{Mem: mem}).Release() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
