package sim

import (
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/network/rdma"
)

// room is how many messages wait for a peer that sets no limit, before its sender waits.
const room = 1024

// pump does what is in out, in order. It holds the lock but while it calls out. c.l.mu is held.
func (c *conn) pump() {
	if c.pumping || c.h == nil {
		return
	}
	c.pumping = true
	worked := false
	for !c.ended && !c.stalled && !c.l.silent && len(c.out) > 0 {
		i := c.out[0]
		if i.w != nil && i.w.Op <= rdma.SendInvalidate && c.peer.options.Messages <= 0 && c.peer.pending >= room {
			c.stats.Blocked++
			break
		}
		worked = true
		c.out[0] = item{}
		c.out = c.out[1:]
		switch {
		case i.read != nil:
			c.answer(i.read)
		case !i.fated:
			c.decide(i)
		case i.w.Op == rdma.Read:
			c.ask(i)
		default:
			c.complete(i, c.move(i))
		}
	}
	c.pumping = false
	if worked || c.ended {
		c.poke()
	}
}

// decide asks what becomes of a work, and puts it back into out. c.l.mu is held, but not while it asks.
func (c *conn) decide(i item) {
	e := Event{Dialed: c.dialed, N: c.works, Op: i.w.Op, Len: int64(len(i.w.Head)) + i.w.Len}
	c.works++
	c.l.mu.Unlock()
	i.fate, i.fated = c.l.net.fate(e), true
	c.l.mu.Lock()
	c.out = slices.Insert(c.out, 0, i)
	if c.ended {
		return
	}
	if i.fate.Drop {
		c.l.silent = true
		if i.fate.Learn > 0 {
			for _, s := range []*conn{c, c.peer} {
				s.after(i.fate.Learn, func() { s.end(fmt.Errorf("%w: sim: the link is down", rdma.ErrLost)) })
			}
		}
		return
	}
	resume := func() {
		c.stalled = false
		c.poke()
	}
	if d := i.fate.Delay; d > 0 {
		c.stalled = true
		resumeLater := resume
		if g := i.fate.Hold; g != nil {
			resumeLater = func() { c.hold(g, resume) }
		}
		c.after(d, resumeLater)
	} else if g := i.fate.Hold; g != nil {
		c.hold(g, resume)
	}
}

// hold stalls until g is open. The gate calls whoever waits without locks of its own.
func (c *conn) hold(g *Gate, resume func()) {
	c.stalled = true
	if !g.wait(func() {
		c.l.mu.Lock()
		resume()
		c.l.mu.Unlock()
	}) {
		resume()
	}
}

// move does a Send or a Write. c.l.mu is held.
func (c *conn) move(i item) error {
	if i.w.Op == rdma.Write {
		return c.write(i)
	}
	return c.send(i)
}

// complete gives a Send or Write back, behind those before it. c.l.mu is held.
func (c *conn) complete(i item, err error) {
	if len(c.late) == 0 && !c.settling && i.fate.Late <= 0 {
		c.done(i.w, err)
		return
	}
	l := &completion{w: i.w, err: err, ready: i.fate.Late <= 0}
	c.late = append(c.late, l)
	c.poke()
	if !l.ready && !c.ended {
		c.after(i.fate.Late, func() {
			l.ready = true
			c.poke()
		})
	}
}

var (
	errFlushed = fmt.Errorf("%w: sim: the connection has ended", rdma.ErrFlushed)
	errLost    = fmt.Errorf("%w: sim: the connection died", rdma.ErrLost)
)

// send brings a message to the peer. c.l.mu is held.
func (c *conn) send(i item) error {
	w, p := i.w, c.peer
	if i.fate.Cut {
		c.fail(errLost, errLost)
		return errFlushed
	}
	n := int64(len(w.Head)) + w.Len
	if n > int64(p.options.MaxMessage) {
		err := fmt.Errorf("%w: sim: %d bytes, %d fit", rdma.ErrLength, n, p.options.MaxMessage)
		ours := fmt.Errorf("%w: %w", rdma.ErrRemote, err)
		c.fail(ours, err)
		return ours
	}
	if p.options.Messages > 0 && p.pending >= p.options.Messages {
		err := fmt.Errorf("%w: sim: a message too many: %d may be under way", rdma.ErrProtocol, p.options.Messages)
		ours := fmt.Errorf("%w: sim: the peer has no room for a message: %d may be under way", rdma.ErrRemote, p.options.Messages)
		c.fail(ours, err)
		return ours
	}
	m := rdma.Message{Data: make([]byte, n)}
	at := copy(m.Data, w.Head)
	if w.Len > 0 {
		w.Data.Read(w.At, m.Data[at:at+int(w.Len)])
	}
	if w.Op == rdma.SendInvalidate {
		m.Invalidates, m.Invalidated = true, w.Invalidate
		if i.fate.Swaps {
			m.Invalidated = i.fate.Swap
		}
		if _, ok := p.windows[m.Invalidated]; !ok {
			return c.violates("an invalidate of a key that is not exposed")
		}
		delete(p.windows, m.Invalidated)
	}
	w.Moved = n
	c.stats.MessagesOut++
	c.stats.BytesOut += n
	p.stats.BytesIn += n
	p.stats.Copied += n
	p.come(event{kind: message, m: m})
	return nil
}

// violates ends the connection after this side has broken into the peer's memory. It returns
// what this side is told. c.l.mu is held.
func (c *conn) violates(what string) error {
	ours := fmt.Errorf("%w: sim: %s", rdma.ErrRemoteAccess, what)
	c.fail(ours, fmt.Errorf("%w: sim: %s", rdma.ErrAccess, what))
	return ours
}

// write places data into the peer's memory. c.l.mu is held.
func (c *conn) write(i item) error {
	w := i.w
	for first := true; first || w.Moved < w.Len; first = false {
		if c.ended {
			return errFlushed
		}
		if i.fate.Cut && w.Moved >= i.fate.At {
			c.fail(errLost, errLost)
			return errFlushed
		}
		if w.Len == 0 {
			break // any key will do
		}
		to, off, why := c.peer.window(w.Remote, w.Len, rdma.RemoteWrite)
		if why != "" {
			return c.violates(why)
		}
		n := step(i.fate, w)
		transfer(to, off+w.Moved, w.Data, w.At+w.Moved, n)
		c.moved(c.peer, n)
		w.Moved += n
		c.breathe()
	}
	return nil
}

// step is how much of w moves at a time.
func step(f Fate, w *rdma.Work) int64 {
	n := min(w.Len-w.Moved, piece)
	if f.Cut {
		n = min(n, f.At-w.Moved)
	}
	return n
}

// moved counts n bytes that went into the memory of to.
func (c *conn) moved(to *conn, n int64) {
	c.stats.BytesOut += n
	to.stats.BytesIn += n
	to.stats.Placed += n
	to.stats.Copied += n
	to.stats.CopiedPlaced += n
}

// breathe lets others have the lock in the middle of a work. c.l.mu is held.
func (c *conn) breathe() {
	c.l.mu.Unlock()
	c.l.mu.Lock()
}

// ask asks the peer for a Read, as soon as so many may be outstanding. c.l.mu is held.
func (c *conn) ask(i item) {
	if c.asked >= c.info.Reads {
		c.waiting = append(c.waiting, i)
		return
	}
	c.asked++
	r := &read{w: i.w, fate: i.fate}
	c.reads[i.w] = r
	c.peer.come(event{kind: question, read: r})
}

// answer moves the data of a Read of the peer, into the peer's memory. c.l.mu is held.
func (c *conn) answer(r *read) {
	p, w := c.peer, r.w
	size, done := w.Len, int64(0)
	for first := true; first || done < size; first = false { // w may have been given back meanwhile
		if c.ended || p.ended || p.reads[w] != r {
			return
		}
		if r.fate.Cut && w.Moved >= r.fate.At {
			c.fail(errLost, errLost)
			return
		}
		if w.Len == 0 {
			break // any key will do
		}
		from, off, why := c.window(w.Remote, w.Len, rdma.RemoteRead)
		if why != "" {
			r.err = p.violates(why)
			return
		}
		n := step(r.fate, w)
		transfer(w.Data, w.At+w.Moved, from, off+w.Moved, n)
		c.moved(p, n)
		w.Moved += n
		done += n
		c.breathe()
	}
	p.hasAnswer(r)
}

// hasAnswer is called when the data of a Read is in place. c.l.mu is held.
func (c *conn) hasAnswer(r *read) {
	if c.ended {
		return
	}
	c.asked--
	c.next()
	done := func() { c.come(event{kind: answered, read: r}) }
	if r.fate.Late > 0 {
		c.after(r.fate.Late, done)
	} else {
		done()
	}
	c.poke()
}

// next lets a Read go that waits for others, if so many may be outstanding.
func (c *conn) next() {
	if len(c.waiting) > 0 && c.asked < c.info.Reads {
		c.out = slices.Insert(c.out, 0, c.waiting[0])
		c.waiting = c.waiting[1:]
	}
}
