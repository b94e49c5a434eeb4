package buffer

import (
	"errors"
	"sync"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// span is the addresses of one segment, to its capacity: what the arena set aside.
type span struct{ from, to uintptr }

func spanOf(s Segment) span {
	from := uintptr(unsafe.Pointer(unsafe.SliceData(s.Mem)))
	return span{from, from + uintptr(cap(s.Mem))}
}

// TestArena: whatever is lent and given back in whatever order, no two leases share
// memory, the limit holds, and in the end all of it is there again in whole regions.
func TestArena(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(0, 40).Draw(t, "limit") << 20
		a := NewArena(limit)
		limit = max(limit, MaxBlock)
		lent := map[*Lease][]span{}
		var held int64
		size := rapid.OneOf(rapid.Int64Range(-1, 16<<10), rapid.Int64Range(1, 5<<20),
			rapid.SampledFrom([]int64{MinBlock, MinBlock + 1, MaxBlock, MaxBlock + 1, 2 * MaxBlock}))
		release := func(l *Lease) {
			for _, s := range lent[l] {
				held -= int64(s.to - s.from)
			}
			delete(lent, l)
			l.Release()
		}
		t.Repeat(map[string]func(*rapid.T){
			"get": func(t *rapid.T) {
				n := size.Draw(t, "n")
				before := a.Outstanding()
				l, err := a.Get(n)
				if err != nil {
					if !errors.Is(err, ErrExhausted) {
						t.Fatal(err)
					}
					// Blocks are twice the request at most, so this much did fit.
					if before+2*max(n, MinBlock) <= limit {
						t.Fatalf("%d bytes refused with %d of %d lent", n, before, limit)
					}
					if a.Outstanding() != before {
						t.Fatalf("%d bytes lent after a refusal, %d before", a.Outstanding(), before)
					}
					return
				}
				if l.Len() != max(n, 1) {
					t.Fatalf("asked for %d, got %d", n, l.Len())
				}
				var spans []span
				for s := range l.All() {
					sp := spanOf(s)
					if sp.from%MinBlock != 0 || (sp.to-sp.from)&(sp.to-sp.from-1) != 0 || sp.to-sp.from > MaxBlock {
						t.Fatalf("odd segment %#x to %#x", sp.from, sp.to)
					}
					if region := spanOf(Segment{Mem: s.Region.Mem}); sp.from < region.from || sp.to > region.to {
						t.Fatal("segment outside its region")
					}
					for _, others := range lent {
						for _, o := range others {
							if sp.from < o.to && o.from < sp.to {
								t.Fatal("lent twice")
							}
						}
					}
					s.Mem[0], s.Mem[len(s.Mem)-1] = 1, 1 // it is mapped
					spans = append(spans, sp)
					held += int64(cap(s.Mem))
				}
				lent[l] = spans
			},
			"truncate": func(t *rapid.T) {
				for l := range lent {
					l.Truncate(rapid.Int64Range(0, l.Len()).Draw(t, "to"))
					break
				}
			},
			"release": func(t *rapid.T) {
				for l := range lent {
					release(l)
					break
				}
			},
			"": func(t *rapid.T) {
				n, peak, max := a.Stats()
				if n != held || n > max || peak < n || max != limit {
					t.Fatalf("stats %d, %d, %d with %d held of %d", n, peak, max, held, limit)
				}
			},
		})
		if len(lent) > 0 && a.Close() == nil {
			t.Fatal("closed with memory lent")
		}
		for l := range lent {
			release(l)
		}
		if n := a.Outstanding(); n != 0 {
			t.Fatalf("%d bytes did not come back", n)
		}
		whole(t, a)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// whole: with nothing lent, everything has coalesced into the largest blocks.
func whole(t interface{ Fatalf(string, ...any) }, a *Arena) {
	a.mu.Lock()
	a.drain()
	a.mu.Unlock()
	for r := range a.state {
		for page, s := range a.state[r] {
			want := uint8(0)
			if page%(MaxBlock/MinBlock) == 0 {
				want = orders
			}
			if s != want {
				t.Fatalf("region %d, page %d: state %d, want %d", r, page, s, want)
			}
		}
	}
	for o := range a.free {
		if n := len(a.free[o]); n > 64+4*len(a.regions)*(regionSz>>(minShift+o)) {
			t.Fatalf("%d entries in the free list of order %d", n, o)
		}
	}
}

// A truncated lease gives all of its blocks back, also those that it no longer shows.
func TestArenaTruncated(t *testing.T) {
	a := NewArena(16 << 20)
	for _, n := range []int64{0, 1, MaxBlock, MaxBlock + 1, 5 * MaxBlock} {
		l, err := a.Get(6*MaxBlock - 100)
		if err != nil {
			t.Fatal(err)
		}
		l.Truncate(n)
		if l.Len() != n {
			t.Errorf("%d bytes, want %d", l.Len(), n)
		}
		l.Release()
		if left := a.Outstanding(); left != 0 {
			t.Fatalf("truncated to %d: %d bytes did not come back", n, left)
		}
	}
	whole(t, a)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestArenaExhausted(t *testing.T) {
	a := NewArena(4 << 20)
	var all []*Lease
	for {
		l, err := a.Get(MaxBlock)
		if err != nil {
			if !errors.Is(err, ErrExhausted) {
				t.Error(err)
			}
			break
		}
		all = append(all, l)
	}
	if len(all) != 4 {
		t.Errorf("%d MiB lent of 4", len(all))
	}
	if _, err := a.Get(1); !errors.Is(err, ErrExhausted) {
		t.Error(err)
	}
	all[0].Release()
	// What fits in part must not stay lent when the rest does not.
	if _, err := a.Get(MaxBlock + 1); !errors.Is(err, ErrExhausted) || a.Outstanding() != 3<<20 {
		t.Errorf("%v, %d bytes lent", err, a.Outstanding())
	}
	for _, l := range all[1:] {
		l.Release()
	}
	l, err := a.Get(4 << 20)
	if err != nil || l.Segments() != 4 {
		t.Fatalf("all of it: %v", err)
	}
	l.Release()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// What is charged cannot be lent, and blocks that lie in magazines are in nobody's way.
func TestArenaCharge(t *testing.T) {
	a := NewArena(2 << 20)
	var all []*Lease
	for range 8 {
		l, err := a.Get(smallMax)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	for _, l := range all {
		l.Release()
	}
	if a.Outstanding() != 0 || a.inMagazines() == 0 {
		t.Fatalf("%d bytes lent, %d in magazines", a.Outstanding(), a.inMagazines())
	}
	if err := a.Charge(2<<20 + 1); !errors.Is(err, ErrExhausted) {
		t.Error(err)
	}
	if err := a.Charge(2<<20 - MinBlock); err != nil || a.Outstanding() != 2<<20-MinBlock {
		t.Errorf("%v, %d bytes lent", err, a.Outstanding())
	}
	l, err := a.Get(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Get(1); !errors.Is(err, ErrExhausted) {
		t.Error(err)
	}
	l.Release()
	if a.Close() == nil {
		t.Error("closed with memory reserved")
	}
	a.Uncharge(2<<20 - MinBlock)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// TestArenaNear lends and gives back small blocks on many goroutines, also those of others, with
// little memory: none is lost.
func TestArenaNear(t *testing.T) {
	a := NewArena(MaxBlock)
	var all sync.WaitGroup
	passed := make(chan *Lease, 16)
	for g := range 8 {
		all.Go(func() {
			for i := range 2000 {
				l, err := a.Get(int64(1 + (i*7919+g*104729)%smallMax))
				if err != nil {
					continue // the others have it all
				}
				select {
				case passed <- l:
				case other := <-passed:
					other.Release()
					l.Release()
				}
			}
		})
	}
	all.Wait()
	close(passed)
	for l := range passed {
		l.Release()
	}
	if n := a.Outstanding(); n != 0 {
		t.Errorf("%d bytes did not come back", n)
	}
	l, err := a.Get(MaxBlock) // all of it, in one piece
	if err != nil {
		t.Fatal(err)
	}
	l.Release()
	whole(t, a)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func TestArenaConcurrent(t *testing.T) {
	a := NewArena(64 << 20)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 500 {
				l, err := a.Get(int64(1 + (i*7919+g*104729)%(3<<20)))
				if err != nil {
					t.Error(err)
					return
				}
				mark := byte(g*50 + i%50 + 1)
				for s := range l.All() {
					s.Mem[0], s.Mem[len(s.Mem)-1] = mark, mark
				}
				for s := range l.All() {
					if s.Mem[0] != mark || s.Mem[len(s.Mem)-1] != mark {
						t.Error("somebody else wrote here")
					}
				}
				l.Release()
			}
		})
	}
	all.Wait()
	whole(t, a)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func TestArenaNoAllocations(t *testing.T) {
	if !recycle {
		t.Skip("leases are not recycled under the race detector")
	}
	a := NewArena(64 << 20)
	defer a.Close()
	for _, n := range []int64{1, MinBlock, 64 << 10, MaxBlock, 4 * MaxBlock} {
		cycle := func() {
			x, _ := a.Get(n)
			y, _ := a.Get(n)
			x.Release()
			y.Release()
		}
		cycle()
		if got := testing.AllocsPerRun(1000, cycle); got != 0 {
			t.Errorf("%d bytes: %v allocations", n, got)
		}
	}
}

func BenchmarkArenaParallel(b *testing.B) {
	a := NewArena(64 << 20)
	defer a.Close()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			l, _ := a.Get(4096)
			l.Release()
		}
	})
}

// BenchmarkPoolParallel has many leases out, as a connection that sends has.
func BenchmarkPoolParallel(b *testing.B) {
	var pool Pool
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		var out [32]*Lease
		for i := 0; p.Next(); i++ {
			if l := out[i%len(out)]; l != nil {
				pool.Put(l)
			}
			out[i%len(out)] = pool.Get(nil, Segment{})
		}
	})
}

func BenchmarkArena(b *testing.B) {
	a := NewArena(64 << 20)
	defer a.Close()
	b.ReportAllocs()
	for b.Loop() {
		l, _ := a.Get(4096)
		l.Release()
	}
}
