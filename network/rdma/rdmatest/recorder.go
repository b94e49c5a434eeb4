package rdmatest

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
)

// patience is how long the suite waits for what has to come, on a machine that does much else as
// well: only a test that fails waits as long.
const patience = time.Minute

// A side is one end of a connection and its handler. It keeps what it is told, and complains
// about what no provider may do.
type side struct {
	rdma.Conn
	t    testing.TB
	name string

	// Called from Received and Done, before others learn of it; set before Start, or by set.
	received func(m rdma.Message)
	given    func(w *rdma.Work, err error)

	inside atomic.Int32 // Received

	mu       sync.Mutex
	messages []rdma.Message      // copies
	posted   map[*rdma.Work]bool // false: Post has not returned yet
	done     map[*rdma.Work]error
	order    []*rdma.Work // of Done
	ended    int
	err      error
	over     chan struct{}
	changed  chan struct{}
}

func newSide(t testing.TB, name string, c rdma.Conn) *side {
	return &side{
		Conn: c, t: t, name: name, posted: make(map[*rdma.Work]bool), done: make(map[*rdma.Work]error),
		over: make(chan struct{}), changed: make(chan struct{}, 1),
	}
}

func (s *side) note() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// set changes what is called.
func (s *side) set(received func(m rdma.Message), given func(w *rdma.Work, err error)) {
	s.mu.Lock()
	s.received, s.given = received, given
	s.mu.Unlock()
}

func (s *side) Received(m rdma.Message) {
	if s.inside.Add(1) != 1 {
		s.t.Errorf("%s: Received is called twice at a time", s.name)
	}
	s.mu.Lock()
	if s.ended > 0 {
		s.t.Errorf("%s: Received after Closed", s.name)
	}
	f := s.received
	kept := m
	kept.Data = bytes.Clone(m.Data)
	s.mu.Unlock()
	if f != nil {
		f(m)
	}
	if !bytes.Equal(kept.Data, m.Data) {
		s.t.Errorf("%s: a message changed during Received", s.name)
	}
	s.inside.Add(-1)
	s.mu.Lock()
	s.messages = append(s.messages, kept)
	s.mu.Unlock()
	s.note()
}

func (s *side) Done(w *rdma.Work, err error) {
	s.mu.Lock()
	if s.ended > 0 {
		s.t.Errorf("%s: Done after Closed", s.name)
	}
	if _, ok := s.posted[w]; !ok {
		s.t.Errorf("%s: Done of a work that is not posted", s.name)
	}
	delete(s.posted, w)
	f := s.given
	s.mu.Unlock()
	if err != nil && !known(err) {
		s.t.Errorf("%s: Done with an error of another kind: %v", s.name, err)
	}
	if f != nil {
		f(w, err)
	}
	s.mu.Lock()
	if _, again := s.done[w]; !again {
		s.order = append(s.order, w)
	}
	s.done[w] = err
	s.mu.Unlock()
	s.note()
}

func (s *side) Closed(err error) {
	s.mu.Lock()
	if s.ended++; s.ended == 1 {
		close(s.over)
	} else {
		s.t.Errorf("%s: Closed is called %d times", s.name, s.ended)
	}
	s.err = err
	for _, taken := range s.posted {
		if taken {
			s.t.Errorf("%s: Closed with a work that was not given back", s.name)
		}
	}
	s.mu.Unlock()
	if err != nil && !known(err) {
		s.t.Errorf("%s: Closed with an error of another kind: %v", s.name, err)
	}
	s.note()
}

// known reports that err wraps one of package rdma's.
func known(err error) bool {
	for _, e := range []error{rdma.ErrFlushed, rdma.ErrClosed, rdma.ErrLost, rdma.ErrAccess, rdma.ErrRemoteAccess,
		rdma.ErrLength, rdma.ErrProtocol, rdma.ErrRemote, rdma.ErrExhausted} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// try posts w; false: the connection has ended.
func (s *side) try(w *rdma.Work) bool {
	s.mu.Lock()
	s.posted[w] = false
	delete(s.done, w)
	s.mu.Unlock()
	ok := s.Conn.Post(w)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch _, still := s.posted[w]; {
	case !ok:
		if !still {
			s.t.Errorf("%s: a work was refused, and given back as well", s.name)
		}
		delete(s.posted, w)
	case still && s.ended > 0:
		s.t.Errorf("%s: a work was taken after Closed", s.name)
	case still:
		s.posted[w] = true
	}
	return ok
}

// post posts works and flushes.
func (s *side) post(ws ...*rdma.Work) {
	s.t.Helper()
	for _, w := range ws {
		if !s.try(w) {
			s.t.Fatalf("%s: Post is refused", s.name)
		}
	}
	s.Flush()
}

// cancel takes w back.
func (s *side) cancel(w *rdma.Work) bool {
	if !s.Conn.Cancel(w) {
		return false
	}
	s.mu.Lock()
	if _, ok := s.posted[w]; !ok {
		s.t.Errorf("%s: Cancel took back a work that was given back", s.name)
	}
	delete(s.posted, w)
	s.mu.Unlock()
	return true
}

// until waits for a condition on what the side knows, which it looks at with mu held.
func (s *side) until(what string, ok func() bool) {
	s.t.Helper()
	stop := time.After(patience)
	for {
		s.mu.Lock()
		yes, ended, err := ok(), s.ended > 0, s.err
		s.mu.Unlock()
		if yes {
			return
		}
		if ended {
			s.t.Fatalf("%s: it did not come before the end (%v): %s", s.name, err, what)
		}
		select {
		case <-s.changed:
		case <-time.After(5 * time.Millisecond):
		case <-stop:
			s.t.Fatalf("%s: it did not come: %s", s.name, what)
		}
	}
}

// message waits for message i and returns a copy.
func (s *side) message(i int) (m rdma.Message) {
	s.t.Helper()
	s.until("a message", func() bool { return len(s.messages) > i })
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages[i]
}

// back waits until all of ws are given back, and returns the first error.
func (s *side) back(ws ...*rdma.Work) (err error) {
	s.t.Helper()
	for _, w := range ws {
		s.until("Done", func() bool { _, ok := s.done[w]; return ok })
		s.mu.Lock()
		if err == nil {
			err = s.done[w]
		}
		s.mu.Unlock()
	}
	return err
}

// closed waits for Closed.
func (s *side) closed() error {
	s.t.Helper()
	select {
	case <-s.over:
	case <-time.After(patience):
		s.t.Fatalf("%s: the connection does not end", s.name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// ends checks that Closed comes, with one of the errors; nil is an orderly end.
func (s *side) ends(errs ...error) {
	s.t.Helper()
	err := s.closed()
	for _, e := range errs {
		if (e == nil && err == nil) || (e != nil && errors.Is(err, e)) {
			return
		}
	}
	s.t.Errorf("%s ended with %v, not with %v", s.name, err, errs)
}
