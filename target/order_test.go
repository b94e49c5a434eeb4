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
	session int
	started bool
	pending loopback.Pending
}

// schedule starts what the rules let start, in the order of arrival. In its task set a HEAD OF
// QUEUE task starts at once; a SIMPLE one when no HEAD OF QUEUE task and no older ORDERED one
// is left; an ORDERED one when no HEAD OF QUEUE task and nothing older is left.
func schedule(live []*arrival, shared bool) {
	for i, a := range live {
		may := true
		for j, o := range live {
			if o == a || (!shared && o.session != a.session) {
				continue
			}
			switch {
			case a.attr == target.HeadOfQueue:
			case o.attr == target.HeadOfQueue:
				may = false
			case j < i && (o.attr == target.Ordered || a.attr == target.Ordered):
				may = false
			}
		}
		a.started = a.started || may
	}
}

func TestOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t)
		shared := rapid.Bool().Draw(rt, "one task set")
		b.unit.ShareTaskSet(shared)
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
				a.session = rapid.IntRange(0, len(sessions)-1).Draw(rt, "session")
				a.pending = sessions[a.session].Start(loopback.Command{CDB: anyCDB, Attr: a.attr, Tag: tag})
			}
			schedule(live, shared)
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
