package file

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Lost says what has happened to the file behind the store's back: it was removed, so that all of it
// is gone when the store is closed, or cut short. It is nil if nothing has.
func (s *Store) Lost() error {
	if s.closed.Load() {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(s.fd, &st); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	switch {
	case st.Nlink == 0:
		return fmt.Errorf("%s: the file was removed while it was served: what is written is lost when it is closed", s.path)
	case st.Size < s.size.Load():
		return fmt.Errorf("%s: the file was cut to %d bytes while it was served as a disk of %d: what was behind that is lost", s.path, st.Size, s.size.Load())
	}
	return nil
}
