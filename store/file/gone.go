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

// Remove removes the file, and what is kept beside it, after Close: its data is gone. Another file that is
// at the path by now stays.
func (s *Store) Remove() error {
	var st unix.Stat_t
	switch err := unix.Stat(s.path, &st); {
	case err == unix.ENOENT:
		return nil
	case err != nil:
		return fmt.Errorf("%s: cannot remove it: %w", s.path, err)
	case st.Dev != s.dev || st.Ino != s.ino:
		return fmt.Errorf("%s: another file is there by now: it stays", s.path)
	}
	if err := unix.Unlink(s.path); err != nil {
		return fmt.Errorf("%s: cannot remove it: %w", s.path, err)
	}
	return s.kept.Reset(nil)
}
