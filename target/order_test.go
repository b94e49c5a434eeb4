package target_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// arrival is a task as the rules of SAM-5 8.6 see it.
type arrival struct {
	tag     uint64
	attr    target.Attr
	started bool
	pending loopback.Pending
}

// schedule starts what the rules let start: HEAD OF QUEUE at once; ORDERED when
// everything that has started has ended; whatever comes after a waiting or running
// ORDERED task waits for it.
func schedule(live []*arrival) {
	for _, a := range live {
		if a.attr == target.HeadOfQueue {
			a.started = true
		}
	}
	for {
		progress, orderedRuns, anyStarted := false, false, false
		for _, a := range live {
			anyStarted = anyStarted || a.started
			orderedRuns = orderedRuns || a.started && a.attr == target.Ordered
		}
		for _, a := range live {
			if a.started {
				continue
			}
			if orderedRuns || a.attr == target.Ordered && anyStarted {
				break
			}
			a.started, progress = true, true
			break
		}
		if !progress {
			return
		}
	}
}

func TestOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t)
		sessions := []*loopback.Session{b.login(t, "a", loopback.Options{}), b.login(t, "b", loopback.Options{})}
		var live []*arrival
		tag := uint64(0)
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			var running []*arrival
			for _, a := range live {
				if a.started {
					running = append(running, a)
				}
			}
			if len(running) > 0 && rapid.Bool().Draw(rt, "end one") {
				a := rapid.SampledFrom(running).Draw(rt, "which")
				b.h.end(t, a.tag)
				if _, err := a.pending.Wait(t.Context()); err != nil {
					rt.Fatal(err)
				}
				live = slices.DeleteFunc(live, func(o *arrival) bool { return o == a })
			} else {
				tag++
				a := &arrival{tag: tag, attr: rapid.SampledFrom([]target.Attr{
					target.Simple, target.Simple, target.Ordered, target.HeadOfQueue}).Draw(rt, "attr")}
				live = append(live, a)
				s := rapid.SampledFrom(sessions).Draw(rt, "session")
				a.pending = s.Start(loopback.Command{CDB: anyCDB, Attr: a.attr, Tag: tag})
			}
			schedule(live)
			for _, a := range live {
				if got := b.h.is(a.tag); got != a.started {
					rt.Fatalf("task %d %v runs: %v, want %v", a.tag, a.attr, got, a.started)
				}
			}
		}
		for len(live) > 0 {
			for _, a := range slices.Clone(live) {
				if b.h.is(a.tag) {
					b.h.end(t, a.tag)
					a.pending.Wait(t.Context())
					live = slices.DeleteFunc(live, func(o *arrival) bool { return o == a })
					break
				}
			}
		}
	})
}

// An ORDERED task that ends inside Execute must not keep what waits behind it.
func TestOrderedEndsAtOnce(t *testing.T) {
	b := newBench(t)
	s := b.login(t, "a", loopback.Options{})
	hold := s.Start(loopback.Command{CDB: anyCDB, Tag: 1})
	b.h.mu.Lock()
	b.h.onStart = func(x *target.Task) bool { x.Respond(target.Response{}); return true }
	b.h.mu.Unlock()
	var waiting []loopback.Pending
	for i := range uint64(1000) {
		waiting = append(waiting, s.Start(loopback.Command{CDB: anyCDB, Tag: 2 + i, Attr: target.Ordered}))
	}
	b.h.end(t, 1)
	hold.Wait(t.Context())
	for _, p := range waiting {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i, tag := range b.h.started {
		if tag != uint64(i+1) {
			t.Fatalf("order %v", b.h.started[:i+1])
		}
	}
}
