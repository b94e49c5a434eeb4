package file

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store/internal/fdio"
)

// formats are those of images whose bytes are not those of a disk, and how they begin. VHD is the one
// that has its mark at the end as well, and of fixed size there alone: that is a raw disk with
// something behind it, and served as such it would be a disk that is too large.
var formats = []struct {
	name string
	at   int64 // from the start; below 0: from the end
	mark string
}{
	{"qcow2", 0, "QFI\xfb"},
	{"VMDK", 0, "KDMV"},
	{"VMDK", 0, "COWD"},
	{"VMDK", 0, "# Disk DescriptorFile"},
	{"VHDX", 0, "vhdxfile"},
	{"VHD", 0, "conectix"},
	{"VHD", -512, "conectix"},
	{"VDI", 64, "\x7f\x10\xda\xbe"},
	{"QED", 0, "QED\x00"},
	{"Parallels", 0, "WithoutFreeSpace"},
	{"Parallels", 0, "WithouFreSpacExt"},
}

// refuseImage refuses a file that is the image of a disk in another format than the plain one: to
// serve its bytes as they are shows a disk that nobody has made, and who writes to it destroys the
// image. Every guest can write such a mark to its own disk; so a file that was served before is not
// asked.
func (s *Store) refuseImage(cfg Config) error {
	if cfg.Raw {
		return nil
	}
	format := s.format()
	if format == "" || s.known() {
		return nil
	}
	return fmt.Errorf("%s: it looks like a %s image, whose bytes are not those of the disk in it: convert it (qemu-img convert -O raw), or insist with the format raw if its bytes are what you want to serve", s.path, format)
}

// format is the format of an image that the file looks like; empty: none.
func (s *Store) format() string {
	var b [32]byte
	for _, f := range formats {
		at := f.at
		if at < 0 {
			at += s.size.Load()
		}
		if at < 0 {
			continue
		}
		have := b[:len(f.mark)]
		n := 0
		err := fdio.Retry(func() (err error) { n, err = unix.Pread(s.fd, have, at); return err })
		if err == nil && n == len(have) && string(have) == f.mark {
			return f.name
		}
	}
	return ""
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
