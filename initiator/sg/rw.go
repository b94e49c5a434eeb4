package sg

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// An rwDevice sends commands by writing to /dev/sgN, and reads what has come of them. It never uses the ioctl SG_IO there: the kernel waits
// in it interruptibly, and sends the command again for each signal that the Go runtime takes meanwhile. A write sends a command once and does not
// wait for it, and a read of what has ended does not wait either.
//
// All of that is done by one thread, on which Done is called. The file is opened there too: sg refuses to write and read when the
// credentials are not the very ones that it was opened with, and threads that have changed theirs do not share them.
//
// Data goes through a buffer of the kernel's, all of which is copied to us, whatever of it the device has written. The thread has no CAP_SYS_ADMIN:
// then the kernel clears the buffers that it allocates. The one of 32 KiB that comes with the file it uses again as it is, so that behind what the device has moved
// there may be what it has moved before, to and from anybody.
type rwDevice struct {
	common
	event int // an eventfd: it wakes the thread

	mu      sync.Mutex
	waiting list // guarded by mu
	closed  bool // guarded by mu

	woken atomic.Bool // the eventfd has been written and not been read
	ended chan struct{}

	// What follows is used by the thread alone.
	poll  int // an epoll of the eventfd and the device
	slots *slots
	taken list // of waiting, in order, without slots
	out   v3
	in    v3
	gone  error // why there is no file any more
}

// retry is how long to wait before looking again for what nobody tells of.
const retry = 50 * time.Millisecond

func openRW(node string, nodes Nodes, cfg Config) (Device, error) {
	d := &rwDevice{common: newCommon(-1, node, nodes, SG, min(cfg.depth(), MaxDepthSG), cfg, false), event: -1, poll: -1, ended: make(chan struct{})}
	started := make(chan error)
	go d.run(started)
	if err := <-started; err != nil {
		<-d.ended
		return nil, err
	}
	return d, nil
}

// Submit sends c.
func (d *rwDevice) Submit(c *Command) {
	if err := check(c, d.info.MaxTransfer); err != nil {
		fail(c, err)
		return
	}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		fail(c, errClosed)
		return
	}
	d.waiting.push(c)
	d.wake()
	d.mu.Unlock()
}

// wake makes the thread look for what waits. d.mu is held.
func (d *rwDevice) wake() {
	if d.woken.CompareAndSwap(false, true) {
		one := [8]byte{0: 1, 7: 1} // not 0 and not too large, whatever the byte order
		_, _ = unix.Write(d.event, one[:])
	}
}

// Close ends the thread.
func (d *rwDevice) Close() error {
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	if !closed {
		d.wake()
	}
	d.mu.Unlock()
	if closed {
		return errClosed
	}
	<-d.ended
	return nil
}

// run is the thread. It sleeps when nothing has come and nothing has ended.
func (d *rwDevice) run(started chan<- error) {
	defer close(d.ended)
	runtime.LockOSThread() // and it ends with the goroutine
	err := d.open()
	started <- err
	if err != nil {
		d.release()
		return
	}
	defer d.release()
	var events [2]unix.EpollEvent
	for !d.done() {
		wait := -1
		if d.slots.free >= 0 && d.taken.first != nil {
			wait = int(retry / time.Millisecond) // the kernel had no room although we have
		}
		// Whatever it says, also that a signal has come: what there is to do is found out below.
		_, _ = unix.EpollWait(d.poll, events[:], wait)
		d.rest()
		d.receive()
		d.send()
	}
}

// open makes what the thread needs.
func (d *rwDevice) open() (err error) {
	if d.slots, err = newSlots(d.info.Depth); err != nil {
		return err
	}
	if d.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	if d.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if err = unix.EpollCtl(d.poll, unix.EPOLL_CTL_ADD, d.event, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(d.event)}); err != nil {
		return err
	}
	if err := renounce(); err != nil {
		return fmt.Errorf("cannot do without CAP_SYS_ADMIN: %w", err)
	}
	return d.openNode()
}

// openNode opens the device. Edges are waited for: a device that goes is always ready, long before its commands end.
func (d *rwDevice) openNode() (err error) {
	if d.fd, err = unix.Open(d.info.Node, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
		d.fd = -1
		return explain(d.info.Node, err)
	}
	return unix.EpollCtl(d.poll, unix.EPOLL_CTL_ADD, d.fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(d.fd)})
}

func (d *rwDevice) release() {
	for _, fd := range []int{d.fd, d.poll, d.event} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	if d.slots != nil {
		d.slots.close()
	}
}

// done reports that the device is closed, and that nothing is under way.
func (d *rwDevice) done() bool {
	if d.slots.used > 0 || d.taken.first != nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed && d.waiting.first == nil
}

// rest lets the thread be woken again.
func (d *rwDevice) rest() {
	if d.woken.Load() {
		var b [8]byte
		_, _ = unix.Read(d.event, b[:])
		d.woken.Store(false)
	}
}

// send writes commands as far as there is room for them.
func (d *rwDevice) send() {
	d.mu.Lock()
	d.taken.take(&d.waiting)
	d.mu.Unlock()
	for d.slots.free >= 0 && d.taken.first != nil {
		c := d.taken.pop()
		if d.gone != nil {
			fail(c, d.gone)
			continue
		}
		i := d.slots.take(c)
		d.out.encode(c, d.slots, i)
		_, err := unix.Write(d.fd, d.out.bytes())
		if err == nil {
			continue
		}
		d.slots.release(i)
		if err == unix.EDOM { // the kernel has as many of this file as it takes
			d.taken.unshift(c)
			return
		}
		// An error says that nothing was sent, EINTR as well.
		fail(c, reason(err))
	}
}

// receive reads what has ended.
func (d *rwDevice) receive() {
	for d.slots.used > 0 {
		d.in = v3{interfaceID: 'S', packID: -1}
		_, err := unix.Read(d.fd, d.in.bytes())
		switch i := int(d.in.packID); {
		case i >= 0 && i < len(d.slots.all) && d.slots.all[i].Command != nil:
			d.answer(i, err)
		case err == unix.EAGAIN || err == unix.EINTR || err == unix.ENODEV: // a device that goes: its commands end all the same
			return
		default:
			d.lost()
			return
		}
	}
}

// answer ends the command in slot i. An error of the read says that its data could not be copied.
func (d *rwDevice) answer(i int, err error) {
	c := d.slots.release(i)
	r := d.in.decode(len(c.Data.Mem))
	if err != nil {
		r.Host = HostError
	}
	d.slots.ended(c, i, d.going(r))
	c.Done(c)
}

// lost ends all that the kernel has, and opens the file anew: the kernel does not tell any more what comes of it, as this process has other
// credentials now. It copies data when it is read, so that it does not touch any that is not read.
func (d *rwDevice) lost() {
	_ = unix.Close(d.fd)
	if err := d.openNode(); err != nil {
		d.gone = ErrGone
		if errors.Is(err, ErrPrivilege) {
			d.gone = ErrPrivilege
		}
	}
	for i := range d.slots.all {
		if d.slots.all[i].Command == nil {
			continue
		}
		c := d.slots.release(i)
		c.Result = Result{Host: HostError, Residual: int64(len(c.Data.Mem))}
		c.Done(c)
	}
}
