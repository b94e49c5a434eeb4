package srp

import "github.com/lunette-io/lunette/transport/srp/iu"

// Credits (SRP 4.4). The limit is shared out between what the initiator may still send, requests
// that are open, and what is due to it again. An answer gives back all that is due: its own
// credit, and those of commands that got no answer.

// takeCredit opens a request. c.mu is held. false: the initiator has sent more than it may.
func (c *channel) takeCredit() bool {
	if c.credits == 0 {
		return false
	}
	c.credits--
	c.open++
	c.requests++
	return true
}

// sendCredits gives back what is due without an answer, if none is sure to come soon. c.mu is held,
// and given up with unlock. The initiator answers, and has room for one such message at a time.
func (c *channel) sendCredits() {
	soon := len(c.managing) > 0 || (c.open > 0 && 4*c.due < c.node.cfg.Credits && c.credits > 1)
	if c.due == 0 || c.asked || soon || c.leaving {
		return
	}
	x := c.note()
	x.Head = iu.CreditRequest{Solicited: c.noteLimit, Delta: int32(c.due), Tag: creditTag}.Append(x.head[:0])
	x.Solicited = c.noteLimit
	if !c.post(x) {
		return
	}
	c.credits += c.due
	c.due = 0
	c.asked, c.flush = true, true
}

// creditTag is the tag of our requests: there is one at a time.
const creditTag = 1

// creditTaken takes the answer of the initiator.
func (c *channel) creditTaken() error {
	c.mu.Lock()
	defer c.unlock()
	if !c.asked {
		return errNoRequest
	}
	c.asked = false
	c.sendCredits()
	return nil
}
