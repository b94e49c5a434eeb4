package sim

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
)

// batch is how many frames are handed over between two calls of Batch.
const batch = 64

// A wire is an open interface. Its fields are guarded by the network's lock.
type wire struct {
	net    *Network
	at     *Interface
	vlan   uint16
	config ethernet.Config
	joined []ethernet.MAC
	room   int

	h        ethernet.Handler // nil before Start
	in       [][]byte         // what has come
	waiting  int              // bytes of it
	wake     sync.Cond        // for the goroutine
	told     ethernet.State   // by Changed
	writable bool             // a Send did not take all
	sending  bool             // a Send is under way

	started, closed bool
	ended           chan struct{} // closed by the goroutine
	stats           ethernet.Stats
}

// Start lets h have what comes.
func (w *wire) Start(h ethernet.Handler) {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	if w.started {
		w.net.violate("Start is called twice on %s", w.at.state.Name)
		return
	}
	if w.closed {
		return
	}
	w.started, w.h, w.ended = true, h, make(chan struct{})
	w.told = w.at.state
	go w.run(w.told)
}

// run hands over what comes, until Close.
func (w *wire) run(first ethernet.State) {
	defer close(w.ended)
	w.h.Changed(first)
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	for {
		switch {
		case w.closed:
			return
		case w.at.state != w.told:
			w.told = w.at.state
			s := w.told
			w.net.mu.Unlock()
			w.h.Changed(s)
			w.net.mu.Lock()
		case w.writable && !w.at.blocked:
			w.writable = false
			w.net.mu.Unlock()
			w.h.Writable()
			w.net.mu.Lock()
		case len(w.in) > 0:
			w.hand()
		default:
			w.wake.Wait()
		}
	}
}

// hand hands over a batch. w.net.mu is held.
func (w *wire) hand() {
	w.stats.Receives++
	for n := 0; n < batch && len(w.in) > 0 && !w.closed; n++ {
		b := w.in[0]
		w.in = slices.Delete(w.in, 0, 1)
		w.waiting -= len(b)
		w.stats.FramesIn++
		w.net.mu.Unlock()
		w.h.Received(b)
		for i := range b {
			b[i] = 0xdb // whoever has kept it sees that it may not
		}
		w.net.mu.Lock()
	}
	w.net.mu.Unlock()
	w.h.Batch()
	w.net.mu.Lock()
}

// Send hands frames to the hub.
func (w *wire) Send(frames []ethernet.Frame) (int, error) {
	n := w.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if w.sending {
		n.violate("two goroutines send on %s", w.at.state.Name)
	}
	w.sending = true
	defer func() { w.sending = false }()
	w.stats.Sends++
	for k := range frames {
		f := &frames[k]
		switch {
		case w.closed:
			return k, ethernet.ErrClosed
		case !w.at.state.Up:
			return k, fmt.Errorf("%w: %s", ethernet.ErrDown, w.at.state.Name)
		case f.Size() > int64(w.at.state.MTU+ethernet.HeaderLen):
			return k, fmt.Errorf("%w: %d bytes behind the type, the MTU of %s is %d", ethernet.ErrTooLong, f.Size()-ethernet.HeaderLen, w.at.state.Name, w.at.state.MTU)
		case w.at.blocked || w.at.takes > 0 && k == w.at.takes:
			w.stats.Blocked++
			w.writable = true
			w.wake.Broadcast()
			return k, nil
		}
		b := f.Append(nil)
		if len(f.Head) < ethernet.HeaderLen || int64(len(b)) != f.Size() {
			n.violate("a frame of %d bytes, with %d bytes in its head, says that it has %d", len(b), len(f.Head), f.Size())
			continue
		}
		w.stats.FramesOut++
		n.carry(w, b)
	}
	return len(frames), nil
}

// carry lets a frame arrive, as the faults have it. n.mu is held.
func (n *Network) carry(from *wire, b []byte) {
	fate := Fate{}
	if n.faults != nil {
		fate = n.faults(Event{N: n.frames, Host: from.at.host.name, Frame: b})
	}
	n.frames++
	if fate.Drop {
		return
	}
	if fate.Damage > 0 {
		damage(b, fate.Damage, fate.Seed)
	}
	times := 1
	if fate.Double {
		times = 2
	}
	for range times {
		if fate.Delay == 0 {
			n.arrive(from, b)
			continue
		}
		var t *time.Timer
		t = time.AfterFunc(fate.Delay, func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			if _, there := n.timers[t]; there {
				delete(n.timers, t)
				n.arrive(from, b)
			}
		})
		n.timers[t] = struct{}{}
	}
}

// arrive gives copies of a frame to all wires that want it. n.mu is held.
func (n *Network) arrive(from *wire, b []byte) {
	to, kind := ethernet.MAC(b[0:6]), ethernet.Type(binary.BigEndian.Uint16(b[12:]))
	for _, i := range n.interfaces {
		if i.host == from.at.host || !i.state.Up || len(b) > i.state.MTU+ethernet.HeaderLen {
			continue
		}
		for _, w := range i.wires {
			if w.vlan != from.vlan || !slices.Contains(w.config.Types, kind) || !w.listens(to) {
				continue
			}
			switch {
			case w.config.Longest > 0 && len(b) > w.config.Longest+ethernet.HeaderLen:
				w.stats.TooLong++
			case w.waiting+len(b) > w.room:
				w.stats.Lost++
			default:
				w.in = append(w.in, slices.Clone(b))
				w.waiting += len(b)
				w.wake.Broadcast()
			}
		}
	}
}

// listens reports whether frames to that address are the wire's.
func (w *wire) listens(to ethernet.MAC) bool {
	return to == w.at.state.MAC || to == ethernet.MAC{255, 255, 255, 255, 255, 255} || slices.Contains(w.joined, to)
}

// Join lets frames to another address come.
func (w *wire) Join(m ethernet.MAC) error {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	if w.closed {
		return ethernet.ErrClosed
	}
	if slices.Contains(w.joined, m) {
		w.net.violate("%v is joined twice on %s", m, w.at.state.Name)
	}
	w.joined = append(w.joined, m)
	return nil
}

// Leave ends that.
func (w *wire) Leave(m ethernet.MAC) error {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	if w.closed {
		return ethernet.ErrClosed
	}
	i := slices.Index(w.joined, m)
	if i < 0 {
		w.net.violate("%v is left on %s, and was not joined", m, w.at.state.Name)
		return nil
	}
	w.joined = slices.Delete(w.joined, i, i+1)
	return nil
}

// State is the interface now.
func (w *wire) State() ethernet.State {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	return w.at.state
}

// Room is how many bytes of frames may wait.
func (w *wire) Room() int64 { return int64(w.room) }

// Stats is what the wire has done.
func (w *wire) Stats() ethernet.Stats {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	return w.stats
}

// Close ends the wire.
func (w *wire) Close() error {
	w.net.mu.Lock()
	if !w.closed {
		w.closed = true
		w.at.wires = slices.DeleteFunc(w.at.wires, func(x *wire) bool { return x == w })
		w.wake.Broadcast()
	}
	ended := w.ended
	w.net.mu.Unlock()
	if ended != nil {
		<-ended
	}
	return nil
}
