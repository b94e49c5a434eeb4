package apply_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/agent/apply"
)

// TestWatch: a watcher sees all events in their order, from where it asks, and is told what it has missed.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t)
		note := func(n int) {
			for range n {
				b.Note(apply.Event{Type: "login"})
			}
		}
		watch := func(from uint64) (got *[]string, stop func()) {
			ctx, cancel := context.WithCancel(t.Context())
			got = new([]string)
			go func() {
				for ev, err := range b.Watch(ctx, from) {
					gap := (*apply.GapError)(nil)
					if errors.As(err, &gap) {
						*got = append(*got, fmt.Sprintf("gap %d to %d", gap.Wanted, gap.Next))
						continue
					}
					*got = append(*got, fmt.Sprint(ev.Sequence))
				}
				*got = append(*got, "end")
			}()
			synctest.Wait()
			return got, func() { cancel(); synctest.Wait() }
		}
		expect := func(what string, got []string, want ...string) {
			t.Helper()
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %v is seen, not %v", what, got, want)
			}
		}
		note(2)
		next, stopNext := watch(0)
		all, stopAll := watch(1)
		later, stopLater := watch(5) // the daemon has had more events before it was started again
		note(1)
		synctest.Wait()
		for _, stop := range []func(){stopNext, stopAll, stopLater} {
			stop()
		}
		expect("from now on", *next, "3", "end")
		expect("all", *all, "1", "2", "3", "end")
		expect("another run", *later, "gap 5 to 3", "3", "end")

		note(1023)
		old, stop := watch(1)
		stop()
		if len(*old) != 1026 {
			t.Fatalf("%d are seen", len(*old))
		}
		expect("from the oldest on", (*old)[:2], "gap 1 to 3", "3")

		// One that does not read holds nobody up, and is told of the gap when it does.
		seen := make(chan apply.Event)
		ctx, cancel := context.WithCancel(t.Context())
		var gap error
		go func() {
			defer close(seen)
			for ev, err := range b.Watch(ctx, 0) {
				if err != nil {
					gap = err
					continue
				}
				seen <- ev
			}
		}()
		synctest.Wait()
		note(1)
		synctest.Wait()
		note(2000)
		if ev := <-seen; ev.Sequence != 1027 || ev.Generation != 1 || ev.Time.IsZero() {
			t.Errorf("%+v", ev)
		}
		if ev := <-seen; ev.Sequence != 1027+2000-1023 || gap == nil {
			t.Errorf("%+v, %v", ev, gap)
		}
		cancel()
		for range seen {
		}
	})
}

// TestOperations: the last hundred that have ended are kept.
func TestOperations(t *testing.T) {
	b := fresh(t)
	for range 150 {
		_, _ = b.Apply(t.Context(), apply.Request{})
	}
	all := b.Operations()
	if len(all) != 101 && len(all) != 100 || all[0].ID != "150" || all[0].Phase != "failed" {
		t.Errorf("%d operations, the last is %+v", len(all), all[0])
	}
	if _, ok := b.Operation("1"); ok {
		t.Error("the first is kept")
	}
}

// TestTooMany: no more changes wait than is good.
func TestTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t)
		b.r.hold = make(chan struct{})
		for range 100 {
			if o := b.Start(text(base("second"))); o.Error != "" {
				t.Fatal(o)
			}
		}
		synctest.Wait()
		o := b.Start(text(base("third")))
		synctest.Wait()
		if o, _ = b.Operation(o.ID); o.Error != apply.ErrTooMany.Error() || o.Phase != "failed" {
			t.Errorf("%+v", o)
		}
		close(b.r.hold)
		synctest.Wait()
		if _, err := b.Apply(t.Context(), text(base("third"))); err != nil || b.alias() != "third" || b.Current().Generation != 3 {
			t.Error(err, b.alias())
		}
	})
}
