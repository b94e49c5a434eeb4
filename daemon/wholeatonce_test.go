package daemon

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/plan"
)

// Several ask for changes at the same time, while initiators come, read, write and go: in the end what is served is
// what the document says, each session that is there can use what it sees, and nothing is left behind.
func TestWholeDaemonAtOnce(t *testing.T) {
	estates(t, func(w *estate) {
		var asks [3][]apply.Request
		for i := range asks {
			for range rapid.IntRange(1, 5).Draw(w.t, "requests") {
				r := apply.Request{Confirm: []plan.Confirm{plan.ConfirmDeleteData, plan.ConfirmEndSessions, plan.ConfirmReplace, plan.ConfirmRestart}}
				if w.draw.seldom(2) {
					r.Text = []byte(w.draw.document())
				} else {
					r.Edits = append(r.Edits, w.draw.edit(w.doc))
				}
				asks[i] = append(asks[i], r)
			}
		}
		var working, visiting sync.WaitGroup
		stop := make(chan struct{})
		for _, all := range asks {
			working.Go(func() {
				for _, r := range all {
					_, _ = w.d.engine.Apply(context.Background(), r) // which may be wrong by now
				}
			})
		}
		var mu sync.Mutex
		for i := range 3 {
			guest := "guest:g" + string(rune('0'+i))
			visiting.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					s, err := w.p.Login([]string{"/p0", "/p1", "/p2"}[n%3], wholeTarget+[]string{"t0", "t1", "t2"}[n/3%3], guest)
					if err != nil {
						continue
					}
					for lun := range 4 {
						_, _ = blockOf(context.Background(), s, lun, n%64, nil)
						_, _ = blockOf(context.Background(), s, lun, n%64, filled(n)[:512])
					}
					if n%4 != 0 {
						_ = s.Close()
						continue
					}
					mu.Lock()
					w.visitors = append(w.visitors, &visitor{Session: s, guest: guest})
					mu.Unlock()
				}
			})
		}
		working.Wait()
		close(stop)
		visiting.Wait()
		w.d.units.working.Wait()
		for slices.ContainsFunc(w.d.engine.Status().Conditions, func(c apply.Condition) bool { return c.Type == apply.Ending }) {
			time.Sleep(10 * time.Millisecond) // what has not ended in its time is looked at again until it has
		}
		w.doc = w.d.engine.Current().Document

		// Of the sessions that are left those count that the daemon knows.
		there := w.d.Sessions()
		w.visitors = slices.DeleteFunc(w.visitors, func(v *visitor) bool {
			_, err := attentions(v, 0)
			return err != nil
		})
		if len(there) != len(w.visitors) {
			w.t.Fatalf("%d sessions, and %d are alive", len(there), len(w.visitors))
		}
		left := w.visitors
		w.visitors = nil
		for _, s := range there {
			w.visitors = append(w.visitors, &visitor{id: s.ID, guest: s.Initiator, target: s.Target})
		}
		w.shown()
		for _, v := range left {
			if err := v.Close(); err != nil {
				w.t.Fatal(err)
			}
		}
		w.visitors = nil
	})
}
