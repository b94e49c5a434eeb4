package passthrough

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// maxTransfer is how many bytes a command may move whatever the adapter says: its data is one piece of memory.
const maxTransfer = 32 << 20

// pass gives t to the device when it is its turn, as r says, and ends it with what came of it.
func (p *path) pass(t *target.Task, r *rule) {
	if !p.queue.there() {
		p.fail(t, &sg.Result{Err: sg.ErrGone})
		return
	}
	f := p.facts()
	way, n, ok := p.extent(t, r, f)
	if !ok {
		return
	}
	c := p.take()
	c.task, c.rule, c.x, c.known, c.CDB, c.Direction, c.n = t, r, t.ITL(), f, c.cdb[:copy(c.cdb[:], t.CDB[:length(t.CDB)])], way, n
	t.Work.Any = c
	if way != sg.Out {
		p.enqueue(c)
		return
	}
	// A command for which the order matters has its place from now on, though its data comes later.
	if r.alone && !p.queue.reserve(c) {
		p.abort(c)
		return
	}
	p.stats.copied.Add(min(t.First.Len(), n))
	if n <= target.MaxPiece {
		t.ReceiveDataOut(0, n, p.ways.received)
		return
	}
	var err error
	if c.lease, err = p.memory(t, n); err != nil {
		p.noData(c, err)
		return
	}
	t.LandDataOut(0, c.lease, p.ways.landed)
}

// length is how long the CDB c is by its operation code (SPC-5 4.2.5.1). Transports have room for 16 bytes and do not say; some adapters send as many
// as they are given, and devices on such buses do not take more than they expect.
func length(c []byte) int {
	switch c[0] >> 5 {
	case 0:
		return min(6, len(c))
	case 1, 2:
		return min(10, len(c))
	case 5:
		return min(12, len(c))
	}
	return len(c) // 16, or one whose length is the vendor's, or in itself
}

// extent is which way the data of t goes and how much it is. It answers a command that cannot be sent, and reports false then.
func (p *path) extent(t *target.Task, r *rule, f *facts) (way sg.Direction, n int64, ok bool) {
	way, n, known := r.moves(t.CDB, f)
	if !known {
		switch {
		case way == sg.None && t.WantIn > 0 && t.HaveOut > 0:
			p.policy.fail(t, scsi.IllegalRequest(scsi.ASCInvalidFieldInCommandIU)) // data both ways
			return way, 0, false
		case way == sg.None && t.HaveOut > 0:
			way = sg.Out
		case way == sg.None:
			way = sg.In
		}
		if n = t.WantIn; way == sg.Out {
			n = t.HaveOut
		}
	}
	switch {
	case n > f.most():
		p.policy.fail(t, tooLong(r))
	case way == sg.Out && t.HaveOut < n:
		// The device would wait for what is missing, or write something else.
		t.Respond(target.Response{
			Status: scsi.CheckCondition, Sense: scsi.IllegalRequest(scsi.ASCInvalidFieldInCommandIU), Descriptor: f.descriptor, Moves: n,
		})
	case n == 0 || way == sg.None:
		return sg.None, 0, true
	default:
		return way, n, true
	}
	return way, n, false
}

// most is how much data a command may have.
func (f *facts) most() int64 {
	if f.maxTransfer > 0 {
		return min(maxTransfer, f.maxTransfer)
	}
	return maxTransfer
}

// tooLong is the sense of a command with more data than that.
func tooLong(r *rule) scsi.Sense { return scsi.InvalidFieldInCDB(int(max(r.data.at, 1)), -1) }

// again looks how much data c has if something else is known of the device by now than when it came: blocks may have another size.
func (p *path) again(c *command) error {
	f := p.facts()
	if c.task == nil || c.known == f {
		return nil
	}
	c.known = f
	switch way, n, known := c.rule.moves(c.CDB, f); {
	case !known || n == c.n || way != c.Direction:
		return nil
	case n > f.most():
		return tooLong(c.rule)
	case way == sg.Out && n > c.n:
		return scsi.IllegalRequest(scsi.ASCInvalidFieldInCommandIU) // the rest was not asked for
	default:
		if c.n = n; way == sg.Out {
			c.lease.Truncate(n)
		}
		return nil
	}
}

// received goes on with t, whose data-out is in l, which it takes, or does not come.
func (p *path) received(t *target.Task, l *buffer.Lease, err error) {
	c := t.Work.Any.(*command)
	if err != nil {
		p.noData(c, err)
		return
	}
	c.lease = l
	p.enqueue(c)
}

// landed goes on with t, whose data-out is in the memory of its command, or does not come.
func (p *path) landed(t *target.Task, err error) {
	c := t.Work.Any.(*command)
	if err != nil {
		p.noData(c, err)
		return
	}
	p.enqueue(c)
}

// noData ends c, whose data-out does not come.
func (p *path) noData(c *command, err error) {
	t := c.task
	p.queue.leave(c)
	t.Work.Any = nil
	p.drop(c)
	p.policy.failWith(t, err)
	p.advance()
}

// enqueue lets c, which has all that it needs, wait for its turn.
func (p *path) enqueue(c *command) {
	if c.task != nil {
		c.task.OnAbort(p.ways.aborted)
	}
	if !p.queue.enter(c) {
		p.abort(c)
		return
	}
	p.advance()
}

// advance lets commands go whose turn has come. No lock is held. One goroutine is in the loop; a call in the meantime makes it look again.
func (p *path) advance() {
	if !p.queue.begin() {
		return
	}
	for {
		c := p.queue.pop()
		if c == nil {
			return
		}
		p.start(c)
	}
}
