package tcp

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// ReactorOptions say what reactors there are.
type ReactorOptions struct {
	// Count is how many reactors there are. 0: one fewer than processors, so that one processor is
	// left for all else, but at least one.
	Count int
	// Spin is how long a reactor looks for events before it sleeps.
	Spin Spin
}

// Reactors is the engine of few threads: each waits for many sockets with a poller of its
// own, and runs their handlers one after the other. It saves the scheduler's part of
// each wake-up; but a handler that waits for storage makes all sockets of its reactor wait.
type Reactors struct {
	spin spinners
	all  []*reactor
}

// NewReactors starts reactors. Close ends them.
func NewReactors(o ReactorOptions) (*Reactors, error) {
	if o.Count <= 0 {
		o.Count = max(1, runtime.GOMAXPROCS(0)-1)
	}
	e := &Reactors{}
	e.spin.Spin = o.Spin
	for range o.Count {
		r, err := newReactor(&e.spin)
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
		e.all = append(e.all, r)
		go r.run()
	}
	return e, nil
}

// How often, and after which pause, Attach tries to get a descriptor when there is none: most of those that
// make room for a connection have only been told to end when it is here.
const (
	attachTries = 100
	attachPause = 2 * time.Millisecond
)

// Attach implements [Engine]: the reactor that has the fewest sockets gets the next.
func (e *Reactors) Attach(c *Conn) (Socket, error) {
	least := e.all[0]
	for _, r := range e.all[1:] {
		if r.sockets.Load() < least.sockets.Load() {
			least = r
		}
	}
	// A copy of the descriptor, which the runtime's poller does not know: else the runtime would wake
	// a thread for each event, too.
	fd, err, cerr := -1, error(nil), error(nil)
	for try := 0; ; try++ {
		cerr = c.control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
		if !Short(err) || try == attachTries {
			break
		}
		time.Sleep(attachPause) // others that make room are being closed
	}
	_ = c.Close() // of the old descriptor: the connection goes on
	if err = errors.Join(cerr, os.NewSyscallError("fcntl", err)); err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	s := &reactorSocket{r: least, fd: fd, want: arrivals}
	s.users.Store(1)
	least.sockets.Add(1)
	return s, nil
}

// Count is how many threads the reactors are.
func (e *Reactors) Count() int { return len(e.all) }

// Close implements [Engine].
func (e *Reactors) Close() error {
	for _, r := range e.all {
		r.post(job{do: stop})
		<-r.done
	}
	return nil
}
