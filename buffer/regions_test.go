package buffer

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// A record is a watcher that notes what it is told.
type record struct {
	there map[int]*Region
	bad   []string
}

func (r *record) Added(g *Region) {
	if r.there[g.ID] != nil {
		r.bad = append(r.bad, "a number twice")
	}
	r.there[g.ID] = g
}

func (r *record) Removed(g *Region) {
	if r.there[g.ID] != g {
		r.bad = append(r.bad, "another region")
	}
	delete(r.there, g.ID)
}

// Whoever watches knows what is in the list, whenever it has begun; numbers are unique and used again.
func TestRegions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list Regions
		var all []*Region
		type watcher struct {
			*record
			stop func()
		}
		var watchers []watcher
		most := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0, 1:
				g := new(Region)
				list.Add(g)
				if !g.Of(&list) || g.Of(new(Regions)) {
					t.Fatal("it is in another list")
				}
				all = append(all, g)
				most = max(most, len(all))
			case 2:
				if len(all) > 0 {
					i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
					list.Remove(all[i])
					all = slices.Delete(all, i, i+1)
				}
			case 3:
				w := watcher{record: &record{there: map[int]*Region{}}}
				w.stop = list.Watch(w.record)
				watchers = append(watchers, w)
			case 4:
				if len(watchers) > 0 {
					watchers[0].stop()
					watchers = watchers[1:]
				}
			}
			for _, w := range watchers {
				if len(w.bad) > 0 || len(w.there) != len(all) {
					t.Fatalf("%v, %d of %d known", w.bad, len(w.there), len(all))
				}
				for _, g := range all {
					if w.there[g.ID] != g || g.ID >= most {
						t.Fatalf("region %d of %d", g.ID, most)
					}
				}
			}
		}
	})
}

// Two arenas in one list have numbers of their own, and leave none behind.
func TestRegionsOfArenas(t *testing.T) {
	var list Regions
	r := &record{there: map[int]*Region{}}
	defer list.Watch(r)()
	a, b := NewArenaIn(&list, 64<<20), NewArenaIn(&list, 64<<20)
	var all []*Lease
	for range 20 {
		for _, x := range []*Arena{a, b} {
			l, err := x.Get(1 << 20)
			if err != nil {
				t.Fatal(err)
			}
			if g := l.Segment(0).Region; r.there[g.ID] != g || !g.Resident {
				t.Fatal("a region that the list has not")
			}
			all = append(all, l)
		}
	}
	if len(r.there) != 4 || len(r.bad) > 0 {
		t.Errorf("%d regions, %v", len(r.there), r.bad)
	}
	release(all)
	closed(t, a)
	closed(t, b)
	if len(r.there) != 0 {
		t.Errorf("%d regions are left", len(r.there))
	}
}

// Nothing is given back while somebody has pinned a region, and whoever pins it waits for what is under way.
func TestPinAndDiscard(t *testing.T) {
	var g Region
	var both sync.WaitGroup
	busy := false // what the race detector looks at: guarded by pins
	for range 2 {
		both.Go(func() {
			for range 1000 {
				g.Unless(func() error { busy = !busy; return nil })
			}
		})
	}
	for range 1000 {
		g.Pin()
		g.Pin()
		g.Unpin()
		was := busy
		if !g.Pinned() || busy != was || g.Unless(func() error { busy = true; return nil }) {
			t.Fatal("given back while it is pinned")
		}
		g.Unpin()
	}
	both.Wait()
	if g.Pinned() || g.Unless(func() error { return unix.EINVAL }) || !g.Unless(func() error { return nil }) {
		t.Error("pinned at the end, or a failure that is none")
	}
}

// A ring is one that registers what it is told to.
type ring struct {
	mem    map[int]*byte
	refuse bool
}

func (r *ring) RegisterBuffer(i int, mem []byte) bool {
	if !r.refuse {
		r.mem[i] = &mem[0]
	}
	return !r.refuse
}

func (r *ring) ForgetBuffer(i int) { delete(r.mem, i) }

// A table registers regions when they are used, as many as it has room for, and lets go of those that are gone: never is an entry another's.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list Regions
		var tab Table
		r := &ring{mem: map[int]*byte{}}
		tab.Open(3)
		var all []*Region
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				g := &Region{Mem: make([]byte, 1), Resident: rapid.IntRange(0, 3).Draw(t, "resident") > 0}
				list.Add(g)
				all = append(all, g)
			case 1:
				if len(all) > 0 {
					i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
					list.Remove(all[i])
					all = slices.Delete(all, i, i+1)
				}
			default:
				if len(all) > 0 {
					r.refuse = rapid.IntRange(0, 9).Draw(t, "refuse") == 0
					g := all[rapid.IntRange(0, len(all)-1).Draw(t, "use")]
					i := tab.Index(r, g)
					if i >= 0 && (r.mem[i] != &g.Mem[0] || !g.Pinned() || !g.Resident) {
						t.Fatal("an entry that is another's, or that is not pinned")
					}
				}
			}
			if len(r.mem) > 3 {
				t.Fatal("more than there is room for")
			}
		}
		tab.Close()
		for _, g := range all {
			if g.Pinned() {
				t.Fatal("pinned by a table that is closed")
			}
		}
	})
	var tab Table
	tab.Open(1)
	r := &ring{mem: map[int]*byte{}}
	a, b := NewArena(1<<20), NewArena(1<<20)
	x, errX := a.Get(1)
	y, errY := b.Get(1)
	if err := errors.Join(errX, errY); err != nil {
		t.Fatal(err)
	}
	if i := tab.Index(r, x.Segment(0).Region); i != 0 {
		t.Errorf("entry %d", i)
	}
	if i := tab.Index(r, y.Segment(0).Region); i >= 0 {
		t.Error("a region of another list is registered")
	}
	if tab.Index(r, nil) >= 0 || tab.Index(r, &Region{Mem: make([]byte, 1), Resident: true}) >= 0 {
		t.Error("what is in no list is registered")
	}
	if n := testing.AllocsPerRun(100, func() { tab.Index(r, x.Segment(0).Region) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	x.Release()
	y.Release()
	closed(t, a)
	closed(t, b)
	tab.Close()
}

func BenchmarkTable(b *testing.B) {
	var tab Table
	tab.Open(16)
	a := NewArena(1 << 20)
	l, err := a.Get(1)
	if err != nil {
		b.Fatal(err)
	}
	r, g := &ring{mem: map[int]*byte{}}, l.Segment(0).Region
	for b.Loop() {
		tab.Index(r, g)
	}
	l.Release()
	closed(b, a)
	tab.Close()
}
