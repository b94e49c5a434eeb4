package target

import (
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// of is a task of an initiator.
func of(a *waits, tag uint64) *Task {
	w := new(waiter)
	w.at.Store(a)
	return &Task{Tag: tag, itl: &ITL{waiter: w}}
}

// Whatever comes and ends: the tasks of a line go in order; who has nothing has its turn when each
// other line had one, at most; nobody holds more than a share; long work keeps to its part.
func TestTurnsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := NewWorkers(rapid.IntRange(1, 20).Draw(t, "workers"))
		w.running = w.limit // the test is all of them
		type running struct {
			l    *line
			long int
		}
		owners := make([]*waits, rapid.IntRange(1, 6).Draw(t, "initiators"))
		for i := range owners {
			owners[i] = new(waits)
		}
		var now []running
		var tag uint64
		last := map[*line]uint64{}
		passed := map[*line]int{} // turns of others in its ring, since it waits with nothing
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				tag++
				x := of(rapid.SampledFrom(owners).Draw(t, "who"), tag)
				if rapid.Bool().Draw(t, "long") {
					w.RunLong(x, nil)
				} else {
					w.Run(x, nil)
				}
			case 2:
				if len(now) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(now)-1).Draw(t, "ends")
				now[i].l.held--
				w.busy--
				w.busyLong -= now[i].long
				now = append(now[:i], now[i+1:]...)
			case 3:
				r, before, l := w.next()
				if l == nil {
					for _, a := range owners {
						if a.short.first != nil && a.short.held == 0 && w.busy < w.limit {
							t.Fatal("a worker is free, and one who has none waits")
						}
						if a.long.first != nil && a.long.held == 0 && w.busy < w.limit && w.busyLong < w.longs {
							t.Fatal("a worker is free for long work, and one who has none waits")
						}
					}
					continue
				}
				x := r.take(before, l)
				w.waiting--
				long := 0
				if r == &w.long {
					long = 1
				}
				l.held++
				w.busy++
				w.busyLong += long
				w.wasLong = long == 1
				now = append(now, running{l, long})
				if x.Tag <= last[l] {
					t.Fatalf("task %d comes behind task %d", x.Tag, last[l])
				}
				last[l] = x.Tag
				if w.busy > w.limit || w.busyLong > w.longs {
					t.Fatalf("%d workers of %d, %d of %d for long work", w.busy, w.limit, w.busyLong, w.longs)
				}
				if free := w.limit - w.busy; l.held > 1 && l.held > greed*free {
					t.Fatalf("one holds %d and leaves %d", l.held, free)
				}
				for _, a := range owners {
					for _, other := range []*line{&a.short, &a.long} {
						if same := (other == &a.long) == (long == 1); !same {
							continue
						}
						if other == l || other.first == nil || other.held > 0 {
							passed[other] = 0
						} else if passed[other]++; passed[other] >= len(owners) {
							t.Fatalf("one waits for %d turns of %d others", passed[other], len(owners)-1)
						}
					}
				}
			}
			n := 0
			for _, a := range owners {
				for _, l := range []*line{&a.short, &a.long} {
					for x := l.first; x != nil; x = x.queue {
						n++
					}
				}
			}
			if n != w.waiting {
				t.Fatalf("%d tasks wait, counted are %d", n, w.waiting)
			}
		}
	})
}

// However much one initiator has, another that comes has a worker at once; and long work of both
// leaves the most of them for the rest.
func TestWorkersAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorkers(16)
		release := make(chan struct{})
		hold := func(*Task) { <-release }
		greedy, other := new(waits), new(waits)
		for i := range uint64(100) {
			w.Run(of(greedy, i), hold)
			w.RunLong(of(greedy, i), hold)
		}
		synctest.Wait()
		if greedy.short.held+greedy.long.held > 15 || greedy.long.held > 3 || greedy.short.held < 10 {
			t.Errorf("one holds %d workers, and %d for long work", greedy.short.held, greedy.long.held)
		}
		did := false
		w.Run(of(other, 1), func(*Task) { did = true })
		synctest.Wait()
		if !did {
			t.Error("none was left")
		}
		close(release)
		synctest.Wait()
		if w.waiting != 0 || w.busy != 0 || greedy.short.held != 0 || greedy.long.held != 0 {
			t.Errorf("%d wait, %d run", w.waiting, w.busy)
		}
		w.Close()
	})
}

// The I_T_L nexuses of an initiator have one line, as long as there are any.
func TestWaitersAreInitiators(t *testing.T) {
	u := NewUnit("u", deaf{})
	nexus := func(name string) *ITL {
		x := newITL(&Nexus{Port: new(Port), Initiator: Initiator{Name: name}}, 0, u)
		u.attach(x)
		return x
	}
	a, again, b := nexus("a"), nexus("a"), nexus("b")
	if a.waiter != again.waiter || a.waiter == b.waiter {
		t.Error("the lines are not those of the initiators")
	}
	for i, x := range []*ITL{a, again, b} {
		u.losing(x)
		u.detach(x)
		if want := []int{2, 1, 0}[i]; len(u.waiters) != want {
			t.Errorf("%d initiators, want %d", len(u.waiters), want)
		}
	}
}
