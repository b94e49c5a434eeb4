package iwarp

import (
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/network/rdma"
)

// A terms is what both sides have agreed on.
type terms struct {
	crc    bool
	reads  int // how many Reads this side may have outstanding
	serves int // how many the peer may
	rtr    RTR // the message that the initiator begins with, if any
}

// maxServes bounds how many Reads of a peer are served at a time, whatever it asks for.
const maxServes = 128

// alone is how many Reads may be outstanding if the peer does not say how many it serves: every peer
// that serves Reads serves one.
const alone = 1

// unusable returns why nobody can accept the request q, or nil.
func (q *frame) unusable() error {
	switch {
	case q.markers:
		return errors.New("the peer wants markers")
	case q.peer && q.rtr == 0:
		return errors.New("the peer offers no RTR message")
	}
	return nil
}

// offers is how many Reads the peer that has sent the request q serves.
func (q *frame) offers() int {
	switch {
	case !q.enhanced:
		return alone
	case q.ird == free:
		return free - 1
	}
	return int(q.ird)
}

// refusal is the Reply that rejects q.
func (q *frame) refusal(private []byte) frame {
	return frame{reply: true, reject: true, rev: q.rev, crc: q.crc, enhanced: q.enhanced, private: private}
}

// answer is the Reply that accepts q, and what both sides have agreed on then.
func (q *frame) answer(o *rdma.Options, crc bool) (frame, terms) {
	a := frame{reply: true, rev: q.rev, crc: q.crc || crc, enhanced: q.enhanced, private: o.Private}
	t := terms{crc: a.crc, reads: min(o.Reads, q.offers()), serves: min(o.Serves, maxServes)}
	if !q.enhanced {
		return a, t
	}
	if q.peer {
		// A Write of no bytes is the first choice: it needs no answer.
		for _, r := range []RTR{RTRWrite, RTRRead, RTRSend} {
			if q.rtr&r != 0 && t.rtr == 0 {
				t.rtr = r
			}
		}
		a.peer, a.rtr = true, t.rtr
		if t.rtr == RTRRead {
			t.serves = max(t.serves, 1)
		}
	}
	a.ird, a.ord = uint16(t.serves), uint16(t.reads)
	if q.ord == free {
		a.ird = free
	}
	if q.ird == free {
		t.reads = o.Reads
		a.ord = free
	}
	return a, t
}

// ask makes the Request of an initiator.
func ask(o *rdma.Options, c *Config) frame {
	q := frame{rev: 2, enhanced: true, crc: c.CRC, private: o.Private}
	if c.Revision == 1 {
		q.rev, q.enhanced = 1, false
		return q
	}
	q.ird, q.ord = uint16(min(o.Serves, maxServes)), uint16(min(o.Reads, free-1))
	q.peer, q.rtr = c.RTR != 0, c.RTR
	return q
}

// agree is what both sides have agreed on after the Reply a to q.
func (q *frame) agree(a *frame, o *rdma.Options) (terms, error) {
	t := terms{crc: q.crc || a.crc, reads: min(o.Reads, alone), serves: min(o.Serves, maxServes)}
	switch {
	case a.reject:
		return t, &rdma.RejectedError{Private: a.private}
	case a.markers:
		return t, fmt.Errorf("%w: the peer wants markers", rdma.ErrProtocol)
	case a.enhanced != q.enhanced:
		return t, fmt.Errorf("%w: MPA revision %d answered by revision %d", rdma.ErrProtocol, q.rev, a.rev)
	case !q.enhanced:
		return t, nil
	}
	t.reads = o.Reads
	if a.ird != free {
		t.reads = min(o.Reads, int(a.ird))
	}
	if a.ord != free && int(a.ord) > t.serves {
		// The peer means to ask for more than was offered. That can be had up to a limit, as Linux
		// does, whose target does not look at the offer.
		if t.serves = int(a.ord); t.serves > maxServes {
			return t, fmt.Errorf("%w: the peer wants %d RDMA Reads served", rdma.ErrProtocol, a.ord)
		}
	}
	if q.peer {
		for _, r := range []RTR{RTRWrite, RTRRead, RTRSend} {
			if q.rtr&a.rtr&r != 0 && t.rtr == 0 {
				t.rtr = r
			}
		}
		if !a.peer || t.rtr == 0 || t.rtr == RTRRead && a.ird == 0 {
			return t, fmt.Errorf("%w: no RTR message that both know", rdma.ErrProtocol)
		}
		if t.rtr == RTRRead {
			t.reads = max(t.reads, 1)
		}
	}
	return t, nil
}
