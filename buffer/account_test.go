package buffer

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// greedy leases pieces until it is refused.
func greedy(p *Purse, piece int64) (all []*Lease) {
	for {
		l, err := p.Get(piece)
		if err != nil {
			return all
		}
		all = append(all, l)
	}
}

func release(all []*Lease) {
	for _, l := range all {
		l.Release()
	}
}

func closed(t testing.TB, a *Arena) {
	t.Helper()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// One greedy initiator leaves the least for each that is there, and more than that in all; when it is
// alone it gets nearly all.
func TestAccountsShare(t *testing.T) {
	for _, limit := range []int64{16 << 20, 256 << 20} {
		a := NewArena(limit)
		evil := a.Purse("evil", "d")
		alone := greedy(evil, 1<<20)
		if n := int64(len(alone)) << 20; n < limit*7/8-1<<20 {
			t.Errorf("alone it gets %d of %d", n, limit)
		}
		good := a.Purse("good", "d")
		l, err := good.Get(a.least(2))
		if err != nil {
			t.Fatal("nothing is left for an initiator that comes")
		}
		l.Release()
		release(alone)
		both := greedy(evil, 64<<10)
		had := evil.by.Used()
		if had < limit/2 || had > limit*5/6 {
			t.Errorf("beside another it gets %d of %d", had, limit)
		}
		more := greedy(good, 64<<10)
		if n := good.by.Used(); n < limit/10 {
			t.Errorf("beside it the other gets %d of %d", n, limit)
		}
		third := a.Purse("third", "d")
		if l, err = third.Get(64 << 10); err != nil {
			t.Error("beside two nothing is left")
		} else {
			l.Release()
		}
		release(both)
		release(more)
		for _, p := range []*Purse{evil, good, third} {
			p.Close()
		}
		if all := a.Accounts(); len(all) != 0 {
			t.Errorf("accounts are left: %v", all)
		}
		closed(t, a)
	}
}

// Many names of one who is greedy: each that is there still gets its least.
func TestAccountsOfMany(t *testing.T) {
	a := NewArena(16 << 20)
	good := a.Purse("good", "d")
	var all []*Lease
	var purses []*Purse
	for i := range 100 {
		p := a.Purse(fmt.Sprint("evil", i), "d")
		purses = append(purses, p)
		all = append(all, greedy(p, 16<<10)...)
	}
	least := a.least(101)
	if least < 32<<10 {
		t.Errorf("the least of 101 in 16 MiB is %d", least)
	}
	for range 2 {
		l, err := good.Get(4 << 10)
		if err != nil {
			t.Fatalf("the modest initiator gets no 4 KiB: %d lent, the evil ones have %v", a.Outstanding(), a.Accounts())
		}
		all = append(all, l)
	}
	release(all)
	for _, p := range append(purses, good) {
		p.Close()
	}
	closed(t, a)
}

// A unit whose store is slow leaves memory to its initiator's other units.
func TestAccountsOfUnits(t *testing.T) {
	a := NewArena(64 << 20)
	slow, fast := a.Purse("i", "slow"), a.Purse("i", "fast")
	all := greedy(slow, 256<<10)
	if n := slow.at.Used(); n > 64<<20*3/4 {
		t.Errorf("the slow unit has %d", n)
	}
	more := greedy(fast, 256<<10)
	if n := fast.at.Used(); n < 8<<20 {
		t.Errorf("the other unit gets %d", n)
	}
	release(all)
	release(more)
	slow.Close()
	fast.Close()
	closed(t, a)
}

// A promise takes memory when it is filled, and not before; a refusal leaves it as it was.
func TestPromise(t *testing.T) {
	a := NewArena(4 << 20)
	p := a.Purse("i", "u")
	var all []*Lease
	for range 100 {
		l := p.Promise(1 << 20)
		if l.Len() != 1<<20 || !l.Empty() || l.At(0) != nil {
			t.Fatal("a promise has memory")
		}
		all = append(all, l)
	}
	if a.Outstanding() != 0 || p.by.Used() != 0 {
		t.Errorf("promises take %d", a.Outstanding())
	}
	filled := 0
	for _, l := range all {
		var one sync.WaitGroup
		for range 2 {
			one.Go(func() { _ = l.Fill() })
		}
		one.Wait()
		if err := l.Fill(); err == nil {
			filled++
			l.Copy(0, []byte("x"))
		} else if !errors.Is(err, ErrExhausted) || !l.Empty() || l.Len() != 1<<20 {
			t.Errorf("%v, empty %v, %d bytes", err, l.Empty(), l.Len())
		}
	}
	if filled != 4 || a.Outstanding() != 4<<20 || p.by.Used() != 4<<20 {
		t.Errorf("%d filled, %d lent, %d on the account", filled, a.Outstanding(), p.by.Used())
	}
	release(all)
	if a.Outstanding() != 0 || p.by.Used() != 0 {
		t.Errorf("%d lent, %d on the account", a.Outstanding(), p.by.Used())
	}
	p.Close()
	closed(t, a)
}

// What has been refused to who has little makes the arena short for those who have more.
func TestWanted(t *testing.T) {
	a := NewArena(4 << 20)
	evil, good := a.Purse("evil", ""), a.Purse("good", "")
	var all []*Lease
	all = append(all, greedy(evil, 32<<10)...)
	if evil.Wanted() || good.Wanted() {
		t.Error("short before anybody was refused that has little")
	}
	for {
		l, err := a.Get(64 << 10) // on no account
		if err != nil {
			break
		}
		all = append(all, l)
	}
	if _, err := good.Get(1 << 20); err == nil {
		t.Fatal("there was a MiB")
	}
	if !evil.Wanted() || good.Wanted() {
		t.Errorf("wanted of who has much: %v, of who has nothing: %v", evil.Wanted(), good.Wanted())
	}
	release(all)
	evil.Close()
	good.Close()
	closed(t, a)
}

// Whatever initiators do: no account goes wrong, what each has is within the rule when it gets it,
// and who has not more than its least is refused only by an arena that is full.
func TestAccountsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.SampledFrom([]int64{1 << 20, 8 << 20, 32 << 20}).Draw(rt, "limit")
		a := NewArena(limit)
		type held struct {
			p *Purse
			l *Lease
			n int64 // charged, without a lease
		}
		var purses []*Purse
		var all []held
		for i := range rapid.IntRange(1, 5).Draw(rt, "initiators") {
			for u := range rapid.IntRange(1, 2).Draw(rt, "units") {
				purses = append(purses, a.Purse(fmt.Sprint(i), fmt.Sprint(u)))
			}
		}
		used := func() (sum int64) {
			seen := map[*Account]bool{}
			for _, p := range purses {
				if !seen[p.by] {
					seen[p.by] = true
					sum += p.by.Used()
				}
			}
			return sum
		}
		for range rapid.IntRange(1, 200).Draw(rt, "steps") {
			if len(all) > 0 && rapid.Bool().Draw(rt, "give") {
				i := rapid.IntRange(0, len(all)-1).Draw(rt, "which")
				if h := all[i]; h.l != nil {
					h.l.Release()
				} else {
					h.p.Uncharge(h.n)
				}
				all = append(all[:i], all[i+1:]...)
			} else {
				p := rapid.SampledFrom(purses).Draw(rt, "purse")
				n := rapid.SampledFrom([]int64{1, 4096, 5000, 64 << 10, 300 << 10, 1 << 20, 3<<20 + 1}).Draw(rt, "n")
				before := p.by.Used()
				lent, _, _ := a.Stats()
				if rapid.Bool().Draw(rt, "charge") {
					if err := p.Charge(n); err == nil {
						all = append(all, held{p: p, n: n})
					} else if before+n <= min(a.least(5)/4, limit/firstParts) && lent+n <= limit {
						rt.Fatalf("%d refused to who has %d", n, before)
					}
				} else if l, err := p.Get(n); err == nil {
					all = append(all, held{p: p, l: l})
				}
			}
			if sum := used(); sum != a.Outstanding() {
				rt.Fatalf("the accounts have %d, the arena has lent %d", sum, a.Outstanding())
			}
			if a.Outstanding() > limit {
				rt.Fatalf("%d of %d lent", a.Outstanding(), limit)
			}
		}
		for _, h := range all {
			if h.l != nil {
				h.l.Release()
			} else {
				h.p.Uncharge(h.n)
			}
		}
		for _, p := range purses {
			p.Close()
		}
		if len(a.Accounts()) != 0 || used() != 0 {
			rt.Fatal("accounts are left")
		}
		if err := a.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// A lease that is paid for allocates nothing.
func TestPurseAllocates(t *testing.T) {
	if !recycle {
		t.Skip("leases are not recycled with the race detector")
	}
	a := NewArena(8 << 20)
	p := a.Purse("i", "u")
	if n := testing.AllocsPerRun(100, func() {
		l, _ := p.Get(4096)
		l.Release()
		l = p.Promise(1 << 20)
		_ = l.Fill()
		l.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	p.Close()
	closed(t, a)
}
