package attached

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const bus = "/sys/bus/scsi/drivers"

// Detach takes u from the kernel's driver, so that it neither asks the device for itself nor takes unit attentions that are initiators'.
// attach gives it back: the driver is told to take it again. [ErrInUse] says that somebody uses it, and who.
//
// A device without a driver is as it should be: that is how it is found after a process was killed that had taken it. attach then lets the kernel look
// for a driver that wants it, which may be none.
// A device that went and came back has a driver again: who wants it detached calls Detach again, and the former attach does nothing more.
func (h Host) Detach(u Unit) (attach func() error, err error) {
	s, err := h.again(u)
	if err != nil {
		return nil, err
	}
	if s.Driver == "" {
		return func() error { return h.probe(s) }, nil
	}
	if users, err := h.Users(u); err != nil {
		return nil, err
	} else if len(users) > 0 {
		return nil, fmt.Errorf("%w: %v: %s", ErrInUse, u, strings.Join(users, "; "))
	}
	if s.isBlock() {
		// Nobody mounts it meanwhile: who has it exclusively keeps others out until the disk is gone.
		release, err := h.exclusive(s.Nodes.Upper)
		switch {
		case errors.Is(err, unix.EBUSY):
			return nil, fmt.Errorf("%w: %v: somebody has begun to use %s", ErrInUse, u, s.Nodes.Upper)
		case err == nil:
			defer release()
		}
	}
	if err := h.tell(s, "unbind"); err != nil {
		return nil, fmt.Errorf("taking %v from the driver %s: %w", u, s.Driver, err)
	}
	return func() error { return h.attach(s) }, nil
}

// attach gives s back to the driver that had it, unless it has one, or is not there any more.
func (h Host) attach(s seen) error {
	now, err := h.again(s.Unit)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	case now.Driver != "":
		return nil
	}
	if err := h.tell(s, "bind"); err != nil {
		return fmt.Errorf("giving %v back to the driver %s (echo %s > /sys/bus/scsi/drivers_probe does it too): %w", s.Unit, s.Driver, s.Address, err)
	}
	return nil
}

// probe lets the kernel look for a driver of s, unless it has one, or is not there any more.
func (h Host) probe(s seen) error {
	now, err := h.again(s.Unit)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	case now.Driver != "":
		return nil
	}
	if err := h.write(s, filepath.Join(h.path("/sys/bus/scsi"), "drivers_probe")); err != nil && !errors.Is(err, unix.EINVAL) { // no driver wants it
		return fmt.Errorf("letting the kernel look for a driver of %v: %w", s.Unit, err)
	}
	return nil
}

// tell writes the address of s to a file of its driver.
func (h Host) tell(s seen, file string) error {
	return h.write(s, filepath.Join(h.path(bus), s.Driver, file))
}

// write writes the address of s to a file of sysfs.
func (h Host) write(s seen, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(s.Address)
		err = errors.Join(err, f.Close())
	}
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w: it takes root, and a /sys that may be written, which in a container it often may not", err)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w: the kernel says that the device is not the driver's any more", err)
	}
	return err
}
