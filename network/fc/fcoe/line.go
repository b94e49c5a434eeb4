package fcoe

import (
	"encoding/binary"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// receives is how many bytes of frames may wait to be handed over, if the host lets that many.
const receives = 8 << 20

// A machine finds addresses on a line by FIP: it is a state machine that is told what happens. All calls come one at a time, with line.turn held.
// None may wait.
type machine interface {
	// changed tells of the state of the interface: the first call is with that at the start.
	changed(s ethernet.State)
	// fip has a FIP frame that is well-formed, and the addresses that it was sent to and from. It borrows f.
	fip(dst, src ethernet.MAC, f *fip.Frame)
	// batch tells that a batch has been handed over. l.turn is not held.
	batch()
	// deliver and route are those of the receiver and of the sender.
	deliver(dst, src ethernet.MAC, f *fc.Frame) bool
	// tick does what is due, and returns when the next thing is; the zero time: nothing is.
	tick(now time.Time) time.Time
}

// A line is an open interface with the machine on it: it hands over what comes, looks at the clock, and sends.
type line struct {
	wire ethernet.Wire
	send *sender
	recv *receiver
	log  *slog.Logger

	// turn lets one at a time use the machine. The handlers of ports are called with it held; it is taken by nothing that they may call.
	turn sync.Mutex
	m    machine
	now  ethernet.State // turn
	// frame is the FIP frame that is being handed over, by turn.
	frame   fip.Frame
	ignored atomic.Int64 // FIP frames that were not well-formed
	// due is when the clock looks again, by turn; the zero time: not before it is woken.
	due time.Time

	wake chan struct{} // due is earlier than it was
	stop chan struct{}
	done chan struct{} // the clock has ended
	once sync.Once
}

// newLine makes a line of a wire that is open, which it takes.
func newLine(w ethernet.Wire, route router, m machine, log *slog.Logger) *line {
	l := &line{wire: w, log: log, m: m, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	l.now = w.State()
	l.send = newSender(w, route)
	l.recv = newReceiver(m.deliver)
	return l
}

// start lets frames come, those to groups too, and starts the clock. After an error close is left to call.
func (l *line) start(groups ...ethernet.MAC) error {
	go l.clock()
	for _, g := range groups {
		if err := l.wire.Join(g); err != nil {
			return err
		}
	}
	l.wire.Start(l)
	return nil
}

// close ends the line. No call to the machine is under way or comes when it returns. Nobody holds line.turn.
func (l *line) close() error {
	var err error
	l.once.Do(func() {
		close(l.stop)
		<-l.done
		err = l.wire.Close()
		l.send.close()
	})
	return err
}

// clock lets the machine do what is due.
func (l *line) clock() {
	defer close(l.done)
	t := time.NewTimer(time.Hour)
	defer t.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-t.C:
		case <-l.wake:
		}
		l.turn.Lock()
		now := time.Now()
		if !l.due.IsZero() && !now.Before(l.due) {
			l.due = time.Time{}
			l.due = sooner(l.m.tick(now), l.due) // a tick may ask for another by at
		}
		wait := time.Hour
		if !l.due.IsZero() {
			wait = max(l.due.Sub(now), 0)
		}
		l.turn.Unlock()
		l.send.flush()
		t.Reset(wait)
	}
}

// at asks for a tick at a time, or before. l.turn is held.
func (l *line) at(t time.Time) {
	if t.IsZero() || (!l.due.IsZero() && !t.Before(l.due)) {
		return
	}
	l.due = t
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Received implements [ethernet.Handler].
func (l *line) Received(b []byte) {
	l.send.receiving()
	if len(b) < ethernet.HeaderLen {
		return
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	switch ethernet.Type(binary.BigEndian.Uint16(b[12:])) {
	case typeFCoE:
		l.recv.received(b)
	case fip.EtherType:
		dst, src := ethernet.MAC(b[0:6]), ethernet.MAC(b[6:12])
		if src.Group() || src == l.now.MAC || l.frame.Parse(b[ethernet.HeaderLen:]) != nil {
			l.ignored.Add(1)
			return
		}
		l.m.fip(dst, src, &l.frame)
	}
}

// Batch implements [ethernet.Handler].
func (l *line) Batch() {
	l.m.batch()
	l.send.batch()
}

// Writable implements [ethernet.Handler].
func (l *line) Writable() { l.send.writable() }

// Changed implements [ethernet.Handler].
func (l *line) Changed(s ethernet.State) {
	l.turn.Lock()
	l.now = s
	l.m.changed(s)
	l.turn.Unlock()
	l.send.flush()
}

// room is how much write data ports may ask for at a time: half of what may wait, since other frames come too.
func (l *line) room() int64 { return max(l.wire.Room()/2, 64<<10) }

// A link is a port's way to the wire: what all machines have in common of [fc.Link].
type link struct {
	l      *line
	h      fc.Handler
	out    *outlet
	closed bool // line.turn

	framesIn, bytesIn atomic.Int64
}

func newLink(l *line, h fc.Handler) *link {
	return &link{l: l, h: h, out: l.send.outlet(h.Sent)}
}

// Post implements [fc.Link].
func (k *link) Post(s *fc.Sequence) bool { return k.out.post(s) }

// Flush implements [fc.Link].
func (k *link) Flush() { k.l.send.flush() }

// Cancel implements [fc.Link].
func (k *link) Cancel(s *fc.Sequence) { k.out.cancel(s) }

// receive hands a frame over. k.l.turn is held.
func (k *link) receive(f *fc.Frame) {
	k.framesIn.Add(1)
	k.bytesIn.Add(int64(len(f.Payload)))
	k.h.Received(f)
}

// Stats implements [fc.Link].
func (k *link) Stats() fc.Stats {
	s := fc.Stats{FramesIn: k.framesIn.Load(), BytesIn: k.bytesIn.Load(), Dropped: k.l.recv.dropped()}
	w := k.l.wire.Stats()
	s.Receives, s.Sends, s.Blocked = w.Receives, w.Sends, w.Blocked
	k.out.stats(&s)
	return s
}
