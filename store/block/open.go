package block

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/direct"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

// ErrInUse reports that the device is mounted, part of something larger, or open
// elsewhere.
var ErrInUse = errors.New("in use")

// Config says which device Open opens.
type Config struct {
	Path     string
	ReadOnly bool
	// IO is how requests that may wait are done: "uring", by io_uring; "threads", by
	// goroutines in system calls; "auto" or nothing, by io_uring where it is there.
	IO string
}

// Open opens a block device for itself alone. What the store can do depends on cfg, on the device
// and on the system: see [Store.Can].
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

// open waits for patience if someone else has the device: that may be a process which is no
// more.
func open(cfg Config, patience time.Duration) (*Store, error) {
	st, err := find(cfg)
	if err != nil {
		return nil, err
	}
	fd, err := openDirect(cfg, unix.O_EXCL, patience)
	switch {
	case err == unix.EBUSY:
		return nil, fmt.Errorf("%s: %w: %s", cfg.Path, ErrInUse, user(uint64(st.Rdev)))
	case err != nil && !cfg.ReadOnly && fdio.Kind(err) == store.ErrReadOnly:
		return nil, fmt.Errorf("%s: cannot open it for writing (read-only may work): %w", cfg.Path, err)
	case err != nil:
		return nil, fmt.Errorf("%s: cannot open it: %w", cfg.Path, err)
	}
	return finish(cfg, fd, func(s *Store) error { return s.askDevice(uint64(st.Rdev)) })
}

func openDirect(cfg Config, flags int, patience time.Duration) (fd int, err error) {
	flags |= unix.O_DIRECT | unix.O_CLOEXEC
	if cfg.ReadOnly {
		flags |= unix.O_RDONLY
	} else {
		flags |= unix.O_RDWR
	}
	err = fdio.Await(patience, func() error {
		fd, err = unix.Open(cfg.Path, flags, 0)
		return err
	})
	return fd, err
}

// finish makes a store of an open descriptor; ask fills in size, blocks and info.
func finish(cfg Config, fd int, ask func(*Store) error) (*Store, error) {
	s := &Store{path: cfg.Path, fd: fd, witness: -1, readOnly: cfg.ReadOnly}
	err := ask(s)
	if err == nil && !cfg.ReadOnly {
		err = s.openWitness()
	}
	if err == nil {
		err = s.check()
	}
	if err == nil {
		if s.io, err = direct.New(fd, s.align); err != nil {
			err = fmt.Errorf("%s: %w", s.path, err)
		}
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) check() error {
	switch {
	case s.size.Load() <= 0:
		return fmt.Errorf("%s: it has no medium: its size is 0", s.path)
	case s.size.Load()%s.align.Offset != 0:
		return fmt.Errorf("%s: its size of %d bytes is not a multiple of its blocks of %d", s.path, s.size.Load(), s.align.Offset)
	}
	return nil
}

// openWitness opens the description that flushes: see fdio.Syncer. It goes by the
// number of the first, so that it is the same device whatever its path names now; it
// is not exclusive, since the first one is.
func (s *Store) openWitness() error {
	err := fdio.Retry(func() (err error) {
		s.witness, err = unix.Open(fmt.Sprintf("/proc/self/fd/%d", s.fd), unix.O_RDWR|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		s.witness = -1
		return fmt.Errorf("%s: cannot open it a second time: %w", s.path, err)
	}
	s.syncer = fdio.NewSyncer(s.witness, s.path)
	return nil
}
