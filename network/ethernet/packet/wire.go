package packet

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet"
)

// A wire is an open interface.
//
// It has three goroutines from Start to Close: one hands over what has come, one hears of interfaces, one goes on with what could not be sent at
// once. Whoever calls the handler has calls. The order of locks: calls, state, tx.
type wire struct {
	config ethernet.Config
	name   string
	vlan   uint16 // of tags that are put in here; 0: none
	socket *socket
	file   *os.File        // the socket, for the runtime's poller
	raw    syscall.RawConn // of file
	news   *os.File        // rtnetlink

	calls sync.Mutex // held while the handler is called
	h     ethernet.Handler

	state  sync.Mutex                     // guards what follows
	now    atomic.Pointer[ethernet.State] // read without the lock
	index  int                            // of the interface; 0: gone
	joined []ethernet.MAC
	told   ethernet.State // by Changed; calls guards it

	own atomic.Pointer[[]ethernet.MAC] // addresses whose frames are ours; replaced under state

	tx       sync.Mutex // guards the rings to send, and what follows
	out      *output    // whose ring that is
	sendsTo  int        // the number of the interface
	pending  bool       // frames in the ring are not sent
	full     bool       // a queue behind the socket was full, and nobody tells when it is not
	hungry   bool       // a Send did not take all: Writable is due
	push     chan struct{}
	shutdown bool

	running sync.WaitGroup
	close   sync.Once
	started atomic.Bool
	closed  chan struct{}
	stats   struct {
		framesIn, framesOut, receives, sends, blocked, copied, lost, tooLong atomic.Int64
	}
}

// open opens an interface; vlan is that of tags.
func open(name string, vlan uint16, c ethernet.Config) (w *wire, err error) {
	s, err := newSocket(vlan, c)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(s.fd), "packet:"+name)
	news, err := listen()
	if err != nil {
		s.close()
		_ = file.Close()
		return nil, err
	}
	w = &wire{config: c, name: name, vlan: vlan, socket: s, out: s.outs[0], file: file, news: news, push: make(chan struct{}, 1), closed: make(chan struct{})}
	if w.raw, err = file.SyscallConn(); err == nil {
		w.now.Store(&ethernet.State{Name: name, Gone: true})
		w.own.Store(new([]ethernet.MAC))
		w.state.Lock()
		err = w.look()
		w.state.Unlock()
	}
	if err == nil && w.State().Gone {
		err = ethernet.ErrNoInterface
	}
	if err != nil {
		s.close()
		_, _ = file.Close(), news.Close()
		return nil, err
	}
	return w, nil
}

// Start lets h have what comes.
func (w *wire) Start(h ethernet.Handler) {
	if w.started.Swap(true) {
		return
	}
	w.tx.Lock()
	defer w.tx.Unlock()
	if w.shutdown {
		return
	}
	w.h = h
	w.running.Go(func() {
		w.calls.Lock()
		w.told = w.State()
		h.Changed(w.told)
		w.calls.Unlock()
		w.running.Go(w.hear)
		w.running.Go(w.pushing)
		w.receive()
	})
}

// State is the interface now.
func (w *wire) State() ethernet.State { return *w.now.Load() }

// Room is how many bytes of frames may wait to be handed over.
func (w *wire) Room() int64 {
	return int64(w.socket.rx.slots) * int64(w.config.Longest+ethernet.HeaderLen)
}

// Join lets frames to another address come.
func (w *wire) Join(m ethernet.MAC) error {
	w.state.Lock()
	defer w.state.Unlock()
	if slices.Contains(w.joined, m) {
		return nil
	}
	if err := w.control(func(fd uintptr) error { return member(fd, unix.PACKET_ADD_MEMBERSHIP, w.index, m) }); err != nil && w.index != 0 {
		return fmt.Errorf("ethernet: interface %s: frames to %v: %w", w.name, m, err)
	}
	w.joined = append(w.joined, m)
	w.ours()
	return nil
}

// Leave ends that.
func (w *wire) Leave(m ethernet.MAC) error {
	w.state.Lock()
	defer w.state.Unlock()
	i := slices.Index(w.joined, m)
	if i < 0 {
		return nil
	}
	w.joined = slices.Delete(w.joined, i, i+1)
	w.ours()
	err := w.control(func(fd uintptr) error { return member(fd, unix.PACKET_DROP_MEMBERSHIP, w.index, m) })
	if err != nil && w.index != 0 {
		return fmt.Errorf("ethernet: interface %s: no more frames to %v: %w", w.name, m, err)
	}
	return nil
}

// ours notes which addresses are ours: none, if the interface is gone, since the socket may still hear one that has another name now. w.state is held.
func (w *wire) ours() {
	var all []ethernet.MAC
	if s := w.State(); !s.Gone {
		all = append([]ethernet.MAC{s.MAC, {255, 255, 255, 255, 255, 255}}, w.joined...)
	}
	w.own.Store(&all)
}

// control calls f with the descriptor; [ethernet.ErrClosed] if the wire is closed.
func (w *wire) control(f func(fd uintptr) error) error {
	var err error
	if closed := w.raw.Control(func(fd uintptr) { err = f(fd) }); closed != nil {
		return ethernet.ErrClosed
	}
	return err
}

// Stats is what the wire has done.
func (w *wire) Stats() ethernet.Stats {
	_ = w.control(func(fd uintptr) error {
		s, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS) // since it was read last
		if err == nil {
			w.stats.lost.Add(int64(s.Drops))
		}
		return err
	})
	return ethernet.Stats{
		FramesIn: w.stats.framesIn.Load(), FramesOut: w.stats.framesOut.Load(),
		Receives: w.stats.receives.Load(), Sends: w.stats.sends.Load(), Blocked: w.stats.blocked.Load(),
		Copied: w.stats.copied.Load(), Lost: w.stats.lost.Load(), TooLong: w.stats.tooLong.Load(),
	}
}

// Close ends the wire.
func (w *wire) Close() error {
	var err error
	w.close.Do(func() {
		w.tx.Lock()
		w.shutdown = true
		w.tx.Unlock()
		close(w.closed)
		err = errors.Join(w.news.Close(), w.file.Close())
		w.running.Wait()
		w.tx.Lock() // a Send that is under way
		w.socket.close()
		w.tx.Unlock()
	})
	return err
}
