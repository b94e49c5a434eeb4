package message

import "golang.org/x/sys/unix"

// Descriptors are those that came with a message, in order. They are open files of this process until they are taken or closed; they are close-on-exec. The zero value is none.
type Descriptors struct{ fds []int }

// Len is how many there are.
func (d *Descriptors) Len() int { return len(d.fds) }

// Take hands the first one over to the caller, who closes it; false: there is none.
func (d *Descriptors) Take() (fd int, ok bool) {
	if len(d.fds) == 0 {
		return -1, false
	}
	fd, d.fds = d.fds[0], d.fds[1:]
	return fd, true
}

// Close closes those that nobody has taken.
func (d *Descriptors) Close() {
	for _, fd := range d.fds {
		unix.Close(fd)
	}
	d.fds = nil
}
