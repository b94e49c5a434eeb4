package passthrough

import (
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// Grace is how long is waited for a device that goes on with what nobody wants any more.
//
// The task of a positioned command that is aborted ends after it at the latest. The command goes on alone: it keeps its memory and its turn, so that no
// other positioned command comes to the device before it has ended. So a reset, the loss of a nexus, and the end of the daemon do not wait for an ERASE of
// hours. All other commands are waited for until they end, since what comes later could pass them; none of them takes so long.
//
// Close waits as long for what the device still has, lunette's own commands and those: then it is closed behind our back when they have ended.
const Grace = 10 * time.Second

// abort ends the task of c, which is aborted; c is in no queue.
func (p *path) abort(c *command) {
	t := c.task
	t.OnAbort(nil)
	t.Work.Any = nil
	p.drop(c)
	p.policy.failWith(t, target.ErrAborted)
	p.advance()
}

// aborted is called when t is aborted that has a command, with the lock of t held.
func (p *path) aborted(t *target.Task) {
	c := t.Work.Any.(*command)
	switch waited, has, serial := p.queue.cancel(c); {
	case waited:
		p.background.Go(func() { p.abort(c) })
	case has && c.rule.alone:
		time.AfterFunc(Grace, func() { p.orphan(c, serial) })
	}
}

// orphan ends the task of c, which was aborted, if the device still has it: then c ends by itself.
func (p *path) orphan(c *command, serial uint64) {
	t := p.queue.orphan(c, serial)
	if t == nil {
		return
	}
	node := ""
	if l := p.queue.current(); l != nil {
		node = l.info.Node
	}
	p.warn("an aborted command is not waited for any more, the device goes on with it", "node", node, "command", t.CDB[0])
	t.OnAbort(nil)
	t.Work.Any = nil
	p.policy.failWith(t, target.ErrAborted)
}

// answerOrphan takes what the device has said to a command that nobody has waited for.
func (p *path) answerOrphan(c *command) {
	c.got = answer{Result: &c.Result, sense: c.Sense[:c.Result.Sense]}
	p.policy.heard(nil, &c.got)
	if c.got.good() && c.rule.after != nil {
		p.policy.met(scsi.ASCParametersChanged, nil) // it has changed something that others have to know
	}
	c.giveBack()
}
