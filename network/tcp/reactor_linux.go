package tcp

import (
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A reactor is one thread with a poller. What others ask of it waits in a list; they wake
// the thread only if it sleeps.
type reactor struct {
	poller  int
	bell    int // an eventfd that wakes the thread
	spin    spinner
	sockets atomic.Int32 // descriptors that are open
	asleep  atomic.Bool
	done    chan struct{}

	mu   sync.Mutex // guards jobs, and what the sockets want of the poller
	jobs []job

	// Only the thread uses what follows.
	table  []*reactorSocket // by slot
	free   []int32
	doing  []job
	events [maxEvents]unix.EpollEvent
	late   [maxEvents]unix.EpollEvent // those of a look in between
	live   int                        // sockets that have not ended
	one    bool                       // the last event brought One, and there was no other event: the thread spins
	last   bool                       // the thread ends when no socket is left
}

// A job is something to do on the thread.
type job struct {
	s       *reactorSocket
	do      work
	next    Next        // what Receive has returned, for back
	leaving *detachment // what Detach was called with, for detach
}

type work uint8

const (
	start work = iota
	resume
	back // another goroutine has received, and Receive has returned
	detach
	stop
)

const (
	maxEvents = 64 // between two looks at the jobs
	bellSlot  = -1
)

func newReactor(spin *spinners) (*reactor, error) {
	r := &reactor{poller: -1, bell: -1, spin: spinner{all: spin}, done: make(chan struct{})}
	var err error
	if r.poller, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if r.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		r.release()
		return nil, os.NewSyscallError("eventfd", err)
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: bellSlot}
	if err := unix.EpollCtl(r.poller, unix.EPOLL_CTL_ADD, r.bell, &ev); err != nil {
		r.release()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return r, nil
}

func (r *reactor) release() {
	for _, fd := range []int{r.poller, r.bell} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// post gives the thread something to do.
func (r *reactor) post(j job) {
	r.mu.Lock()
	r.jobs = append(r.jobs, j)
	r.mu.Unlock()
	if r.asleep.CompareAndSwap(true, false) {
		one := [8]byte{1}
		_, _ = unix.Write(r.bell, one[:]) // it only fails when it rings already
	}
}

// run is the goroutine of the reactor. It is locked to one thread of the system, so that what it works
// with stays in the cache of one processor.
func (r *reactor) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(r.done)
	defer r.release()
	for !r.last || r.live > 0 {
		events := r.events[:r.wait()]
		r.serve(events)
		r.one = r.one && len(events) <= 1
		r.work()
	}
}

// wait waits for events and returns how many there are, which may be none.
func (r *reactor) wait() int {
	for r.one && r.spin.more() {
		if n := r.poll(&r.events); n > 0 || r.asked() {
			r.spin.found()
			return n
		}
	}
	r.asleep.Store(true)
	if r.asked() {
		r.asleep.Store(false)
		return 0
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(r.poller), uintptr(unsafe.Pointer(&r.events[0])), maxEvents, ^uintptr(0), 0, 0)
	r.asleep.Store(false)
	if errno != 0 { // a signal
		return 0
	}
	return int(n)
}

// poll is wait that does not wait: the scheduler need not know of it.
func (r *reactor) poll(into *[maxEvents]unix.EpollEvent) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(r.poller), uintptr(unsafe.Pointer(&into[0])), maxEvents, 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

func (r *reactor) asked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.jobs) > 0
}

// work does the jobs.
func (r *reactor) work() {
	r.mu.Lock()
	r.doing, r.jobs = r.jobs, r.doing[:0]
	r.mu.Unlock()
	for _, j := range r.doing {
		switch j.do {
		case start:
			r.add(j.s)
		case resume:
			r.resume(j.s)
		case back:
			r.back(j.s, j.next)
		case detach:
			j.s.leaving = j.leaving
			r.detach(j.s)
		case stop:
			r.last = true
		}
	}
	clear(r.doing)
}

// add begins to wait for s.
func (r *reactor) add(s *reactorSocket) {
	if n := len(r.free); n > 0 {
		s.slot, r.free = r.free[n-1], r.free[:n-1]
	} else {
		s.slot = int32(len(r.table))
		r.table = append(r.table, nil)
	}
	r.table[s.slot] = s
	r.live++
	r.listen(s)
	if !s.closed.Load() && !s.h.MayBlock() {
		r.receive(s) // of what was received before the connection came here there is no event
	}
}

// listen tells the poller of s.
func (r *reactor) listen(s *reactorSocket) {
	r.mu.Lock()
	err := r.control(unix.EPOLL_CTL_ADD, s)
	s.known = err == nil
	r.mu.Unlock()
	if err != nil {
		r.end(s, err)
	}
}

// deafen makes the poller forget s, if it knows it. r.mu is held.
func (r *reactor) deafen(s *reactorSocket) {
	if s.known {
		s.known = false
		_ = unix.EpollCtl(r.poller, unix.EPOLL_CTL_DEL, s.fd, nil) // it is there
	}
}

// control tells the poller what s waits for. r.mu is held.
func (r *reactor) control(op int, s *reactorSocket) error {
	ev := unix.EpollEvent{Events: s.want, Fd: s.slot}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(r.poller, op, s.fd, &ev))
}

const broken = unix.EPOLLHUP | unix.EPOLLERR

// handle does what the events of s are about.
func (r *reactor) handle(s *reactorSocket, events uint32) {
	if events&(unix.EPOLLOUT|broken) != 0 {
		r.mu.Lock()
		w := s.w
		r.mu.Unlock()
		if w != nil && w.Writable(uintptr(s.fd)) {
			r.mu.Lock()
			s.w = nil
			s.watch(0, unix.EPOLLOUT)
			r.mu.Unlock()
			w.WriteDone(nil) // which may await room again
		}
	}
	switch {
	case s.paused && events&broken != 0:
		r.end(s, net.ErrClosed) // the poller would report it again and again
	case !s.paused && events&(arrivals|broken) != 0:
		r.receive(s)
	}
}

// receive lets the handler receive once. If it leaves something in the socket there is another event.
func (r *reactor) receive(s *reactorSocket) {
	if s.closed.Load() {
		r.end(s, net.ErrClosed)
		return
	}
	if s.h.MayBlock() { // not on this thread: what the handler waits for may need the thread
		r.mu.Lock()
		r.deafen(s)
		r.mu.Unlock()
		s.away, s.resumed = true, false
		go func() { r.post(job{s: s, do: back, next: s.h.Receive(uintptr(s.fd))}) }()
		return
	}
	r.then(s, s.h.Receive(uintptr(s.fd)))
}

// back takes a socket back from another goroutine, which has received from it.
func (r *reactor) back(s *reactorSocket, next Next) {
	s.away = false
	if next == End {
		r.end(s, nil)
		return
	}
	if !r.then(s, next) { // it comes before listen, so that no event comes in between
		return
	}
	r.listen(s)
	if s.resumed {
		r.resume(s)
	}
}

// then does what a handler wants next. It returns false if the socket is not the reactor's any more.
func (r *reactor) then(s *reactorSocket, next Next) bool {
	r.one = next == One
	switch next {
	case More, All, One, Nothing:
		s.h.Idle()
	case Pause:
		s.paused = true
		r.mu.Lock()
		s.watch(0, arrivals)
		r.mu.Unlock()
	case End:
		r.end(s, nil)
		return false
	}
	return !r.detach(s)
}

// resume ends a pause. If another goroutine receives just now, resume may come before the pause that
// it ends, and is remembered.
func (r *reactor) resume(s *reactorSocket) {
	s.resumed = s.away
	if !s.paused {
		return
	}
	s.paused = false
	r.mu.Lock()
	s.watch(arrivals, 0)
	r.mu.Unlock()
	r.receive(s)
}

// detach detaches s if that was asked for and may says so, and reports whether s is not the reactor's
// any more.
func (r *reactor) detach(s *reactorSocket) bool {
	if s.leaving == nil || s.away || s.closed.Load() || !s.leaving.may() {
		return false
	}
	c, err := copyOf(s.fd)
	if err != nil {
		r.end(s, err)
		return true
	}
	s.detached.Store(true)
	then := s.leaving.then
	w := r.forget(s)
	go func() {
		if w != nil {
			w.WriteDone(ErrDetached)
		}
		then(c)
		s.leave()
	}()
	return true
}

// end takes s off the reactor, and ends its handler.
func (r *reactor) end(s *reactorSocket, err error) {
	w := r.forget(s)
	go func() {
		if w != nil {
			w.WriteDone(net.ErrClosed)
		}
		s.h.Ended(err)
		s.leave()
	}()
}

// forget takes s off the reactor, and returns the handler that awaits room, or nil.
func (r *reactor) forget(s *reactorSocket) WriteHandler {
	s.closed.Store(true)
	r.mu.Lock()
	r.deafen(s)
	s.over = true
	w := s.w
	s.w = nil
	r.mu.Unlock()
	r.table[s.slot] = nil
	r.free = append(r.free, s.slot)
	r.live--
	s.paused = false
	return w
}

// copyOf makes a Conn of a copy of fd.
func copyOf(fd int) (*Conn, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(n), "socket")
	defer f.Close()
	return ConnOf(f)
}
