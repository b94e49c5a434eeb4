package srp

// Credits (SRP 4.4) are a channel's request limit. It is shared out between the requests that the
// initiator may still send, those that are open, and those that it may send again as soon as it
// is told: left + open + due is the limit, always. An answer gives back all that is due. The
// channel's requests guard them.
type credits struct {
	limit int
	left  int
	open  int
	due   int
	asked bool // a CRED_REQ has not been confirmed
}

// take opens a request. false: the initiator has sent more than it may.
func (c *credits) take() bool {
	if c.left == 0 {
		return false
	}
	c.left--
	c.open++
	return true
}

// drop ends a request that gets no answer.
func (c *credits) drop() {
	c.open--
	c.due++
}

// answer ends a request, and returns what its answer gives back.
func (c *credits) answer() (delta int32) {
	c.drop()
	return c.give()
}

// give gives back all that is due.
func (c *credits) give() (delta int32) {
	delta = int32(c.due)
	c.left += c.due
	c.due = 0
	return delta
}

// ask is what a CRED_REQ has to give back now: nothing if answers will do it soon. The initiator
// confirms it, and has room for one at a time.
func (c *credits) ask(functions int) (delta int32) {
	soon := functions > 0 || (c.open > 0 && 4*c.due < c.limit && c.left > 1)
	if c.due == 0 || c.asked || soon {
		return 0
	}
	c.asked = true
	return c.give()
}

// confirm takes the initiator's answer to a CRED_REQ. false: there was none.
func (c *credits) confirm() bool {
	was := c.asked
	c.asked = false
	return was
}
