package iser_test

import (
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// A fake is an rdma.Conn of which the test plays the other side: it delivers messages, and
// sees every work that is posted.
type fake struct {
	reads int
	// sent sees every work when it goes out, in order, one at a time. keep: the test gives it
	// back by done.
	sent func(w *rdma.Work) (keep bool)

	turn sync.Mutex // held while something is delivered or goes out

	mu      sync.Mutex
	h       rdma.Handler
	posted  []*rdma.Work
	kept    map[*rdma.Work]struct{}
	handing bool
	ended   bool
	over    chan struct{} // closed behind Closed
	cause   error
	out     int // works that went out
}

func newFake(sent func(w *rdma.Work) bool) *fake {
	return &fake{reads: 16, sent: sent, kept: make(map[*rdma.Work]struct{}), over: make(chan struct{})}
}

func (f *fake) Start(h rdma.Handler) { f.h = h }

func (f *fake) Post(w *rdma.Work) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.posted = append(f.posted, w)
	}
	return !f.ended
}

func (f *fake) Flush() {
	f.mu.Lock()
	idle := !f.handing && !f.ended
	f.mu.Unlock()
	if idle {
		f.turn.Lock()
		f.pump()
		f.turn.Unlock()
	}
}

// pump lets out what is posted. f.turn is held.
func (f *fake) pump() {
	for {
		f.mu.Lock()
		if f.ended || len(f.posted) == 0 {
			f.mu.Unlock()
			return
		}
		w := f.posted[0]
		f.posted = append(f.posted[:0], f.posted[1:]...)
		f.kept[w] = struct{}{}
		f.out++
		f.mu.Unlock()
		if !f.sent(w) {
			f.mu.Lock()
			delete(f.kept, w)
			f.mu.Unlock()
			f.give(w, nil)
		}
	}
}

// deliver brings a message.
func (f *fake) deliver(m rdma.Message) {
	f.turn.Lock()
	defer f.turn.Unlock()
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return
	}
	f.handing = true
	f.mu.Unlock()
	f.h.Received(m)
	f.mu.Lock()
	f.handing = false
	f.mu.Unlock()
	f.pump()
}

// give gives a work back. What Done posts and flushes goes out behind it. f.turn is held.
func (f *fake) give(w *rdma.Work, err error) {
	f.mu.Lock()
	before := f.handing
	f.handing = true
	f.mu.Unlock()
	f.h.Done(w, err)
	f.mu.Lock()
	f.handing = before
	f.mu.Unlock()
}

// done gives a work back that was kept.
func (f *fake) done(w *rdma.Work) {
	f.turn.Lock()
	defer f.turn.Unlock()
	f.mu.Lock()
	_, ok := f.kept[w]
	delete(f.kept, w)
	f.mu.Unlock()
	if ok {
		f.give(w, nil)
		f.pump()
	}
}

func (f *fake) Cancel(w *rdma.Work) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, o := range f.posted {
		if o == w && w.Op == rdma.Read {
			f.posted = append(f.posted[:i], f.posted[i+1:]...)
			return true
		}
	}
	return false
}

// Close may be called with the turn: it ends the connection behind who has it.
func (f *fake) Close(err error) {
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return
	}
	f.mu.Unlock()
	f.turn.Lock()
	defer f.turn.Unlock()
	if err == nil {
		f.pump()
	}
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return
	}
	f.ended, f.cause = true, err
	back := f.posted
	for w := range f.kept {
		back = append(back, w)
	}
	f.posted = nil
	f.mu.Unlock()
	for _, w := range back {
		f.give(w, rdma.ErrFlushed)
	}
	f.h.Closed(err)
	close(f.over)
}

func (f *fake) Expose(*buffer.Lease, rdma.Access) (rdma.Remote, error) {
	return rdma.Remote{}, rdma.ErrExhausted
}
func (f *fake) Revoke(rdma.Key) bool { return false }

func (f *fake) Info() rdma.Info {
	return rdma.Info{Provider: "fake", Local: "10.0.0.1:3260", Remote: "10.0.0.2:1024", Reads: f.reads}
}

func (f *fake) Stats() rdma.Stats { return rdma.Stats{} }

// count is how many works went out.
func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.out
}

// sentBytes is the message of a Send.
func sentBytes(w *rdma.Work) []byte {
	b := append([]byte(nil), w.Head...)
	if w.Len > 0 {
		d := make([]byte, w.Len)
		w.Data.Read(w.At, d)
		b = append(b, d...)
	}
	return b
}
