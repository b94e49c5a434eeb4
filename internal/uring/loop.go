// Package uring is io_uring for goroutines: a thread of its own for each ring, which alone
// submits and reaps, and sleeps when there is nothing to do.
package uring

import (
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Reserved is how many entries of a ring the loop needs for itself.
const Reserved = 2

// Numbers of the loop's own completions.
const (
	userWake   = math.MaxUint64
	userCancel = math.MaxUint64 - 1
)

// A Driver has the work of a loop. Its methods are called on the ring's thread, one at a
// time, and must not wait.
type Driver interface {
	// Opened is called once, first: the driver registers what it wants to.
	Opened(r *Ring)
	// Fill starts what waits, by r.Next. It is called before each submission: what does
	// not fit can wait for the next time.
	Fill(r *Ring)
	// Ended is called for each completion: res is a number of bytes, or a negative
	// errno. It may call r.Next.
	Ended(r *Ring, user uint64, res int32)
	// Reaped is called after Ended, once for all that one look at the ring has found.
	Reaped()
}

// A Loop is a ring and the thread that drives it.
//
// The kernel accounts work to the thread that submits it, and with DEFER_TASKRUN only that
// thread may submit at all; so nobody else touches the ring. Others put work where the
// driver finds it, and call Wake. While the thread is awake that costs them nothing, and all
// that has come meanwhile is submitted with one system call.
type Loop struct {
	driver Driver
	ring   *Ring
	event  int // an eventfd: reading it is what a thread that sleeps waits for, among others
	armed  bool
	read   [8]byte
	vec    [1]unix.Iovec

	asleep  atomic.Bool
	closing atomic.Bool
	ended   chan struct{}
}

// Start makes a ring of that many entries, a power of two, and its thread. Where there is no
// io_uring the error wraps [ErrUnavailable].
func Start(entries int, d Driver) (*Loop, error) { return start(entries, d, flagsLadder) }

// StartWide is like Start, with a ring whose entries have room for commands to drivers ([SQE.Command], [Ring.Extra]).
func StartWide(entries int, d Driver) (*Loop, error) { return start(entries, d, wideLadder) }

// Probe reports whether there is io_uring: what Start would say of it, without anything that stays.
func Probe() error {
	runtime.LockOSThread() // a ring is of the thread that makes it
	defer runtime.UnlockOSThread()
	r, err := newRing(probed, flagsLadder)
	if err != nil {
		return err
	}
	r.close()
	return nil
}

// probed is how many entries a ring has that is only tried.
const probed = 8

func start(entries int, d Driver, ladder []uint32) (*Loop, error) {
	l := &Loop{driver: d, event: -1, ended: make(chan struct{})}
	started := make(chan error)
	go l.run(uint32(entries), ladder, started)
	if err := <-started; err != nil {
		<-l.ended
		return nil, err
	}
	return l, nil
}

// Wake makes the thread call Fill soon. What Fill shall find was put there before.
func (l *Loop) Wake() {
	if l.asleep.Load() && l.asleep.CompareAndSwap(true, false) {
		l.post()
	}
}

// post ends the read of the eventfd.
func (l *Loop) post() {
	one := [8]byte{0: 1, 7: 1} // not 0 and not too large, whatever the byte order
	for {
		if _, err := unix.Write(l.event, one[:]); err != unix.EINTR {
			return
		}
	}
}

// Close calls Fill no more, cancels what is under way and can be, calls Ended for all of it,
// and returns when the thread has ended. It is called once, not on the ring's thread, and
// Wake is not called any more.
func (l *Loop) Close() {
	l.closing.Store(true)
	l.post()
	<-l.ended
	_ = unix.Close(l.event)
}

func (l *Loop) run(entries uint32, ladder []uint32, started chan<- error) {
	defer close(l.ended)
	// The thread ends with the goroutine, and with it all that the kernel keeps for it.
	runtime.LockOSThread()
	err := l.open(entries, ladder)
	started <- err
	if err != nil {
		return
	}
	defer l.ring.close()
	ended := l.completed
	for !l.closing.Load() {
		l.arm()
		l.driver.Fill(l.ring)
		// Whoever comes between this and the sleep is seen by the second look, or sees
		// that we sleep.
		l.asleep.Store(true)
		l.driver.Fill(l.ring)
		if l.ring.full() { // there may be more of it
			l.enter(0)
		} else {
			l.enter(1)
		}
		l.asleep.Store(false)
		l.ring.reap(ended)
		l.driver.Reaped()
	}
	canceled := false
	for l.ring.inFlight > 0 {
		if !canceled {
			if e := l.ring.Next(userCancel); e != nil {
				e.cancelAll() // where the kernel cannot, it takes as long as it takes
				canceled = true
			}
		}
		l.enter(1)
		l.ring.reap(ended)
		l.driver.Reaped()
	}
}

// open makes ring and eventfd, and shows that submitting works.
func (l *Loop) open(entries uint32, ladder []uint32) (err error) {
	if l.ring, err = newRing(entries, ladder); err != nil {
		return err
	}
	if l.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		l.ring.close()
		return fmt.Errorf("%w: eventfd: %w", ErrUnavailable, err)
	}
	l.arm()
	if err := l.ring.enter(0); err != nil && err != unix.EINTR && err != unix.EAGAIN {
		l.ring.close()
		_ = unix.Close(l.event)
		return fmt.Errorf("%w: io_uring_enter: %w", ErrUnavailable, err)
	}
	l.driver.Opened(l.ring)
	return nil
}

// arm sees to it that the eventfd is being read.
func (l *Loop) arm() {
	if l.armed {
		return
	}
	if e := l.ring.Next(userWake); e != nil {
		l.vec[0].Base = &l.read[0]
		l.vec[0].SetLen(len(l.read))
		e.Readv(l.event, l.vec[:], 0)
		l.armed = true
	}
}

func (l *Loop) completed(user uint64, res int32) {
	switch user {
	case userWake:
		l.armed = false
	case userCancel:
	default:
		l.driver.Ended(l.ring, user, res)
	}
}

// enter is [Ring.enter]. A ring that has worked goes on working: a signal, or memory that is
// short for a while, passes; the pause keeps an error that does not from taking a processor.
func (l *Loop) enter(wait int) {
	if err := l.ring.enter(wait); err != nil && err != unix.EINTR {
		time.Sleep(time.Millisecond)
	}
}
