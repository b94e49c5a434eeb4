package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/fdio"
	"github.com/lunette-io/lunette/store/record"
)

// Open opens the file, and makes it first if cfg has a size. When it fails, a file
// that it made is gone again, and one that was empty still is. The file is locked until Close:
// [ErrInUse] if someone else serves it. What the store can do depends on cfg and on the system:
// see [Store.Can].
func Open(cfg Config) (*Store, error) {
	s, err := open(cfg, fdio.Linger)
	if err != nil {
		return nil, err
	}
	if err := s.startQueue(cfg.IO); err != nil {
		return nil, err
	}
	return s, nil
}

// open waits for patience if someone else has the file: that may be a process which is no
// more.
func open(cfg Config, patience time.Duration) (*Store, error) {
	s, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	if s.made, err = s.openOrCreate(cfg); err != nil {
		return nil, err
	}
	if err := s.set(cfg, patience); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// newStore is a store with nothing open.
func newStore(cfg Config) (*Store, error) {
	switch {
	case cfg.Path == "":
		return nil, errors.New("file: no path given")
	case cfg.Size < 0 || cfg.Size%512 != 0:
		return nil, fmt.Errorf("%s: size %d is not a positive multiple of 512 bytes", cfg.Path, cfg.Size)
	}
	return &Store{
		path: cfg.Path, fd: -1, witness: -1, unit: 512, readOnly: cfg.ReadOnly, durable: cfg.Sync,
		attrs: system{}, kept: record.At(record.Beside(cfg.Path)),
	}, nil
}

// openOrCreate opens the data descriptor and says whether it made the file.
func (s *Store) openOrCreate(cfg Config) (made bool, err error) {
	made, err = s.find(cfg)
	switch {
	case err != nil:
		return false, err
	case !made:
		return false, s.openThere(cfg)
	}
	if err := s.openWith(cfg, unix.O_CREAT|unix.O_EXCL); err != nil {
		return false, fmt.Errorf("%s: cannot make it: %w", s.path, err)
	}
	return true, nil
}

// openThere opens the data descriptor of a file that is there.
func (s *Store) openThere(cfg Config) error {
	switch err := s.openWith(cfg, 0); {
	case err == nil:
		return nil
	case !cfg.ReadOnly && fdio.Kind(err) == store.ErrReadOnly:
		return fmt.Errorf("%s: cannot open it for writing (read-only may work): %w", s.path, err)
	default:
		return fmt.Errorf("%s: cannot open it: %w", s.path, err)
	}
}

func (s *Store) openWith(cfg Config, flags int) error {
	access := unix.O_RDWR
	if cfg.ReadOnly {
		access = unix.O_RDONLY
	}
	return fdio.Retry(func() (err error) {
		s.fd, err = unix.Open(s.path, access|flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0o600)
		return err
	})
}

func regular(path string, st *unix.Stat_t) error {
	what := ""
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFBLK:
		return fmt.Errorf("%s is a block device: use a block store for it", path)
	case unix.S_IFDIR:
		what = "directory"
	case unix.S_IFIFO:
		what = "FIFO"
	case unix.S_IFSOCK:
		what = "socket"
	case unix.S_IFCHR:
		what = "character device"
	default:
		what = "special file"
	}
	return fmt.Errorf("%s is a %s: not a regular file", path, what)
}

// set locks, checks and sizes the open file and fills in the rest.
func (s *Store) set(cfg Config, patience time.Duration) error {
	// Nobody else can have the file that we made, unless they were quicker: then it
	// is theirs to keep.
	if err := s.lock(patience); err != nil {
		return err
	}
	err := s.refuseAttached("/sys/block")
	if err == nil {
		err = s.measure(cfg)
	}
	if err == nil {
		err = s.refuseImage(cfg)
	}
	if err == nil {
		err = s.describe(cfg.Direct)
	}
	return errors.Join(err, s.undo(err))
}

// undo takes back what opening has made or changed, if it has failed. The file is still
// locked.
func (s *Store) undo(failed error) error {
	switch {
	case failed == nil:
		return nil
	case s.made:
		return unix.Unlink(s.path)
	case s.grown:
		return unix.Ftruncate(s.fd, 0)
	}
	return nil
}

// lock takes a lock of the open file description, so that a second open conflicts in
// this process as in any other, and with programs that lock images alike. It is one of the
// description that data goes through: see fdio.Linger.
func (s *Store) lock(patience time.Duration) error {
	l := unix.Flock_t{Type: unix.F_WRLCK}
	if s.readOnly {
		l.Type = unix.F_RDLCK
	}
	err := fdio.Await(patience, func() error { return unix.FcntlFlock(uintptr(s.fd), unix.F_OFD_SETLK, &l) })
	switch {
	case err == nil:
		return nil
	case err != unix.EAGAIN && err != unix.EACCES:
		return fmt.Errorf("%s: cannot lock it: %w", s.path, err)
	case s.readOnly:
		return fmt.Errorf("%s: %w: another process, or another unit of this one, serves it for writing", s.path, ErrInUse)
	}
	return fmt.Errorf("%s: %w: another process, or another unit of this one, serves it", s.path, ErrInUse)
}

// measure checks the size, and sets it where there is none yet.
func (s *Store) measure(cfg Config) error {
	var st unix.Stat_t
	if err := unix.Fstat(s.fd, &st); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	if err := regular(s.path, &st); err != nil {
		return err
	}
	s.size.Store(st.Size)
	s.dev, s.ino = st.Dev, st.Ino
	switch grow, err := s.weigh(cfg, &st); {
	case err != nil:
		return err
	case grow:
		s.size.Store(cfg.Size)
		if err := fdio.Retry(func() error { return unix.Ftruncate(s.fd, cfg.Size) }); err != nil {
			return fmt.Errorf("%s: cannot give it %d bytes: %w", s.path, cfg.Size, err)
		}
		s.grown = true
		if err := s.keep(s.made); err != nil {
			return err
		}
	}
	return nil
}

// keep makes a new file and its name durable: a disk that was served must be there
// after a power failure. File systems that cannot sync a directory need not.
func (s *Store) keep(made bool) error {
	if err := fdio.Retry(func() error { return unix.Fsync(s.fd) }); err != nil {
		return fmt.Errorf("%s: cannot make it durable: %w", s.path, err)
	}
	if !made {
		return nil
	}
	dir, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return nil // may be searched but not read: nothing to be done
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("%s: cannot make its name durable: %w", s.path, err)
	}
	return nil
}
