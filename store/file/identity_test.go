package file

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/record"
)

// without is a file system that has no attributes for us.
type without struct{ err error }

func (w without) get(int) (string, error) { return "", w.err }
func (w without) set(int, string) error   { return w.err }
func (w without) remove(int) error        { return w.err }

// within are attributes of files by their inode, whatever the file system has.
type within map[uint64]string

func (w within) inode(fd int) uint64 {
	var st unix.Stat_t
	_ = unix.Fstat(fd, &st)
	return st.Ino
}
func (w within) get(fd int) (string, error)  { return w[w.inode(fd)], nil }
func (w within) set(fd int, id string) error { w[w.inode(fd)] = id; return nil }
func (w within) remove(fd int) error         { delete(w, w.inode(fd)); return nil }

// identify opens the file and says which disk it is.
func identify(t *testing.T, cfg Config, a attributes) (Identity, *Store, error) {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.attrs = a
	i, err := s.Identify()
	return i, s, err
}

func id(t *testing.T, cfg Config, a attributes) Identity {
	t.Helper()
	i, s, err := identify(t, cfg, a)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return i
}

func beside(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path + record.Suffix)
	return err == nil
}

// both runs f with attributes and without.
func both(t *testing.T, f func(t *testing.T, a attributes, inFile bool)) {
	t.Run("attribute", func(t *testing.T) { f(t, make(within), true) })
	t.Run("beside", func(t *testing.T) { f(t, without{unix.EOPNOTSUPP}, false) })
	t.Run("forbidden", func(t *testing.T) { f(t, without{unix.EPERM}, false) })
}

func TestIdentityIsMadeOnceAndMoves(t *testing.T) {
	both(t, func(t *testing.T, a attributes, inFile bool) {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.img")
		if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil { // as one that was served before there were identities
			t.Fatal(err)
		}
		first := id(t, Config{Path: path}, a)
		if !first.Made || !isID(first.ID) || first.Why != nil || beside(t, path) == inFile {
			t.Errorf("%+v, a file beside: %v", first, beside(t, path))
		}
		again := id(t, Config{Path: path}, a)
		if again.Made || again.ID != first.ID {
			t.Errorf("%+v, then %+v", first, again)
		}
		if r := id(t, Config{Path: path, ReadOnly: true}, a); r.ID != first.ID || r.Made {
			t.Errorf("for reading it is %+v", r)
		}
		moved := filepath.Join(dir, "elsewhere.img")
		if err := os.Rename(path, moved); err != nil {
			t.Fatal(err)
		}
		if !inFile {
			if err := os.Rename(path+record.Suffix, moved+record.Suffix); err != nil {
				t.Fatal(err)
			}
		}
		if m := id(t, Config{Path: moved}, a); m.ID != first.ID {
			t.Errorf("moved it is %+v", m)
		}
		// What is made at the old path is another disk.
		if m := id(t, Config{Path: path, Size: 4096}, a); m.ID == first.ID || !m.Made {
			t.Errorf("made anew it is %+v", m)
		}
	})
}

// A file that is made, or an empty one that is given a size, is no disk that there was, though what was
// kept of one lies beside it or in it.
func TestMadeAnewIsAnotherDisk(t *testing.T) {
	both(t, func(t *testing.T, a attributes, inFile bool) {
		path := filepath.Join(t.TempDir(), "a.img")
		i, s, err := identify(t, Config{Path: path, Size: 4096}, a)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Reservations().Save([]byte("keys")); err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		for _, again := range []func(string) error{os.Remove, func(p string) error { return os.Truncate(p, 0) }} {
			if err := again(path); err != nil {
				t.Fatal(err)
			}
			now, s, err := identify(t, Config{Path: path, Size: 4096}, a)
			if err != nil || now.ID == i.ID || !now.Made {
				t.Errorf("%+v, %v", now, err)
			}
			if b, err := s.Reservations().Load(); b != nil || err != nil {
				t.Errorf("it has the reservations %q, %v", b, err)
			}
			_ = s.Close()
		}
		if err := errors.Join(os.WriteFile(path+record.Suffix, []byte("junk"), 0o600), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
		if now := id(t, Config{Path: path, Size: 4096}, a); !now.Made || now.Dropped == "" {
			t.Errorf("beside junk: %+v", now)
		}
	})
}

// Reservations that were kept hold for those too who cannot change them.
func TestReservationsOfWhatIsReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.img")
	a := make(within)
	i, s, err := identify(t, Config{Path: path, Size: 4096}, a)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	readOnly := func() *Store {
		t.Helper()
		same, s, err := identify(t, Config{Path: path, ReadOnly: true}, a)
		if err != nil || same.ID != i.ID {
			t.Fatalf("%+v, %v", same, err)
		}
		return s
	}
	s = readOnly()
	if r := s.Reservations(); r != nil {
		t.Errorf("there are none, and none can be: %v", r)
	}
	_ = s.Close()
	if err := record.At(path+record.Suffix).Set(reservationRecord, []byte("keys")); err != nil {
		t.Fatal(err)
	}
	r := readOnly().Reservations()
	if r == nil {
		t.Fatal("they are passed over")
	}
	if b, err := r.Load(); string(b) != "keys" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if err := r.Save(nil); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("changed: %v", err)
	}
}

func TestIdentityOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.img")
	a := make(within)
	first := id(t, Config{Path: path, Size: 4096}, a)
	// Copied with the file beside it and without attributes, as many copy.
	if err := record.At(path+record.Suffix).Set(identityRecord, []byte(first.ID)); err != nil {
		t.Fatal(err)
	}
	clear(a)
	if i := id(t, Config{Path: path}, a); i.ID != first.ID || i.Made || len(a) != 1 {
		t.Errorf("%+v, attributes %v", i, a)
	}
	// A file beside that is of another disk, and one that is damaged.
	other := strings.Repeat("ab", 16)
	if err := record.At(path+record.Suffix).Set(identityRecord, []byte(other)); err != nil {
		t.Fatal(err)
	}
	_, s, err := identify(t, Config{Path: path}, a)
	if err == nil || !strings.Contains(err.Error(), "another disk's") {
		t.Errorf("%v", err)
	}
	_ = s.Close()
	if err := os.WriteFile(path+record.Suffix, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, a := range []attributes{make(within), without{unix.EOPNOTSUPP}} {
		if _, s, err := identify(t, Config{Path: path}, a); !errors.Is(err, record.ErrDamaged) {
			t.Errorf("%v", err)
		} else {
			_ = s.Close()
		}
	}
}

func TestIdentityThatIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.img")
	if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if i := id(t, Config{Path: path, ReadOnly: true}, make(within)); i.ID != "" || i.Why == nil {
		t.Errorf("for reading: %+v", i)
	}
	// Neither in the file nor beside it: a directory is in the way, as a file system that is full would be.
	if err := os.MkdirAll(path+record.Suffix+".new/x", 0o700); err != nil {
		t.Fatal(err)
	}
	if i := id(t, Config{Path: path}, without{unix.EOPNOTSUPP}); i.ID != "" || i.Why == nil {
		t.Errorf("nowhere: %+v", i)
	}
	if _, _, err := identify(t, Config{Path: path}, within{inode(t, path): "junk"}); err == nil || !strings.Contains(err.Error(), "setfattr -x") {
		t.Errorf("%v", err)
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestIdentityIsTakenBack(t *testing.T) {
	both(t, func(t *testing.T, a attributes, _ bool) {
		path := filepath.Join(t.TempDir(), "a.img")
		if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
			t.Fatal(err)
		}
		i, s, err := identify(t, Config{Path: path}, a)
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Undo(); err != nil {
			t.Fatal(err)
		}
		if s.known() || beside(t, path) {
			t.Error("it is left")
		}
	})
}

// The attribute of the system, where it has them; where not, the file beside.
func TestIdentityOfTheSystem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.img")
	a := id(t, Config{Path: path, Size: 4096}, system{})
	b := id(t, Config{Path: path}, system{})
	if a.ID == "" || a.ID != b.ID || a.Forget == "" {
		t.Errorf("%+v, %+v", a, b)
	}
}

func TestImagesOfOtherFormats(t *testing.T) {
	dir := t.TempDir()
	for i, f := range []struct {
		name string
		at   int
		mark string
	}{{"qcow2", 0, "QFI\xfb"}, {"VHD", 8192 - 512, "conectix"}, {"VDI", 64, "\x7f\x10\xda\xbe"}} {
		path := filepath.Join(dir, f.name+string(rune('a'+i)))
		b := make([]byte, 8192)
		copy(b[f.at:], f.mark)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, readOnly := range []bool{false, true} {
			if _, err := Open(Config{Path: path, ReadOnly: readOnly}); err == nil || !strings.Contains(err.Error(), f.name) || !strings.Contains(err.Error(), "format raw") {
				t.Errorf("%s: %v", f.name, err)
			}
		}
		id(t, Config{Path: path, Raw: true}, system{})
		id(t, Config{Path: path}, system{}) // it is a disk of ours by now
	}
	path := filepath.Join(dir, "luks") // what a disk may well hold
	if err := os.WriteFile(path, append([]byte("LUKS\xba\xbe"), make([]byte, 506)...), 0o600); err != nil {
		t.Fatal(err)
	}
	id(t, Config{Path: path}, system{})
}

func TestAttachedToALoopDevice(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.img")
	s, err := Open(Config{Path: path, Size: 4096})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.refuseAttached(dir); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(dir, "loop7", "loop")
	if err := errors.Join(os.MkdirAll(loop, 0o700), os.WriteFile(filepath.Join(loop, "backing_file"), []byte(path+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.refuseAttached(dir); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "losetup -d /dev/loop7") {
		t.Errorf("%v", err)
	}
}

func TestLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.img")
	open := func() *Store {
		t.Helper()
		s, err := Open(Config{Path: path, Size: 8192})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	s := open()
	if err := s.Lost(); err != nil {
		t.Error(err)
	}
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if err := s.Lost(); err == nil || !strings.Contains(err.Error(), "cut to 4096") {
		t.Errorf("cut: %v", err)
	}
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := s.Lost(); err == nil || !strings.Contains(err.Error(), "removed") {
		t.Errorf("removed: %v", err)
	}
}
