package fctest

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/fc"
)

// patience is how long the suite waits for what has to come, on a machine that does much else as
// well: only a test that fails waits as long.
const patience = time.Minute

// A side is a port and its handler. It keeps what it is told, and complains about what no provider may do.
type side struct {
	fc.Link
	b    *bed
	t    testing.TB
	name fc.Name

	// received is called from Received before others learn of the frame; see set.
	received func(f *fc.Frame)

	inside atomic.Int32 // calls but Sent

	mu         sync.Mutex
	up         bool
	ups        int
	attachment fc.Attachment
	neighbours map[fc.ID]fc.Neighbour
	frames     []fc.Frame            // copies
	posted     map[*fc.Sequence]bool // false: Post has not returned yet
	done       map[*fc.Sequence]error
	order      []*fc.Sequence // of Sent
	closed     bool
	changed    chan struct{}
}

func newSide(b *bed, name fc.Name) *side {
	return &side{
		b: b, t: b.t, name: name, neighbours: make(map[fc.ID]fc.Neighbour), posted: make(map[*fc.Sequence]bool),
		done: make(map[*fc.Sequence]error), changed: make(chan struct{}, 1),
	}
}

func (s *side) config() fc.PortConfig {
	return fc.PortConfig{Node: s.name + 0x1000, Port: s.name, Types: []fc.Type{0x08}, Features: fc.FeatureTarget | fc.FeatureInitiator}
}

// set changes what is called for each frame.
func (s *side) set(f func(f *fc.Frame)) {
	s.mu.Lock()
	s.received = f
	s.mu.Unlock()
}

// enter checks that calls come one at a time, and none after Close.
func (s *side) enter(what string) (leave func()) {
	if s.inside.Add(1) != 1 {
		s.t.Errorf("%v: %s while another call is under way", s.name, what)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.t.Errorf("%v: %s after Close", s.name, what)
	}
	return s.leave
}

func (s *side) leave() {
	s.inside.Add(-1)
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *side) Up(a fc.Attachment) {
	defer s.enter("Up")()
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.ID == 0 || a.ID >= 0xfffff0 || a.MaxPayload < fc.MinPayload || a.MaxPayload > fc.MaxPayload || a.ErrorDetect <= 0 || a.ResourceAllocation <= 0 ||
		a.Receives <= 0 || a.Fabric != s.b.Fabric || a.Fabric != (a.FabricName != 0) {
		s.t.Errorf("%v: the attachment is %+v", s.name, a)
	}
	s.up, s.attachment = true, a
	s.ups++
}

func (s *side) Down(why error) {
	defer s.enter("Down")()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.up || why == nil {
		s.t.Errorf("%v: Down (%v), and it is not up", s.name, why)
	}
	s.up = false
	clear(s.neighbours)
}

func (s *side) Found(n fc.Neighbour) {
	defer s.enter("Found")()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.up || s.b.Fabric || n.ID == 0 || n.ID == s.attachment.ID || n.Port == 0 || n.Port == s.name || n.MaxPayload < fc.MinPayload {
		s.t.Errorf("%v: found %+v", s.name, n)
	}
	s.neighbours[n.ID] = n
}

func (s *side) Gone(id fc.ID, why error) {
	defer s.enter("Gone")()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.neighbours[id]; why == nil || (!ok && !s.b.Fabric) {
		s.t.Errorf("%v: %v, which it has not found, is gone (%v)", s.name, id, why)
	}
	delete(s.neighbours, id)
}

func (s *side) Received(f *fc.Frame) {
	defer s.enter("Received")()
	kept := *f
	kept.Payload = bytes.Clone(f.Payload)
	s.mu.Lock()
	if !s.up || f.D != s.attachment.ID {
		s.t.Errorf("%v: a frame to %v, and it is %v", s.name, f.D, s.attachment.ID)
	}
	call := s.received
	s.mu.Unlock()
	if call != nil {
		call(f)
	}
	if !bytes.Equal(kept.Payload, f.Payload) || kept.Header != f.Header {
		s.t.Errorf("%v: a frame changed during Received", s.name)
	}
	kept.FCtl &^= fc.FCtlFill
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = append(s.frames, kept)
}

func (s *side) Sent(q *fc.Sequence, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.t.Errorf("%v: Sent after Close", s.name)
	}
	if _, ok := s.posted[q]; !ok {
		s.t.Errorf("%v: Sent of a sequence that is not posted", s.name)
	}
	delete(s.posted, q)
	if err != nil && !errors.Is(err, fc.ErrClosed) && !errors.Is(err, fc.ErrDown) && !errors.Is(err, fc.ErrCancelled) {
		s.t.Errorf("%v: Sent with an error of another kind: %v", s.name, err)
	}
	if err == nil && !q.Left() {
		s.t.Errorf("%v: a sequence has left, and does not say so", s.name)
	}
	s.done[q] = err
	s.order = append(s.order, q)
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// try posts q; false: the port is down.
func (s *side) try(q *fc.Sequence) bool {
	s.mu.Lock()
	s.posted[q] = false
	delete(s.done, q)
	s.mu.Unlock()
	ok := s.Post(q)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, still := s.posted[q]
	if !ok {
		if !still {
			s.t.Errorf("%v: a sequence was refused, and given back as well", s.name)
		}
		delete(s.posted, q)
	} else if still {
		s.posted[q] = true
	}
	return ok
}

// post posts sequences and flushes.
func (s *side) post(all ...*fc.Sequence) {
	s.t.Helper()
	for _, q := range all {
		if !s.try(q) {
			s.t.Fatalf("%v: Post is refused", s.name)
		}
	}
	s.Flush()
}

// until waits for a condition on what the side knows, which it looks at with mu held.
func (s *side) until(what string, ok func() bool) {
	s.t.Helper()
	look := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return ok()
	}
	if look() {
		return
	}
	stop := time.After(patience)
	tick := time.NewTicker(time.Millisecond) // several may wait
	defer tick.Stop()
	for !look() {
		select {
		case <-s.changed:
		case <-tick.C:
		case <-stop:
			for _, o := range s.b.sides {
				s.t.Logf("%v: %+v", o.name, o.Stats())
			}
			s.t.Fatalf("%v: it did not come: %s\n%+v\n%+v", s.name, what, s.b.A.Info(), s.b.B.Info())
		}
	}
}

// isUp waits for an address.
func (s *side) isUp() {
	s.t.Helper()
	s.until("an address", func() bool { return s.up })
}

// finds waits until a neighbour is found, as it is.
func (s *side) finds(o *side) {
	s.t.Helper()
	id := o.id()
	s.until("a neighbour", func() bool { _, ok := s.neighbours[id]; return ok })
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.neighbours[id]; n.Port != o.name || n.Node != o.config().Node {
		s.t.Errorf("%v: the neighbour %v is %+v", s.name, id, n)
	}
}

// misses waits until a neighbour is gone.
func (s *side) misses(id fc.ID) {
	s.t.Helper()
	s.until("that a neighbour is gone", func() bool { _, ok := s.neighbours[id]; return !ok })
}

func (s *side) id() fc.ID { return s.place().ID }

// place is the attachment.
func (s *side) place() fc.Attachment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attachment
}

// back waits until sequences are given back, and returns the first error.
func (s *side) back(all ...*fc.Sequence) (err error) {
	s.t.Helper()
	for _, q := range all {
		s.until("Sent", func() bool { _, ok := s.done[q]; return ok })
		s.mu.Lock()
		if err == nil {
			err = s.done[q]
		}
		s.mu.Unlock()
	}
	return err
}

// take waits for n frames, and returns all that have come.
func (s *side) take(n int) []fc.Frame {
	s.t.Helper()
	s.until("frames", func() bool { return len(s.frames) >= n })
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.frames
	s.frames = nil
	return all
}

// close detaches the port: nothing is left.
func (s *side) close() {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return
	}
	s.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, taken := range s.posted {
		if taken {
			s.t.Errorf("%v: Close, and a sequence was not given back", s.name)
		}
	}
	if s.inside.Load() != 0 {
		s.t.Errorf("%v: Close, and a call is under way", s.name)
	}
}
