package file

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store/image"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

// refuseImage refuses a file that is the image of a disk in another format than the plain one: to
// serve its bytes as they are shows a disk that nobody has made, and who writes to it destroys the
// image. Every guest can write such a mark to its own disk; so a file that was served before is not
// asked.
func (s *Store) refuseImage(cfg Config) error {
	if cfg.Raw {
		return nil
	}
	err := image.Look(readAt{s}, s.size.Load(), s.path).Disk(s.path)
	if err == nil || s.known() {
		return nil
	}
	return err
}

// readAt is how an image is looked at: through the page cache, unless the file is open for direct I/O.
type readAt struct{ s *Store }

// ReadAt is io.ReaderAt.
func (r readAt) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && err == nil {
		var more int
		err = fdio.Retry(func() (err error) { more, err = unix.Pread(r.s.fd, b[n:], off+int64(n)); return err })
		if err == nil && more == 0 {
			err = io.EOF
		}
		n += max(more, 0)
	}
	return n, err
}

// refuseAttached refuses to write to a file that a loop device is attached to: a file system that is
// mounted there would be written by two.
func (s *Store) refuseAttached(blocks string) error {
	if s.readOnly {
		return nil
	}
	var mine unix.Stat_t
	if err := unix.Fstat(s.fd, &mine); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	devices, _ := os.ReadDir(blocks)
	for _, d := range devices {
		if !strings.HasPrefix(d.Name(), "loop") {
			continue
		}
		name, err := os.ReadFile(filepath.Join(blocks, d.Name(), "loop", "backing_file"))
		if err != nil {
			continue // nothing is attached to it
		}
		var st unix.Stat_t
		if err := unix.Stat(string(bytes.TrimSpace(name)), &st); err == nil && st.Dev == mine.Dev && st.Ino == mine.Ino {
			device := "/dev/" + d.Name()
			return fmt.Errorf("%s: %w: it is attached to %s, and what uses that would not see what initiators write: losetup -d %s, or serve that device", s.path, ErrInUse, device, device)
		}
	}
	return nil
}
