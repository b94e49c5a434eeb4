package buffer

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// resident is how many bytes of the arena's regions have pages.
func resident(t testing.TB, a *Arena) (n int64) {
	t.Helper()
	page := int64(unix.Getpagesize())
	for _, r := range a.regions {
		vec := make([]byte, int64(len(r.Mem))/page)
		if err := mincore(r.Mem, vec); err != nil {
			t.Fatal(err)
		}
		for _, v := range vec {
			n += int64(v&1) * page
		}
	}
	return n
}

// Memory that a peak leaves behind goes back to the system; some stays, and what is pinned does.
func TestTrim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewArena(256 << 20)
		peak := func() {
			var all []*Lease
			for range 128 {
				l, err := a.Get(1 << 20)
				if err != nil {
					t.Fatal(err)
				}
				l.Clear(0, l.Len())
				all = append(all, l)
			}
			release(all)
		}
		peak()
		if n := resident(t, a); n < 128<<20 {
			t.Fatalf("%d bytes resident", n)
		}
		time.Sleep(10 * trimEvery)
		synctest.Wait()
		if n := resident(t, a); n > (trimLeaves+2)<<20 {
			t.Errorf("%d bytes are resident after the peak", n)
		}
		peak() // all of it can be lent again
		a.regions[0].Pin()
		l, _ := a.Get(1 << 20)
		time.Sleep(10 * trimEvery)
		synctest.Wait()
		if n := resident(t, a); n < 16<<20 || n > (trimLeaves+18)<<20 {
			t.Errorf("%d bytes are resident with a pinned region", n)
		}
		l.Release()
		closed(t, a)
	})
}

// While it goes up and down all the time nothing is given back.
func TestTrimLeavesWhatIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewArena(256 << 20)
		for range 20 {
			var all []*Lease
			for range 100 {
				l, err := a.Get(1 << 20)
				if err != nil {
					t.Fatal(err)
				}
				l.Copy(0, []byte{1})
				all = append(all, l)
			}
			time.Sleep(trimEvery / 2)
			release(all)
			time.Sleep(trimEvery / 4)
		}
		a.mu.Lock()
		n := a.trimmer.n
		a.mu.Unlock()
		if n < 100 {
			t.Errorf("%d blocks of 100 that are used have their pages", n)
		}
		closed(t, a)
	})
}

// Blocks that were never lent are no concern of the trimmer's.
func TestTrimBesideUnusedBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewArena(256 << 20)
		for _, n := range []int{37, 70, 17} {
			var all []*Lease
			for range n {
				l, err := a.Get(1 << 20)
				if err != nil {
					t.Fatal(err)
				}
				l.Copy(0, []byte{1})
				all = append(all, l)
			}
			release(all)
			time.Sleep(3 * trimEvery)
			synctest.Wait()
			if n := resident(t, a); n > (trimLeaves+2)<<20 {
				t.Errorf("%d bytes are resident", n)
			}
		}
		closed(t, a)
	})
}
