package srp

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// sendResponse ends a command: the last data-in, and the response when all data-in is posted.
func (c *channel) sendResponse(k *task, r *target.Response) {
	run, data := r.Run, r.DataIn
	n := int64(iu.ResponseLen)
	c.mu.Lock()
	k.state = ending
	k.put(r)
	if data != nil && data.Len() > 0 {
		n += data.Len()
		c.move(&k.last, data, r.At)
		data = k.last.take() // at once: the connection has ended
	}
	c.conclude(k)
	wait := len(c.waiting) > 0
	c.unlock()
	if data != nil {
		data.Release()
	}
	if wait {
		c.unblock()
	}
	if run != nil {
		run.Add(c.conn, n)
	} else {
		c.conn.Flush()
	}
}

// put writes the response; its request limit delta comes when it is posted.
func (k *task) put(r *target.Response) {
	x := iu.Response{Solicited: k.notify.Wants(r.Status == scsi.Good), Tag: k.tag, Status: uint8(r.Status)}
	x.OutResidual, x.InResidual = residuals(r.Residual, k.HaveOut, k.WantIn)
	if r.Status == scsi.CheckCondition {
		b := k.head[:iu.ResponseLen]
		if r.Descriptor {
			b = r.Sense.AppendDescriptor(b)
		} else {
			b = r.Sense.AppendFixed(b)
		}
		x.Sense = scsi.CutSense(b[iu.ResponseLen:], maxOut-iu.ResponseLen)
	}
	k.send.Head = x.Append(k.head[:0])
	k.send.Solicited = x.Solicited
}

// residuals are the two that SRP has, of the one that SAM-5 has: what is left over of a command with
// two buffers is of the data-in buffer first.
func residuals(n, out, in int64) (int64, int64) {
	switch {
	case in == 0 && out > 0:
		return n, 0
	case n > in:
		return n - in, in
	}
	return 0, n
}

// conclude sends the response of a task that has ended, as soon as all of its data-in is posted,
// or ends it without one. c.mu is held. It reports that something was posted.
func (c *channel) conclude(k *task) bool {
	if k.state != ending || k.finished || k.unposted > 0 {
		return false
	}
	if !k.mute {
		iu.SetDelta(k.send.Head, int32(c.due+1))
		if c.conn.Post(&k.send) {
			k.refs++
			c.open--
			c.credits += c.due + 1
			c.due = 0
			c.finish(k)
			return true
		}
		k.mute = true
	}
	c.finish(k)
	return false
}

// dropped ends a command that gets no response.
func (c *channel) dropped(k *task) {
	c.mu.Lock()
	k.state, k.mute = ending, true
	c.stopParts(k)
	c.conclude(k)
	wait := len(c.waiting) > 0
	c.unlock()
	if wait {
		c.unblock()
	}
}
