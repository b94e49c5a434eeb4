package rc

import (
	"slices"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// gapBits is how many PSNs a response of a Read may be ahead of the first that is missing.
const gapBits = 4096

// A gaps knows which responses of Reads have come before others that are missing: they are in place, and are not asked for again. The queue pair's mu guards it.
type gaps struct {
	bits   [gapBits / 64]uint64 // by PSN modulo gapBits; those that are set are after the first that is missing
	marked int                  // how many are set
	high   ib.PSN               // behind the last that is set, if one is

	known  bool   // something is missing before to, or was
	to     ib.PSN // what is missing of Reads before it is lost, and is asked for again
	unsure bool   // there may be a part to be asked for now
	parts  []part // that were asked for, and have not all come, as far as is known
	fence  ib.PSN // plain: what was asked for again last
}

// A part is one of a Read that was asked for again. There is one for a Read at a time, and it begins with the first packet that is missing: rxe's responder forgets what
// is before a part that it was asked for, and never answers that again.
type part struct {
	read  ib.PSN // the first of the Read
	until ib.PSN // it ends before
	fence ib.PSN // the first PSN that was not in use then: if an answer to that comes before the part, the part was lost again
}

func (g *gaps) has(p ib.PSN) bool { return g.bits[p%gapBits/64]>>(p%64)&1 != 0 }

// mark notes that p has come.
func (g *gaps) mark(p ib.PSN) {
	g.bits[p%gapBits/64] |= 1 << (p % 64)
	if g.marked == 0 || p.Add(1).Sub(g.high) > 0 {
		g.high = p.Add(1)
	}
	g.marked++
}

// take reports that p had come, and forgets it.
func (g *gaps) take(p ib.PSN) bool {
	if !g.has(p) {
		return false
	}
	g.bits[p%gapBits/64] &^= 1 << (p % 64)
	g.marked--
	return true
}

// reset forgets everything but what has come. r.q.mu is held.
func (g *gaps) reset() { g.known, g.unsure, g.parts = false, false, g.parts[:0] }

// forget forgets the part of a Read that has come.
func (g *gaps) forget(read ib.PSN) {
	g.parts = slices.DeleteFunc(g.parts, func(x part) bool { return x.read == read })
}

// asked notes that the part of w before b was asked for again. r.q.mu is held.
func (r *requester) asked(w *rdma.Work, b ib.PSN) {
	g := &r.gaps
	x := part{first(w), b, r.sent}
	for i := range g.parts {
		if g.parts[i].read == x.read {
			g.parts[i] = x
			return
		}
	}
	g.parts = append(g.parts, x)
}

// waits reports that the packet a of w was asked for again, and may still come. r.q.mu is held.
func (r *requester) waits(w *rdma.Work, a ib.PSN) bool {
	g := &r.gaps
	for _, x := range g.parts {
		if x.read == first(w) {
			return a.Sub(x.until) < 0 && (g.marked == 0 || g.high.Sub(x.fence) <= reordered)
		}
	}
	return false
}

// ask returns the next part of a Read that is to be asked for again, by PSN, or nil. r.q.mu is held.
func (r *requester) ask() (w *rdma.Work, a, b ib.PSN) {
	g := &r.gaps
	if !g.unsure {
		return nil, 0, 0
	}
	for w = r.reads.head; w != nil && first(w).Sub(g.to) < 0; w = w.Next {
		if a, b = r.hole(w, g.to); a != b && !r.waits(w, a) {
			return w, a, b
		}
	}
	g.unsure = false // until something comes
	return nil, 0, 0
}

// hole finds the first part of w that is missing, up to before to; there is none if its ends are the same. A part is not on both sides of una: if the peer was asked for a
// part of a Read alone, it takes that for old and the rest for new. w is in reads. r.q.mu is held.
func (r *requester) hole(w *rdma.Work, to ib.PSN) (a, end ib.PSN) {
	m := r.missing()
	ahead := m.Add(gapBits) // from here on nothing is marked
	a, end = later(m, first(w)), r.end(w)
	if to.Sub(end) < 0 {
		end = to
	}
	for a.Sub(end) < 0 && a.Sub(ahead) < 0 && r.gaps.has(a) {
		a = a.Add(1)
	}
	if a.Sub(end) >= 0 {
		return a, a
	}
	if r.una.Sub(a) > 0 && r.una.Sub(end) < 0 {
		end = r.una
	}
	for b := a.Add(1); b.Sub(end) < 0 && b.Sub(ahead) < 0; b = b.Add(1) {
		if r.gaps.has(b) {
			end = b
		}
	}
	return a, end
}

// askUpTo has what is missing of Reads before the PSN to asked for again, unless it was. r.q.mu is held.
func (r *requester) askUpTo(to ib.PSN) {
	if r.reads.head == nil {
		return
	}
	g := &r.gaps
	from := r.missing()
	if g.known {
		from = later(from, g.to)
	}
	if to.Sub(from) <= 0 {
		return
	}
	if r.lack(from, to) {
		r.limits.lostReads()
	}
	g.known, g.unsure, g.to = true, true, to
}

// lack reports that a packet of a Read is missing from the PSN a to before b. a is not before the first that is missing. r.q.mu is held.
func (r *requester) lack(a, b ib.PSN) bool {
	for w := r.reads.head; w != nil; w = w.Next {
		for p := later(a, first(w)); p.Sub(b) < 0 && p.Sub(r.end(w)) < 0; p = p.Add(1) {
			if !r.gaps.has(p) {
				return true
			}
		}
	}
	return false
}

// letter does what the protocol says of a response that is ahead (9.7.5.1.1), if that is all that shall be done: the rest of the Read is asked for again, and all that
// follows. r.q.mu is held.
func (r *requester) letter(psn ib.PSN) {
	g := &r.gaps
	if !r.plain || r.reads.head == nil || psn.Sub(r.missing()) <= 0 || g.fence == r.missing() {
		return
	}
	g.reset()
	g.known, g.unsure, g.to, g.fence = true, true, r.next, r.missing()
}
