package passthrough

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// A command is a command on its way to the device and back: that of a task, or one of lunette's own. The path recycles commands; one that has a task is in
// Task.Work.Any. What it lends to the device (the CDB and the memory of its data) is its own, and stays what it is until the
// device has ended it, whatever happens to the task. An aborted task ends behind its command; but see [path.orphan].
type command struct {
	sg.Command
	path  *path
	task  *target.Task // nil: lunette's own
	rule  *rule        // of the task
	x     *target.ITL  // of the task
	known *facts       // n follows from them

	n     int64         // bytes that the CDB moves, or that there is room for
	lease *buffer.Lease // has Data; nil: none yet, or none at all
	then  func(*answer) // of lunette's own
	got   answer        // what the device has answered, for as long as it is looked at
	cdb   [sg.MaxCDB]byte

	// The queue's mu guards these.
	state     state
	serial    uint64   // how often it was used: it is another command after that
	abandoned bool     // the task was aborted while the device had the command
	link      *link    // the device that has it
	next      *command // in its line
}

// A state is where a command is.
type state uint8

const (
	arriving state = iota // it waits for data-out; if it is positioned it has its place in the order
	waiting               // it is in the queue, and nothing is missing
	begun                 // it is off the queue
	sent                  // the device has it
	over                  // it has ended
)

// take returns a command to use.
func (p *path) take() *command {
	c, _ := p.free.Get().(*command)
	if c == nil {
		c = &command{path: p}
		c.Owner, c.Done = c, p.ways.ended
	}
	return c
}

// giveBack gives back the memory of c, if it still has it.
func (c *command) giveBack() {
	if l := c.lease; l != nil {
		c.lease, c.Data, c.got = nil, buffer.Segment{}, answer{}
		l.Release()
	}
}

// drop recycles c, and gives back its memory. Nobody else knows c.
func (p *path) drop(c *command) {
	c.giveBack()
	c.task, c.rule, c.x, c.known, c.then, c.n = nil, nil, nil, nil, nil, 0
	c.got = answer{}
	c.CDB, c.Data, c.Direction, c.Link, c.Result = nil, buffer.Segment{}, sg.None, nil, sg.Result{}
	p.queue.forget(c)
	p.free.Put(c)
}

// start gives c, which the queue has let go, to its device, or ends it.
func (p *path) start(c *command) {
	switch {
	case c.link == nil:
		c.Result = sg.Result{Err: sg.ErrGone}
		p.finish(c)
		return
	case c.task != nil && c.task.Aborted():
		p.unsent(c, target.ErrAborted)
		return
	}
	err := p.stillMay(c)
	if err == nil {
		err = p.again(c)
	}
	if err == nil {
		err = p.provide(c)
	}
	if err != nil {
		p.unsent(c, err)
		return
	}
	c.Timeout = p.timeout(c.CDB)
	p.stats.commands.Add(1)
	p.queue.sends(c)
	c.link.dev.Submit(&c.Command)
}

// stillMay looks again at what may have changed while c waited: its initiator has to be told of a unit attention first, since there may be another medium, or
// another one has reserved the device.
func (p *path) stillMay(c *command) error {
	if c.task == nil {
		return nil
	}
	n := nexus.Of(c.x)
	if n.Pending() && !c.rule.attention {
		if a, ok := n.Take(); ok {
			return scsi.UnitAttention(a)
		}
	}
	if n.Denied().Has(c.rule.class(c.CDB)) {
		return reserve.ErrConflict
	}
	return nil
}

// provide sees to it that c has memory for its data. Memory for data-in may have been another's: what may not be filled whole, though the
// adapter says so, is cleared before.
func (p *path) provide(c *command) error {
	if c.n == 0 {
		return nil
	}
	if c.lease == nil {
		var err error
		if c.lease, err = p.memory(c.task, c.n); err != nil {
			return err
		}
		if !c.wholeBlocks() {
			c.lease.Clear(0, c.n)
		}
	}
	c.Data = c.lease.Segment(0)
	return nil
}

// wholeBlocks reports that the command reads logical blocks: it gets all of them, or an error.
func (c *command) wholeBlocks() bool {
	if c.rule == nil || c.rule.data.unit != byBlocks {
		return false
	}
	_, n, known := c.rule.moves(c.CDB, c.path.facts())
	return known && n == c.n // if not, blocks are of a size that nobody knows
}

// ended is called by the device when it has ended a command.
func (p *path) ended(s *sg.Command) {
	c := s.Owner.(*command)
	bound(&c.Result, int64(len(c.Data.Mem)))
	if why := goneBy(&c.Result); why != nil {
		p.lose(c.link, why)
	}
	p.finish(c)
}

// finish answers for c, which the device has ended or will never get, and lets the next one go.
func (p *path) finish(c *command) {
	p.stats.count(&c.Result)
	p.queue.ends(c)
	switch {
	case c.then != nil:
		p.answerOwn(c)
		c.giveBack() // before the link may be closed
	case c.task == nil:
		p.answerOrphan(c)
	default:
		c.task.OnAbort(nil) // whoever notes the abort of c has come back then
		p.answer(c)
	}
	p.release(c)
	p.drop(c)
	p.advance()
}

// release lets the next command have the place of c, and looks for the device if that was put off because of c.
func (p *path) release(c *command) {
	if p.queue.release(c) {
		p.look()
	}
}

// unsent ends the command of a task, or of lunette's own, which the device has not got because of err.
func (p *path) unsent(c *command, err error) {
	t := c.task
	if t == nil {
		c.Result = sg.Result{Err: err}
		p.finish(c)
		return
	}
	t.OnAbort(nil)
	t.Work.Any = nil
	p.release(c)
	p.drop(c)
	p.policy.failWith(t, err)
	p.advance()
}
