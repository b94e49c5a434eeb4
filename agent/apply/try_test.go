package apply_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
)

// tried is a request for a document that is taken back after a minute.
func tried(doc []byte) apply.Request {
	return apply.Request{Text: doc, Author: "ann", Comment: "perhaps", Try: time.Minute}
}

// tryBench has a change that is tried, and has made a file.
func tryBench(t *testing.T) (b *bench, file string) {
	b = fresh(t)
	b.r.mayTry = true
	file = filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.r.makes = []state.Made{{Path: file}}
	until := time.Now().Add(time.Minute)
	r, err := b.Apply(t.Context(), tried(base("tried")))
	if err != nil || !r.Changed || r.Generation != 1 || !r.TryUntil.Equal(until) || b.alias() != "tried" {
		t.Fatal(r, err, b.alias())
	}
	if s := b.Status(); !s.TryUntil.Equal(until) || s.Meta.Generation != 1 || !b.Current().Tried || r.ETag != b.Current().ETag || s.ETag != r.ETag {
		t.Fatal(s)
	}
	b.r.makes = nil
	return b, file
}

func there(path string) bool { _, err := os.Stat(path); return err == nil }

// TestTryExpires: a change that nobody confirms goes back by itself, with what it has made.
func TestTryExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, file := tryBench(t)
		var conflict *apply.ConflictError
		for _, r := range []apply.Request{text(base("other")), {Text: base("other"), DryRun: true}, {Reload: true}} {
			if _, err := b.Apply(t.Context(), r); !errors.As(err, &conflict) || !conflict.Try {
				t.Error(err)
			}
		}
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if b.alias() != "tried" {
			t.Error("it is over too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := b.Status(); b.alias() != "first" || b.Current().Tried || !s.TryUntil.IsZero() || len(b.d.all) != 1 || len(b.d.journal) != 0 || there(file) {
			t.Error(b.alias(), s, len(b.d.all), b.d.journal, there(file))
		}
		for _, f := range []func(context.Context, string) (*apply.Result, error){b.Confirm, b.Revert} {
			if _, err := f(t.Context(), "ann"); !errors.As(err, &conflict) || !conflict.Try {
				t.Error(err)
			}
		}
		if r, err := b.Apply(t.Context(), text(base("other"))); err != nil || r.Generation != 2 {
			t.Error(r, err)
		}
		if got := types(b); !slices.Equal(got, []string{"tried", "reverted", "applied"}) {
			t.Error(got)
		}
	})
}

// TestTryConfirmed: a change that is confirmed is a generation, by who asked for it.
func TestTryConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, file := tryBench(t)
		b.d.commitErr = errors.New("oops")
		if _, err := b.Confirm(t.Context(), "bob"); !errors.Is(err, b.d.commitErr) || !b.Current().Tried {
			t.Error(err)
		}
		b.d.commitErr = nil
		r, err := b.Confirm(t.Context(), "bob")
		if err != nil || r.Generation != 2 || !r.Changed || b.Current().Tried || b.Current().Generation != 2 {
			t.Fatal(r, err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if h, _ := b.l.History(); b.alias() != "tried" || len(h) != 2 || h[0].Author != "ann" || h[0].Comment != "perhaps" || !there(file) {
			t.Error(b.alias(), h, there(file))
		}
		if got := types(b); !slices.Equal(got, []string{"tried", "failed", "confirmed"}) {
			t.Error(got)
		}
	})
}

// TestTryReverted: a change can be taken back before its time; what has data in it by then is left.
func TestTryReverted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, file := tryBench(t)
		if err := os.WriteFile(file, []byte("data"), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := b.Revert(t.Context(), "bob")
		if err != nil || r.Generation != 1 || b.alias() != "first" || len(b.d.all) != 1 || !there(file) {
			t.Fatal(r, err, b.alias())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
	})
}

// TestTryStuck: if the way back fails, the change runs on and is taken back again; it can still be confirmed.
func TestTryStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, confirm := range []bool{false, true} {
			b, _ := tryBench(t)
			b.r.set(func() { b.r.prepareErr = errors.New("oops") })
			time.Sleep(time.Minute + 10*time.Second)
			synctest.Wait()
			if s := b.Status(); b.alias() != "tried" || len(s.Conditions) != 1 || s.Conditions[0].Type != apply.Degraded {
				t.Fatal(b.alias(), s)
			}
			want := "first"
			if confirm {
				if _, err := b.Confirm(t.Context(), "bob"); err != nil {
					t.Fatal(err)
				}
				want = "tried"
			}
			b.r.set(func() { b.r.prepareErr = nil })
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if s := b.Status(); b.alias() != want || len(s.Conditions) != 0 {
				t.Error(b.alias(), s)
			}
		}
	})
}

// TestTryEnding: what was made for a change goes when nothing of the change is there any more.
func TestTryEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, file := tryBench(t)
		b.r.holdRetire = make(chan struct{})
		r, err := b.Revert(t.Context(), "bob")
		if err != nil || len(r.Conditions) != 1 || b.alias() != "first" || !there(file) {
			t.Fatal(r, err, there(file))
		}
		close(b.r.holdRetire)
		time.Sleep(time.Minute)
		synctest.Wait()
		if there(file) {
			t.Error("the file is left")
		}
	})
}

// TestTryCrash: after a crash, and after a stop, what was before a try is served, and what was made for it is
// taken back.
func TestTryCrash(t *testing.T) {
	for _, stop := range []string{"crash", "stop"} {
		synctest.Test(t, func(t *testing.T) {
			b, file := tryBench(t)
			if stop == "stop" {
				b.Close()
			}
			b.l.kill()
			again := start(t, b.d, nil)
			defer again.Close()
			if again.alias() != "first" || again.Current().Generation != 1 || !slices.Equal(b.d.taken, []state.Made{{Path: file}}) {
				t.Error(again.alias(), again.Current(), b.d.taken)
			}
			if r, err := again.Apply(t.Context(), text(base("other"))); err != nil || r.Generation != 2 {
				t.Error(r, err)
			}
		})
	}
}

// TestTryHurts: a try needs the same confirmations as what is kept.
func TestTryHurts(t *testing.T) {
	b := fresh(t)
	r := tried([]byte("version: 1\n"))
	r.Confirm = []plan.Confirm{plan.ConfirmReplace}
	b.r.sessions = []plan.Session{{Transport: "rope", ID: "1", Initiator: "i"}}
	var confirm *apply.NeedsConfirmError
	if _, err := b.Apply(t.Context(), r); !errors.As(err, &confirm) {
		t.Error(err)
	}
}
