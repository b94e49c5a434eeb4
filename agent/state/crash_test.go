package state

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	errDead  = errors.New("the power is off")
	errFault = errors.New("no space left on device")
)

// openFake opens what is in a fake.
func openFake(f *fake) (*Dir, error) {
	at := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	d := &Dir{path: "/state", keep: 2, f: f, end: func() error { return nil }, now: func() time.Time { return at }}
	return d, d.load()
}

// A change is what one run does with a directory, and how far it has come.
type run struct {
	name  string
	makes int // things that it makes
	// made are those that there were, since Makes had returned; done: Commit has.
	made []Made
	done bool
	err  error
	d    *Dir
}

func textOf(generation uint64) string {
	return fmt.Sprintf("generation: %d # with some text\n", generation)
}

// on does the run on f.
func (r *run) on(f *fake) {
	r.made, r.done = nil, false
	if r.d, r.err = openFake(f); r.err != nil {
		return
	}
	tx, err := r.d.Begin()
	if err != nil {
		r.err = err
		return
	}
	for i := range r.makes {
		m := Made{Path: fmt.Sprintf("/srv/%d", i)}
		if i%2 == 1 {
			m.Grown, m.Size = true, 512
		}
		if r.err = tx.Makes(m); r.err != nil {
			return
		}
		r.made = append(r.made, m)
	}
	s, _ := r.d.Current()
	_, r.err = tx.Commit([]byte(textOf(s.Generation+1)), Meta{Author: "me"})
	r.done = r.err == nil
}

// states are the directories that runs begin with.
func states(t *testing.T) map[string]disk {
	all := map[string]disk{"new": {}}
	f := newFake()
	for n := 1; n <= 3; n++ {
		r := run{}
		if r.on(f); r.err != nil {
			t.Fatal(r.err)
		}
		f.crashes(func(d disk) { all[fmt.Sprint(n, " generations")] = d })
	}
	return all
}

// check opens what a crash has left of a run on a directory that had the generation before, and
// returns what is wrong with it. The crash that comes next, wherever it comes, changes nothing.
func (r *run) check(left disk, before uint64, again int) error {
	f := left.start()
	d, err := openFake(f)
	if err != nil {
		return err
	}
	s, _ := d.Current()
	switch {
	case s.Generation != before && s.Generation != before+1:
		return fmt.Errorf("generation %d came after %d", s.Generation, before)
	case r.done && s.Generation != before+1:
		return errors.New("a commit that was acknowledged is lost")
	case r.err != nil && !errors.Is(r.err, errDead) && !errors.Is(r.err, ErrDoubtful) && s.Generation != before:
		return fmt.Errorf("a commit is there that failed: %w", r.err)
	case s.Generation != 0 && (string(s.Text) != textOf(s.Generation) || s.Parent != s.Generation-1):
		return fmt.Errorf("it is not what was committed: %+v %q", s.Meta, s.Text)
	}
	for i, m := range r.made {
		if there := slices.Contains(d.Unfinished(), m); !there && s.Generation == before && !(r.err != nil && !errors.Is(r.err, errDead)) {
			return fmt.Errorf("what was made is not taken back: %d, %v", i, d.Unfinished())
		} else if there && s.Generation != before {
			return fmt.Errorf("what was committed is taken back: %v", d.Unfinished())
		}
	}
	if again > 0 {
		var wrong error
		for k := 0; k < f.steps && wrong == nil; k++ {
			f := left.start()
			f.fail = deadAfter(k)
			_, _ = openFake(f)
			f.crashes(func(d disk) {
				if wrong == nil {
					wrong = r.check(d, before, again-1)
				}
			})
		}
		if wrong != nil {
			return fmt.Errorf("after a crash while it was opened: %w", wrong)
		}
	}
	if err := d.Cleared(); err != nil {
		return err
	}
	f.crashes(func(left disk) {
		if d, e := openFake(left.start()); e != nil {
			err = e
		} else if now, _ := d.Current(); now.Generation != s.Generation || len(d.Unfinished()) != 0 {
			err = fmt.Errorf("generation %d, and %v to be taken back, after a crash that came when all was", now.Generation, d.Unfinished())
		}
	})
	if err != nil {
		return err
	}
	next := run{}
	if next.on(f); next.err != nil {
		return fmt.Errorf("the next commit: %w", next.err)
	}
	if n, _ := next.d.Current(); n.Generation != s.Generation+1 || len(next.d.all) > 2 {
		return fmt.Errorf("generation %d came after %d, of %d", n.Generation, s.Generation, len(next.d.all))
	}
	return nil
}

func deadAfter(k int) func(int, string) (bool, error) {
	return func(step int, _ string) (bool, error) {
		if step >= k {
			return false, errDead
		}
		return false, nil
	}
}

// TestCrash: wherever a crash comes, and whatever it loses of what is not durable, the next start has
// the old generation or the new one, and the new one if it was acknowledged.
func TestCrash(t *testing.T) {
	for name, from := range states(t) {
		before := uint64(0)
		if d, err := openFake(from.start()); err == nil {
			s, _ := d.Current()
			before = s.Generation
		}
		for makes := range 3 {
			r := &run{makes: makes}
			f := from.start()
			if r.on(f); r.err != nil {
				t.Fatal(r.err)
			}
			steps, cases := f.steps, 0
			for k := range steps + 1 {
				f := from.start()
				f.fail = deadAfter(k)
				r.on(f)
				seen := make(map[string]bool)
				f.crashes(func(d disk) {
					if seen[d.key()] {
						return
					}
					seen[d.key()] = true
					cases++
					if err := r.check(d, before, 1); err != nil && !t.Failed() {
						t.Errorf("%s, %d made, after step %d of %d: %v\n%s\nleft:\n%s", name, makes, k, steps, err, strings.Join(f.log, "\n"), d.key())
					}
				})
			}
			t.Logf("%s, %d made: %d steps, %d states", name, makes, steps, cases)
		}
	}
}

// TestFaults: whichever call fails, once or from then on, before or after it has done its work, the
// change fails as a whole, and the next one does not. What failed is not there after a crash either.
func TestFaults(t *testing.T) {
	for name, from := range states(t) {
		for makes := range 3 {
			clean := from.start()
			(&run{makes: makes}).on(clean)
			for k := range clean.steps {
				for _, late := range []bool{false, true} {
					for _, dead := range []bool{false, true} {
						faults(t, fmt.Sprintf("%s, %d made, %q late %v dead %v", name, makes, clean.log[k], late, dead), from, makes, k, late, dead)
					}
				}
			}
		}
	}
}

func faults(t *testing.T, name string, from disk, makes, k int, late, dead bool) {
	t.Helper()
	f := from.start()
	d, err := openFake(f)
	if err != nil {
		t.Fatal(err)
	}
	was, _ := d.Current()
	failed := false
	f.fail = func(step int, _ string) (bool, error) {
		if step == k && !failed || failed && dead {
			failed = true
			return late, errFault
		}
		return false, nil
	}
	f.steps = 0
	r := &run{makes: makes}
	tx, err := d.Begin()
	for i := 0; i < makes && err == nil; i++ {
		if err = tx.Makes(Made{Path: fmt.Sprintf("/srv/%d", i)}); err != nil && tx.Makes(Made{Path: "/srv/more"}) == nil {
			t.Errorf("%s: more is noted in a journal that may be torn", name)
		}
	}
	if err == nil {
		_, r.err = tx.Commit([]byte(textOf(was.Generation+1)), Meta{})
		r.done = r.err == nil
	} else if tx != nil {
		r.err = err
		_ = tx.Abort()
	}
	f.fail = nil
	now, _ := d.Current()
	if want := was.Generation; r.done && now.Generation != want+1 || !r.done && now.Generation != want {
		t.Errorf("%s: generation %d came after %d: %v", name, now.Generation, want, r.err)
	}
	f.crashes(func(left disk) {
		if err := r.check(left, was.Generation, 0); err != nil && !t.Failed() {
			t.Errorf("%s: after a crash: %v (%v)\n%s\nleft:\n%s", name, err, r.err, strings.Join(f.log, "\n"), left.key())
		}
	})
	tx, err = d.Begin()
	if err != nil {
		t.Errorf("%s: the next change: %v", name, err)
		return
	}
	// What was in doubt is so no more.
	f.crashes(func(left disk) {
		d, err := openFake(left.start())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if s, _ := d.Current(); s.Meta != now.Meta || len(d.Unfinished()) != 0 {
			t.Errorf("%s: %v when the next change has begun, and a crash, %v", name, s.Meta, d.Unfinished())
		}
	})
	m, err := tx.Commit([]byte(textOf(now.Generation+1)), Meta{})
	if err != nil || m.Generation != now.Generation+1 {
		t.Errorf("%s: the next change: %v, %v", name, m, err)
	}
	f.crashes(func(left disk) {
		d, err := openFake(left.start())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if s, _ := d.Current(); s.Meta != m || len(d.Unfinished()) != 0 {
			t.Errorf("%s: %v after the next change and a crash, %v", name, s.Meta, d.Unfinished())
		}
	})
}
