package block

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Found is what [Look] has found.
type Found struct {
	Size int64
	// Same is equal for all names of one device.
	Same string
}

// Look says what Open would find, with the errors that it would have, and leaves everything as it is. Whether
// somebody else has the device it does not say.
func Look(cfg Config) (Found, error) {
	st, err := find(cfg)
	if err != nil {
		return Found{}, err
	}
	if !cfg.ReadOnly { // not opened for writing: udev would take that for a change of the device
		if err := unix.Access(cfg.Path, unix.W_OK); err != nil {
			return Found{}, fmt.Errorf("%s: cannot open it for writing (read-only may work): %w", cfg.Path, err)
		}
	}
	fd, err := unix.Open(cfg.Path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return Found{}, fmt.Errorf("%s: cannot open it: %w", cfg.Path, err)
	}
	defer unix.Close(fd)
	s := &Store{path: cfg.Path, fd: fd, witness: -1, readOnly: cfg.ReadOnly}
	if err := s.askDevice(uint64(st.Rdev)); err != nil {
		return Found{}, err
	}
	return Found{Size: s.size.Load(), Same: same(st.Rdev)}, s.check()
}

// same is equal for all names of one device.
func same(device uint64) string { return fmt.Sprintf("device %d", device) }

// Same is equal for all names of one device, as in [Found].
func (s *Store) Same() string { return same(s.device) }

// find looks for the device, before anything is opened: opening a tape or a FIFO can have effects.
func find(cfg Config) (st unix.Stat_t, err error) {
	if cfg.Path == "" {
		return st, errors.New("block: no path given")
	}
	if err := unix.Stat(cfg.Path, &st); err != nil {
		return st, fmt.Errorf("%s: %w", cfg.Path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return st, fmt.Errorf("%s is not a block device", cfg.Path)
	}
	return st, nil
}
