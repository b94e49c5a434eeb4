package state

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnitFiles(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state"))
	seen := make(map[string]string)
	names := []string{"a", "A", "a.new", ".", "..", "a/b", "a%2fb", "a\x00", "ü", strings.Repeat("a", 200), strings.Repeat("a", 201), strings.Repeat("a", maxUnit), "a.kept", "a.moving"}
	for _, name := range names {
		path := d.UnitRecord(name)
		if was, twice := seen[path]; twice {
			t.Errorf("%q and %q have the same file", was, name)
		}
		seen[path] = name
		if filepath.Dir(path) != filepath.Join(d.Path(), unitsDir) {
			t.Errorf("%q: %s", name, path)
		}
		if err := errors.Join(os.WriteFile(path, []byte(name), 0o600), os.WriteFile(path+newSuffix, nil, 0o600)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := errors.Join(d.DropUnit("a"), d.DropUnit("nobody")); err != nil {
		t.Fatal(err)
	}
	if err := d.SweepUnits([]string{"A", "a", "..", "a/b", "nobody", names[10]}); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		keep := name == "A" || name == ".." || name == "a/b" || name == names[10]
		if b, err := os.ReadFile(d.UnitRecord(name)); (err == nil) != keep || keep && string(b) != name {
			t.Errorf("%q: %q, %v", name, b, err)
		}
	}
	d.Close()
	if err := d.DropUnit("A"); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

// The file of a unit follows its name, with the commit and not before; names may be exchanged.
func TestRenameUnit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	d := open(t, path)
	if err := d.RenameUnit("a", "b"); err == nil {
		t.Error("a unit is renamed outside of a change")
	}
	units := make(map[string]*Unit)
	for _, name := range []string{"a", "b", "c", "none"} {
		units[name] = d.Unit(name)
		if name != "none" {
			if err := os.WriteFile(d.UnitRecord(name), []byte(name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(d.UnitRecord("e"), []byte("of one that was removed"), 0o600); err != nil {
		t.Fatal(err)
	}
	have := func(when string, want map[string]string) {
		t.Helper()
		for name, text := range want {
			b, err := os.ReadFile(d.UnitRecord(name))
			if string(b) != text || (err != nil) != (text == "") {
				t.Errorf("%s: what %s keeps is %q, %v, want %q", when, name, b, err, text)
			}
		}
		for was, u := range units {
			err := u.Do(func(path string) error {
				b, err := os.ReadFile(path)
				if was != "none" && string(b) != was || was == "none" && !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s: the unit that was %s finds %q, %v", when, was, b, err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	before := map[string]string{"a": "a", "b": "b", "c": "c", "d": "", "none": ""}
	for round, end := range []string{"abort", "fail", "commit"} {
		tx, err := d.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.RenameUnit("a", "b"), d.RenameUnit("b", "a"), d.RenameUnit("c", "d"), d.RenameUnit("none", "e")); err != nil {
			t.Fatal(err)
		}
		for _, n := range [][2]string{{"a", "x"}, {"x", "d"}, {"", "x"}, {"y", strings.Repeat("y", maxUnit+1)}} {
			if err := d.RenameUnit(n[0], n[1]); err == nil {
				t.Errorf("%.20q is taken", n)
			}
		}
		have(fmt.Sprint("before ", round), before)
		switch end {
		case "abort":
			err = tx.Abort()
		case "fail":
			_, e := tx.Commit(nil, Meta{Schema: -1})
			err = tx.Abort()
			if e == nil {
				t.Error("it did not fail")
			}
		case "commit":
			_, err = tx.Commit(nil, Meta{})
		}
		if err != nil {
			t.Fatal(err)
		}
		if end != "commit" {
			have("after "+end, before)
		}
	}
	after := map[string]string{"a": "b", "b": "a", "c": "", "d": "c", "none": "", "e": ""}
	have("after the commit", after)
	d.Close()
	d = open(t, path)
	units = nil
	have("after a restart", after)
	if names, _ := os.ReadDir(path); len(names) != 4 {
		t.Errorf("%v is left", names)
	}
}

// unitsOf are what units keep, of a disk, and what is there of renaming.
func unitsOf(d disk) map[string]string {
	all := make(map[string]string)
	for p, text := range d {
		if strings.HasPrefix(p, unitsDir) || p == movedName || p == journalName {
			all[p] = text
		}
	}
	return all
}

// TestRenameCrash: wherever a crash comes, even in the next starts, units have what they keep under the
// names of the generation that is current.
func TestRenameCrash(t *testing.T) {
	f := newFake()
	(&run{}).on(f)
	var from disk
	f.crashes(func(d disk) { from = d })
	maps.Copy(from, disk{unitFile("a"): "a", unitFile("b"): "b", unitFile("c"): "c", unitFile("e"): "stale"})
	before := unitsOf(from)
	after := map[string]string{unitFile("a"): "b", unitFile("b"): "a", unitFile("d"): "c"}
	rename := func(f *fake) error {
		d, err := openFake(f)
		if err != nil {
			return err
		}
		tx, err := d.Begin()
		if err != nil {
			return err
		}
		if err := errors.Join(d.RenameUnit("a", "b"), d.RenameUnit("b", "a"), d.RenameUnit("c", "d"), d.RenameUnit("none", "e")); err != nil {
			return errors.Join(err, tx.Abort())
		}
		_, err = tx.Commit([]byte(textOf(2)), Meta{})
		return err
	}
	known := make(map[string]error)
	var check func(left disk, depth int) error
	check = func(left disk, depth int) error {
		key := fmt.Sprint(depth, left.key())
		if err, ok := known[key]; ok {
			return err
		}
		f := left.start()
		d, err := openFake(f)
		if err != nil {
			return err
		}
		steps := f.steps
		s, _ := d.Current()
		want := before
		if s.Generation == 2 {
			want = after
		}
		f.crashes(func(d disk) {
			if is := unitsOf(d); !maps.Equal(is, want) {
				err = fmt.Errorf("generation %d: %q", s.Generation, is)
			}
		})
		for k := 0; k < steps && depth > 0 && err == nil; k++ {
			f := left.start()
			f.fail = deadAfter(k)
			_, _ = openFake(f)
			f.crashes(func(d disk) {
				if err == nil {
					err = check(d, depth-1)
				}
			})
		}
		known[key] = err
		return err
	}
	clean := from.start()
	if err := rename(clean); err != nil {
		t.Fatal(err)
	}
	for k := range clean.steps + 1 {
		f := from.start()
		f.fail = deadAfter(k)
		_ = rename(f)
		f.crashes(func(left disk) {
			if err := check(left, 2); err != nil && !t.Failed() {
				t.Errorf("after step %d of %d: %v\n%s\nleft:\n%s", k, clean.steps, err, strings.Join(f.log, "\n"), left.key())
			}
		})
	}
	t.Logf("%d steps, %d states", clean.steps, len(known))
	for k := range clean.steps {
		for _, late := range []bool{false, true} {
			name := fmt.Sprintf("%q late %v", clean.log[k], late)
			for more := 0; renameFault(t, name, from.start(), k, late, more, before, after); more++ {
			}
		}
	}
}

// renameFault: a fault at step k, once, is made up for by the next change, and so it is by a start, if
// a crash comes more steps after the next change has begun. It reports that it came.
func renameFault(t *testing.T, name string, f *fake, k int, late bool, more int, before, after map[string]string) (crashed bool) {
	failed := false
	f.fail = func(step int, _ string) (bool, error) {
		if step == k && !failed {
			failed = true
			return late, errFault
		}
		return false, nil
	}
	d, err := openFake(f)
	if err != nil {
		return false
	}
	tx, err := d.Begin()
	if err != nil {
		return false
	}
	if err = errors.Join(d.RenameUnit("a", "b"), d.RenameUnit("b", "a"), d.RenameUnit("c", "d"), d.RenameUnit("none", "e")); err != nil {
		_ = tx.Abort()
	} else {
		_, err = tx.Commit([]byte(textOf(2)), Meta{})
	}
	want := after
	if err != nil {
		want = before
	}
	dead := f.steps + more
	f.fail = func(step int, _ string) (bool, error) {
		if step == dead {
			crashed = true
			return false, errDead
		}
		return false, nil
	}
	if _, err = d.Begin(); err != nil && !crashed {
		t.Errorf("%s: %v", name, err)
	}
	f.crashes(func(left disk) {
		again := left.start()
		_, err := openFake(again)
		again.crashes(func(last disk) {
			if is := unitsOf(last); (err != nil || !maps.Equal(is, want)) && !t.Failed() {
				t.Errorf("%s, then a crash %d steps later: %q, %v, want %q\nleft:\n%s", name, more, is, err, want, left.key())
			}
		})
	})
	return crashed
}
