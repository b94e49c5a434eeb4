package file

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store/internal/fdio"
	"github.com/lunette-io/lunette/store/internal/ringio"
)

// Found is what [Look] has found.
type Found struct {
	Size    int64 // that the store would have
	Missing bool  // Open would make the file
	Empty   bool  // Open would give it a size
	// Beside is the file of records that [Store.Identify] may make beside it; empty: there is one, or
	// none is needed.
	Beside string
	// Same is equal for all names of one file: links, and other ways to write a path.
	Same string
	// Identity is the one that is kept with the file; its ID is empty if there is none yet.
	Identity Identity
}

// A SizeError is about a file that has another size than the one that Config asks for.
type SizeError struct {
	Path      string
	Has, Wish int64
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("%s: it has %d bytes, not the %d that are asked for", e.Path, e.Has, e.Wish)
}

// Look says what Open would find, with the errors that it would have, and leaves everything as it is: it
// makes nothing, and takes no lock. Whether somebody else serves the file it does not say.
func Look(cfg Config) (Found, error) {
	s, err := newStore(cfg)
	if err != nil {
		return Found{}, err
	}
	missing, err := s.find(cfg)
	switch {
	case err != nil:
		return Found{}, err
	case missing:
		return s.lookForRoom(cfg)
	}
	if err := s.openThere(cfg); err != nil {
		return Found{}, err
	}
	defer s.Close()
	var st unix.Stat_t
	if err := unix.Fstat(s.fd, &st); err != nil {
		return Found{}, fmt.Errorf("%s: %w", s.path, err)
	}
	grow, err := s.weigh(cfg, &st)
	if err != nil {
		return Found{}, err
	}
	s.dev, s.ino = st.Dev, st.Ino
	found := Found{Size: st.Size, Same: s.Same(), Empty: grow, Beside: s.beside()}
	if grow {
		found.Size = cfg.Size
	}
	s.size.Store(found.Size)
	if !grow {
		var has, kept string
		has, kept, err = s.identities(false)
		found.Identity = s.identified(Identity{ID: cmp.Or(has, kept)}, has != "")
	}
	if err == nil {
		err = s.refuseAttached("/sys/block")
	}
	if err == nil {
		err = s.refuseImage(cfg)
	}
	if err == nil {
		err = s.lookAtMode(cfg)
	}
	return found, err
}

// lookForRoom is Look for a file that is to be made.
func (s *Store) lookForRoom(cfg Config) (Found, error) {
	dir := filepath.Dir(s.path)
	var st unix.Stat_t
	err := unix.Stat(dir, &st)
	if err == nil {
		err = unix.Access(dir, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		return Found{}, fmt.Errorf("%s: cannot make it: %w", s.path, err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err == nil {
		s.memory = inMemory(&fs)
	}
	found := Found{Size: cfg.Size, Missing: true, Beside: s.beside(), Same: fmt.Sprintf("new %d:%d/%s", st.Dev, st.Ino, filepath.Base(s.path))}
	return found, s.modeFits(cfg.Direct)
}

// Same is equal for all names of one file, as in [Found].
func (s *Store) Same() string { return fmt.Sprintf("file %d:%d", s.dev, s.ino) }

// beside is the file of records, if there is none yet.
func (s *Store) beside() string {
	if _, err := os.Lstat(s.kept.Path()); s.readOnly || err == nil {
		return ""
	}
	return s.kept.Path()
}

// lookAtMode tries whether the open file can be used as cfg says. What it sets is of its own description
// of the file, which nobody else has.
func (s *Store) lookAtMode(cfg Config) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(s.fd, &fs); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	s.memory = inMemory(&fs)
	if cfg.Direct {
		if err := s.mode(true); err != nil {
			return err
		}
	}
	if cfg.IO == ringio.Uring {
		return s.startQueue(cfg.IO) // Close ends it
	}
	return nil
}

func inMemory(fs *unix.Statfs_t) bool {
	return fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC
}

// dangling says where a symbolic link leads that leads nowhere; empty: path is none.
func dangling(path string) string {
	to, err := os.Readlink(path)
	if err != nil {
		return ""
	}
	return to
}

// find looks for the file, before anything is opened: opening a device or a FIFO can have effects.
func (s *Store) find(cfg Config) (missing bool, err error) {
	var st unix.Stat_t
	switch err := fdio.Retry(func() error { return unix.Stat(s.path, &st) }); {
	case err == unix.ENOENT && dangling(s.path) != "":
		return false, fmt.Errorf("%s: it is a symbolic link to %s, which does not exist: make that first, or name it instead", s.path, dangling(s.path))
	case err == unix.ENOENT && cfg.Size == 0:
		return false, fmt.Errorf("%s: it does not exist, and no size is given to make it", s.path)
	case err == unix.ENOENT && cfg.ReadOnly:
		return false, fmt.Errorf("%s: it does not exist, and is not made for reading only", s.path)
	case err == unix.ENOENT:
		return true, nil
	case err != nil:
		return false, fmt.Errorf("%s: %w", s.path, err)
	}
	return false, regular(s.path, &st)
}

// weigh checks the size; grow: an empty file gets that of cfg.
func (s *Store) weigh(cfg Config, st *unix.Stat_t) (grow bool, err error) {
	switch {
	case cfg.Size == 0 && st.Size == 0:
		return false, fmt.Errorf("%s: it is empty, and no size is given", s.path)
	case cfg.Size != 0 && st.Size == 0 && !cfg.ReadOnly:
		return true, nil
	case cfg.Size != 0 && st.Size != cfg.Size:
		return false, &SizeError{s.path, st.Size, cfg.Size}
	case st.Size%512 != 0:
		return false, fmt.Errorf("%s: its size of %d bytes is not a multiple of 512", s.path, st.Size)
	}
	return false, nil
}
