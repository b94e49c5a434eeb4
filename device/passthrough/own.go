package passthrough

import (
	"bytes"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
)

// own sends a command of lunette's own when it is its turn, with at most n ≤ maxOwn bytes of data-in; see [line].
func (p *path) own(c []byte, n int, done func(*answer)) {
	x := p.take()
	p.prepare(x, c, n, done)
	p.enqueue(x)
}

// prepare makes x a command of lunette's own.
func (p *path) prepare(x *command, c []byte, n int, done func(*answer)) {
	x.CDB, x.then = c[:length(c)], done // it may be an initiator's
	if n = min(n, maxOwn); n > 0 {
		x.Direction, x.n = sg.In, int64(n)
	}
}

// answerOwn tells what came of a command of lunette's own.
func (p *path) answerOwn(c *command) {
	r := &c.Result
	c.got = answer{Result: r}
	if r.Executed() {
		c.got.sense = c.Sense[:r.Sense]
		c.got.data = c.Data.Mem[:c.moved()]
	}
	c.then(&c.got)
}

// A reply is what the device has answered to [path.ask].
type reply struct {
	sg.Result
	data  []byte
	sense scsi.Sense
}

// good reports that the device has executed the command.
func (r *reply) good() bool { return r.Executed() && r.Status == scsi.Good }

// ask sends a command by l, past the queue, and waits for its end. If the unit is closed meanwhile that is as if the device were gone; the
// command goes on by itself.
func (p *path) ask(l *link, c []byte, n int) reply {
	x := p.take()
	if !p.queue.borrow(l, x) {
		p.drop(x)
		return reply{Result: sg.Result{Err: sg.ErrGone}}
	}
	ended := make(chan reply, 1)
	p.prepare(x, c, n, func(a *answer) {
		r := reply{Result: *a.Result, data: bytes.Clone(a.data)}
		if len(a.sense) > 0 {
			r.sense, _ = scsi.ParseSense(a.sense) // what cannot be read says nothing
		}
		ended <- r
	})
	p.start(x)
	select {
	case r := <-ended:
		return r
	case <-p.ctx.Done():
		return reply{Result: sg.Result{Err: sg.ErrGone}}
	}
}
