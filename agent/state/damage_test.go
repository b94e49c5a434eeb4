package state

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// three makes a state directory with three generations, and returns its path and the last file.
func three(t *testing.T) (path, last string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "state")
	d := open(t, path)
	for i := range 3 {
		commit(t, d, fmt.Sprintf("a: %d\n", i+1))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return path, filepath.Join(path, generationsDir, "00000003.yaml")
}

// damaged wants that the directory cannot be opened because of the file, and says how to go on; then
// it goes on as it says.
func damaged(t *testing.T, path, file, reason string, good uint64) {
	t.Helper()
	_, err := Open(path, Options{})
	var e *DamagedError
	if !errors.As(err, &e) {
		t.Fatalf("%v is not about damage", err)
	}
	how := fmt.Sprintf("lunette rollback --state %s %d", path, good)
	if e.File != file || !strings.Contains(e.Reason, reason) || e.Good != good || good != 0 && !strings.HasSuffix(err.Error(), how) {
		t.Fatalf("%v", err)
	}
	if good == 0 {
		return
	}
	m, err := Repair(path, good, "admin")
	if err != nil {
		t.Fatal(err)
	}
	if m.Generation != 4 || m.Parent != 3 || m.Author != "admin" {
		t.Errorf("%+v", m)
	}
	d := open(t, path)
	defer d.Close()
	if s, _ := d.Current(); s.Meta != m || string(s.Text) != fmt.Sprintf("a: %d\n", good) {
		t.Errorf("%+v", s)
	}
	if n := commit(t, d, "next"); n.Generation != 5 || n.Parent != 4 {
		t.Errorf("%+v", n)
	}
}

// Every bit that flips, every cut and every byte too many is found.
func TestEveryBit(t *testing.T) {
	f := newFake()
	for range 3 {
		(&run{}).on(f)
	}
	const last = generationsDir + "/00000003.yaml"
	is := f.names[last].content
	refused := func(b []byte, what string, i int) {
		t.Helper()
		f.names[last].content = b
		var e *DamagedError
		if _, err := openFake(f); !errors.As(err, &e) || e.File != "/state/"+last || e.Good != 2 {
			t.Fatalf("%s %d: %v", what, i, err)
		}
	}
	for i := range 8 * len(is) {
		b := bytes.Clone(is)
		b[i/8] ^= 1 << (i % 8)
		refused(b, "bit", i)
	}
	for i := range is {
		refused(is[:i], "cut at", i)
		refused(append(bytes.Clone(is[:i]), make([]byte, len(is)-i)...), "zeros from", i)
	}
	refused(append(bytes.Clone(is), '\n'), "longer", 1)
}

func TestDamage(t *testing.T) {
	write := func(text string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	for name, c := range map[string]struct {
		do     func(path string) error
		reason string
	}{
		"foreign":          {write("targets: []\n"), "it does not start as a generation does"},
		"empty":            {write(""), "it is empty"},
		"newer":            {write(generationMagic + "2\nwhatever"), "it is of format 2, and this version knows 1"},
		"cut off":          {func(path string) error { return os.Truncate(path, 150) }, "it ends in its header"},
		"no text":          {func(path string) error { return os.Truncate(path, 300) }, "it "},
		"another's":        {func(path string) error { return copyFile(strings.Replace(path, "3.", "2.", 1), path) }, "it is generation 2"},
		"a link":           {func(path string) error { return errors.Join(os.Remove(path), os.Symlink("00000002.yaml", path)) }, "it is a link"},
		"a directory":      {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, "it is not a regular file"},
		"of no known size": {func(path string) error { return os.Truncate(path, 1<<40) }, "no generation is as large"},
	} {
		t.Run(name, func(t *testing.T) {
			path, last := three(t)
			if err := c.do(last); err != nil {
				t.Fatal(err)
			}
			damaged(t, path, last, c.reason, 2)
			if _, err := os.Lstat(last + damagedSuffix); err != nil {
				t.Errorf("what was damaged is not there any more: %v", err)
			}
		})
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	return errors.Join(err, os.WriteFile(to, b, 0o600))
}

// Nothing starts empty that was not.
func TestNoGoodGeneration(t *testing.T) {
	path, _ := three(t)
	dir := filepath.Join(path, generationsDir)
	names, _ := os.ReadDir(dir)
	for _, e := range names {
		if err := os.Truncate(filepath.Join(dir, e.Name()), 100); err != nil {
			t.Fatal(err)
		}
	}
	damaged(t, path, filepath.Join(dir, "00000003.yaml"), "it ends", 0)
	for _, e := range names {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	damaged(t, path, dir, "it is empty, though there were generations", 0)
	if _, err := Repair(path, 3, "me"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// What is not the current generation keeps nothing from working, and is told.
func TestOlderDamage(t *testing.T) {
	path, last := three(t)
	first := strings.Replace(last, "3.", "1.", 1)
	if err := errors.Join(os.WriteFile(first, []byte("x"), 0o600), os.WriteFile(last+"~", nil, 0o600), os.WriteFile(last+newSuffix, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	d := open(t, path)
	if w := d.Warnings(); len(w) != 2 || !strings.Contains(w[0]+w[1], last+"~ is not a generation") || !strings.Contains(w[0]+w[1], first+": it does not start as") {
		t.Errorf("%q", w)
	}
	if all, _ := d.History(); len(all) != 2 {
		t.Errorf("%v", all)
	}
	if _, err := d.Load(1); err == nil {
		t.Error("a damaged one is loaded")
	}
	if _, err := os.Stat(last + newSuffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that was being written is left: %v", err)
	}
	d.Close()
	if _, err := Repair(path, 1, "me"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestFormat(t *testing.T) {
	path, _ := three(t)
	file := filepath.Join(path, formatName)
	if b, err := os.ReadFile(file); string(b) != "lunette state directory, format 1\n" {
		t.Errorf("%q, %v", b, err)
	}
	if err := os.WriteFile(file, []byte(formatMagic+"7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged(t, path, file, "it is of format 7", 3)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if _, err := os.Stat(file); err != nil {
		t.Errorf("it is not noted again: %v", err)
	}
}

// begin begins a transaction that makes what is given, and forgets it as a crash does.
func unfinished(t *testing.T, path string, all ...Made) {
	t.Helper()
	d := open(t, path)
	tx, err := d.Begin()
	for _, m := range all {
		err = errors.Join(err, tx.Makes(m))
	}
	if err := errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestJournal(t *testing.T) {
	path, _ := three(t)
	file := filepath.Join(path, journalName)
	a, b := Made{Path: "/srv/a\n\".img"}, Made{Path: "/srv/b\xff", Grown: true, Size: 1 << 40}
	unfinished(t, path, a, b)
	d := open(t, path)
	if u := d.Unfinished(); !slices.Equal(u, []Made{b, a}) {
		t.Errorf("%v", u)
	}
	if _, err := d.Begin(); !errors.Is(err, ErrUnfinished) {
		t.Errorf("%v", err)
	}
	d.Close()
	// Going back leaves it as it is.
	if m, err := Repair(path, 1, "me"); err != nil || m.Generation != 4 {
		t.Fatalf("%v, %v", m, err)
	}
	d = open(t, path)
	if u := d.Unfinished(); !slices.Equal(u, []Made{b, a}) {
		t.Errorf("%v", u)
	}
	if err := d.Cleared(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) || len(d.Unfinished()) != 0 {
		t.Errorf("%v, %v", d.Unfinished(), err)
	}
	commit(t, d, "next")
	for _, how := range []string{"abort", "commit", "failed commit", "failed commit, then abort"} {
		tx, err := d.Begin()
		if err == nil {
			err = errors.Join(tx.Makes(a), tx.Makes(b))
		}
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: %v", how, err)
		}
		switch how {
		case "abort":
			err = tx.Abort()
		case "commit":
			_, err = tx.Commit(nil, Meta{})
		default:
			if _, e := tx.Commit(nil, Meta{Schema: -1}); e == nil {
				t.Error("a schema below 0")
			}
			if how != "failed commit" {
				err = tx.Abort()
			}
		}
		if err != nil {
			t.Errorf("%s: %v", how, err)
		}
		if _, err := os.Stat(file); (err == nil) != (how == "failed commit") {
			t.Errorf("%s: %v", how, err)
		}
	}
	for _, m := range []Made{{}, {Path: "a"}, {Path: "/a", Size: 1}, {Path: "/" + strings.Repeat("a", maxPath)}} {
		tx, err := d.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(tx.Makes(m)); err == nil {
			t.Errorf("%.20v is noted", m)
		}
		if err := tx.Abort(); err != nil {
			t.Error(err)
		}
	}
}

// A journal that is cut off, or torn, has what was durable; any other damage is found.
func TestJournalDamage(t *testing.T) {
	path, _ := three(t)
	file := filepath.Join(path, journalName)
	all := []Made{{Path: "/c"}, {Path: "/b"}, {Path: "/a"}}
	unfinished(t, path, all[2], all[1], all[0])
	is, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	try := func(b []byte) (u []Made, err error) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := Open(path, Options{})
		if err != nil {
			return nil, err
		}
		return d.Unfinished(), d.Close()
	}
	for i := range is {
		whole := max(0, bytes.Count(is[:i], []byte("\n")))
		for _, b := range [][]byte{is[:i], append(bytes.Clone(is[:i]), make([]byte, len(is)-i)...)} {
			if u, err := try(b); err != nil || !slices.Equal(u, all[3-whole:]) {
				t.Fatalf("%q: %v, %v", b, u, err)
			}
		}
		b := bytes.Clone(is)
		b[i] ^= 0x10
		var e *DamagedError
		u, err := try(b)
		// An end of a line that is none makes one line of the last two.
		end := bytes.LastIndexByte(is[:len(is)-1], '\n')
		tail, lost := i >= end, 1
		if i == end {
			lost = 2
		}
		if tail && (err != nil || !slices.Equal(u, all[lost:])) || !tail && !errors.As(err, &e) {
			t.Fatalf("%q: %v, %v", b, u, err)
		}
	}
	newer := bytes.ReplaceAll(journalLine(9, nil), []byte("format 1"), []byte("format 2"))
	newer = fmt.Appendf(nil, "%08x%s", crc32.Checksum(newer[9:len(newer)-1], castagnoli), newer[8:])
	if err := os.WriteFile(file, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged(t, path, file, "it is of format 2", 3)
	if err := os.WriteFile(file, []byte("dear diary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var e *DamagedError
	if _, err := Open(path, Options{}); !errors.As(err, &e) {
		t.Errorf("%v", err)
	}
}
