package iwarp

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
)

// A handler records what the connection tells.
type handler struct {
	t        testing.TB
	received func(m rdma.Message)
	done     func(w *rdma.Work, err error)

	mu       sync.Mutex
	changed  sync.Cond
	messages []rdma.Message
	back     map[*rdma.Work]error
	closed   int
	cause    error
}

func newHandler(t testing.TB) *handler {
	h := &handler{t: t, back: make(map[*rdma.Work]error)}
	h.changed.L = &h.mu
	return h
}

func (h *handler) Received(m rdma.Message) {
	if h.received != nil {
		h.received(m)
		return
	}
	m.Data = bytes.Clone(m.Data)
	h.mu.Lock()
	h.messages = append(h.messages, m)
	h.mu.Unlock()
	h.changed.Broadcast()
}

func (h *handler) Done(w *rdma.Work, err error) {
	if h.done != nil {
		h.done(w, err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, twice := h.back[w]; twice {
		h.t.Error("a work was given back twice")
	}
	if h.closed > 0 {
		h.t.Error("a work was given back after the end")
	}
	h.back[w] = err
	h.changed.Broadcast()
}

func (h *handler) Closed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed++; h.closed > 1 {
		h.t.Error("closed twice")
	}
	h.cause = err
	h.changed.Broadcast()
}

// until waits for a condition on what h knows.
func (h *handler) until(what string, ok func() bool) {
	h.t.Helper()
	stuck := false
	stop := time.AfterFunc(20*time.Second, func() {
		h.mu.Lock()
		stuck = true
		h.mu.Unlock()
		h.changed.Broadcast()
	})
	defer stop.Stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	for !ok() {
		if stuck {
			h.t.Fatalf("it did not come: %s", what)
		}
		h.changed.Wait()
	}
}

func (h *handler) message(n int) rdma.Message {
	h.t.Helper()
	h.until("a message", func() bool { return len(h.messages) > n })
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.messages[n]
}

func (h *handler) gotBack(w *rdma.Work) error {
	h.t.Helper()
	h.until("Done", func() bool { _, ok := h.back[w]; return ok })
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.back[w]
}

func (h *handler) ended() error {
	h.t.Helper()
	h.until("Closed", func() bool { return h.closed > 0 })
	return h.cause
}
