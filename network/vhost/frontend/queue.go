package frontend

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/vhost/message"
	"github.com/lunette-io/lunette/network/vhost/ring"
)

// QueueConfig says how a queue is made.
type QueueConfig struct {
	Size int // entries of the ring
	// Entries is how many descriptors an indirect table has, of which there is one for each entry of the ring; 0: there are none.
	Entries int
	// Space is how many entries the parts of the ring have room for, if that is more than Size.
	Space int
}

// A Queue is a ring that a driver and a device share, and how they wake each other. It belongs to one driver, whose methods are called one at a time; but for Wait and Wake, which anybody may call while
// others call others.
type Queue struct {
	Index int
	Place ring.Place // every byte of it may be changed, by tests
	// KickFD and CallFD are what the back-end is woken by and what it calls with, ErrFD says that it has given up: all are eventfds of ours.
	KickFD, CallFD, ErrFD int

	dev    *Device
	tables []byte
	driver ring.Driver
	base   uint32
	known  bool         // base is what the back-end has said
	on     bool         // it is started, as far as we know
	renew  func() error // makes the ring a new one

	waiter
	kicks atomic.Uint64
	one   [8]byte // what is written to an eventfd
}

// QueueStats are the counters of a queue: what waking each other has cost.
type QueueStats struct {
	Kicks uint64 // times that the device was woken
	Calls uint64 // times that the device has called while somebody waited
	Waits uint64 // times that somebody slept
}

// Queue makes a queue with a new ring, which is not started. The device owns it.
func (d *Device) Queue(index int, cfg QueueConfig) (*Queue, error) {
	q := &Queue{Index: index, dev: d, KickFD: -1, CallFD: -1, ErrFD: -1}
	binary.NativeEndian.PutUint64(q.one[:], 1)
	err := q.make(cfg)
	if err == nil {
		err = q.waiter.open(q.CallFD)
	}
	if err != nil {
		return nil, errors.Join(err, q.Close())
	}
	d.queues = append(d.queues, q)
	return q, nil
}

func (q *Queue) make(cfg QueueConfig) (err error) {
	for _, fd := range []*int{&q.KickFD, &q.CallFD, &q.ErrFD} {
		if *fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
			return err
		}
	}
	o := ring.Options{Packed: q.dev.Features()&Packed != 0, Indirect: q.dev.Features()&Indirect != 0, EventIndex: q.dev.Features()&EventIndex != 0}
	desc, avail, used := ring.Bytes(max(cfg.Size, cfg.Space), o.Packed)
	q.Place.Size = cfg.Size
	for _, part := range []struct {
		at *[]byte
		n  int
	}{{&q.Place.Desc, desc}, {&q.Place.Avail, avail}, {&q.Place.Used, used}, {&q.tables, 16 * cfg.Size * cfg.Entries}} {
		if part.n == 0 {
			continue
		}
		if *part.at, err = q.dev.Memory.Alloc(part.n); err != nil {
			return err
		}
	}
	t := ring.Tables{Mem: q.tables, Entries: cfg.Entries}
	t.Addr, _ = q.dev.Memory.Address(q.tables)
	q.renew = func() (err error) {
		clear(q.Place.Desc)
		clear(q.Place.Avail)
		clear(q.Place.Used)
		q.base, q.known = 0, true
		if o.Packed {
			q.base = packedStart
		}
		q.driver, err = ring.NewDriver(q.Place, o, t)
		return err
	}
	return q.renew()
}

// packedStart is where a device goes on with a packed ring that is new: both wrap counters are 1 (virtio 1.3, 2.8.1).
const packedStart = 1<<15 | 1<<31

// Add posts a request. The device does not see it before Flush.
func (q *Queue) Add(out, in []ring.Piece, token uint64) error { return q.driver.Add(out, in, token) }

// Get takes a request that the device has given back.
func (q *Queue) Get() (token uint64, written uint32, ok bool, err error) { return q.driver.Get() }

// Want asks the device to call for the next request that it gives back (on), or not to. It reports that there is one already.
func (q *Queue) Want(on bool) (already bool) { return q.driver.Want(on) }

// Flush lets the device see what was added, and kicks it if it wants that.
func (q *Queue) Flush() {
	if q.driver.Kick() {
		q.Kick()
	}
}

// Kick kicks the device whether it wants that or not.
func (q *Queue) Kick() {
	q.kicks.Add(1)
	_, _ = unix.Write(q.KickFD, q.one[:]) // it is full: then the device is awake
}

// Stats are the counters.
func (q *Queue) Stats() QueueStats {
	return QueueStats{Kicks: q.kicks.Load(), Calls: q.calls.Load(), Waits: q.waits.Load()}
}

// Failed reports that the back-end has said it gave the queue up.
func (q *Queue) Failed() bool {
	var b [8]byte
	n, err := unix.Read(q.ErrFD, b[:])
	return n == len(b) && err == nil
}

// Close gives the queue's descriptors and memory back. It must not run, and nobody may wait for it.
func (q *Queue) Close() error {
	errs := []error{q.waiter.close()}
	for _, fd := range []*int{&q.KickFD, &q.CallFD, &q.ErrFD} {
		if *fd >= 0 {
			errs = append(errs, unix.Close(*fd))
			*fd = -1
		}
	}
	for _, part := range []*[]byte{&q.Place.Desc, &q.Place.Avail, &q.Place.Used, &q.tables} {
		if *part != nil {
			q.dev.Memory.Free(*part)
			*part = nil
		}
	}
	return errors.Join(errs...)
}

// start has the back-end start the queue where it is.
func (q *Queue) start() error {
	c := q.dev.Conn
	index := uint32(q.Index)
	file := message.VringFile{Index: uint8(q.Index)}.Append(nil)
	for _, step := range []func() error{
		func() error {
			return c.Order(message.SetVringNum, message.VringState{Index: index, Num: uint32(q.Place.Size)}.Append(nil))
		},
		func() error {
			return c.Order(message.SetVringBase, message.VringState{Index: index, Num: q.base}.Append(nil))
		},
		func() error {
			return c.Order(message.SetVringAddr, message.VringAddr{
				Index: index, Desc: addressOf(q.Place.Desc), Used: addressOf(q.Place.Used), Avail: addressOf(q.Place.Avail),
			}.Append(nil))
		},
		func() error { return c.Order(message.SetVringErr, file, q.ErrFD) },
		func() error { return c.Order(message.SetVringKick, file, q.KickFD) },
		func() error { return c.Order(message.SetVringCall, file, q.CallFD) },
		func() error { return q.enable(true) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("queue %d: %w", q.Index, err)
		}
	}
	q.on, q.known = true, false
	return nil
}

// enable lets the device use the ring, or forbids it.
func (q *Queue) enable(on bool) error {
	if q.dev.offered&message.FeatureProtocol == 0 { // then a ring that has a kick is enabled
		return nil
	}
	s := message.VringState{Index: uint32(q.Index)}
	if on {
		s.Num = 1
	}
	return q.dev.Conn.Order(message.SetVringEnable, s.Append(nil))
}

// stop has the back-end give everything of the queue back, and notes where it is.
func (q *Queue) stop() error {
	a, err := q.dev.Conn.Ask(message.GetVringBase, message.VringState{Index: uint32(q.Index)}.Append(nil))
	if err != nil {
		return fmt.Errorf("queue %d: %w", q.Index, err)
	}
	a.Descriptors.Close()
	s, err := message.ParseVringState(message.GetVringBase, a.Payload)
	if err == nil && s.Index != uint32(q.Index) {
		err = message.Errorf(message.GetVringBase, "an answer about queue %d", s.Index)
	}
	if err != nil {
		return fmt.Errorf("queue %d: %w", q.Index, err)
	}
	q.base, q.known, q.on = s.Num, true, false
	return nil
}

// guess is where a queue goes on whose back-end has died without saying so: with a split ring, behind what came back last, as QEMU does it. With a packed one, where it began. A back-end that has an
// in-flight area knows better.
func (q *Queue) guess() {
	if !q.known && q.dev.Features()&Packed == 0 {
		q.base = uint32(binary.LittleEndian.Uint16(q.Place.Used[2:]))
	}
}

// A waiter sleeps until the device calls, or until somebody wakes it.
type waiter struct {
	epoll, bell  int
	there        bool
	calls, waits atomic.Uint64
}

// open makes a waiter for an eventfd. Each write to that is one event, which nobody has to read away.
func (w *waiter) open(call int) (err error) {
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if w.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return errors.Join(err, unix.Close(w.epoll))
	}
	w.there = true
	return errors.Join(
		unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, call, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(call)}),
		unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, w.bell, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(w.bell)}))
}

// Wait sleeps until the device has called, until Wake, or for limit at the most (0: for ever). A call from before it counts.
func (w *waiter) Wait(limit time.Duration) error {
	w.waits.Add(1)
	var events [2]unix.EpollEvent
	block := -1
	if limit > 0 {
		block = 0
		t := unix.NsecToTimespec(int64(limit))
		fds := [1]unix.PollFd{{Fd: int32(w.epoll), Events: unix.POLLIN}}
		n, err := unix.Ppoll(fds[:], &t, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n <= 0 {
			return nil
		}
	}
	for {
		n, err := unix.EpollWait(w.epoll, events[:], block)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) != w.bell {
				w.calls.Add(1)
			}
		}
		return err
	}
}

// Wake has Wait return, that which comes next if there is none.
func (w *waiter) Wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(w.bell, one[:]) // it cannot be full
}

func (w *waiter) close() error {
	if !w.there {
		return nil
	}
	w.there = false
	return errors.Join(unix.Close(w.bell), unix.Close(w.epoll))
}
