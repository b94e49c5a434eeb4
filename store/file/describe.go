package file

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/direct"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

// Block sizes that Info may name. The page cache reads a page before it writes a part
// of one, so a smaller block of the file system does not help.
const (
	minPhysical = 4 << 10
	maxPhysical = 64 << 10
)

// concurrency is how many system calls at a time keep a disk busy.
const concurrency = 32

// describe opens the witness and fills in what Info says.
func (s *Store) describe(past bool) error {
	var st unix.Stat_t
	var fs unix.Statfs_t
	if err := errors.Join(unix.Fstat(s.fd, &st), unix.Fstatfs(s.fd, &fs)); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	if !s.readOnly {
		if err := s.openWitness(&st); err != nil {
			return err
		}
	}
	s.memory = inMemory(&fs)
	if err := s.mode(past); err != nil {
		return err
	}
	block := max(int64(fs.Bsize), minPhysical)
	if block > maxPhysical || block&(block-1) != 0 {
		block = minPhysical
	}
	s.info = store.Info{
		PhysicalBlock: int(block),
		ReadOnly:      s.readOnly,
		Cached:        !s.durable,
		Rotational:    rotational(uint64(st.Dev)),
		Concurrency:   concurrency,
	}
	if s.canPunch(block) {
		s.info.Granularity = block
	}
	return nil
}

// mode makes the descriptor go past the page cache if it shall. It was opened with
// O_NONBLOCK, which means nothing to a file but to io_uring.
func (s *Store) mode(past bool) error {
	if err := s.modeFits(past); err != nil {
		return err
	}
	flags := 0
	if past {
		flags = unix.O_DIRECT
	}
	if _, err := unix.FcntlInt(uintptr(s.fd), unix.F_SETFL, flags); err != nil {
		return fmt.Errorf("%s: direct I/O: %w by its file system: %w", s.path, store.ErrNotSupported, err)
	}
	if !past {
		return nil
	}
	align, ok := direct.Ask(s.fd)
	if !ok {
		align, ok = direct.Probe(s.fd)
	}
	if !ok || align.Offset == 0 {
		return fmt.Errorf("%s: direct I/O: %w by its file system", s.path, store.ErrNotSupported)
	}
	if size := s.size.Load(); size%align.Offset != 0 {
		return fmt.Errorf("%s: direct I/O: its size of %d bytes is not a multiple of %d, which is how much is moved at a time", s.path, size, align.Offset)
	}
	s.unit = align.Offset
	var err error
	if s.direct, err = direct.New(s.fd, align); err != nil {
		return fmt.Errorf("%s: direct I/O: %w", s.path, err)
	}
	return nil
}

// modeFits refuses to go past the page cache to a disk that there is not.
func (s *Store) modeFits(past bool) error {
	if past && s.memory {
		return fmt.Errorf("%s: direct I/O: %w: the file lies in memory, and there is no disk to go straight to", s.path, store.ErrNotSupported)
	}
	return nil
}

// openWitness opens the second description, of the same file.
func (s *Store) openWitness(first *unix.Stat_t) error {
	err := fdio.Retry(func() (err error) {
		s.witness, err = unix.Open(s.path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		return err
	})
	if err != nil {
		s.witness = -1
		return fmt.Errorf("%s: cannot open it a second time: %w", s.path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(s.witness, &st); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	if st.Dev != first.Dev || st.Ino != first.Ino {
		return fmt.Errorf("%s: another file took its place while it was opened", s.path)
	}
	s.syncer = fdio.NewSyncer(s.witness, s.path)
	return nil
}

// canPunch finds out where it does no harm: behind the end of the file.
func (s *Store) canPunch(block int64) bool {
	if s.readOnly {
		return false
	}
	at := (s.size.Load() + block - 1) / block * block
	return nil == fdio.Retry(func() error {
		return unix.Fallocate(s.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, block)
	})
}

// rotational says whether the file system lies on a disk that turns; sysfs knows for
// a whole disk, and for a partition one level up.
func rotational(dev uint64) bool {
	for _, queue := range []string{"queue", "../queue"} {
		v, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/%s/rotational", unix.Major(dev), unix.Minor(dev), queue))
		if err == nil {
			return bytes.HasPrefix(v, []byte("1"))
		}
	}
	return false
}
