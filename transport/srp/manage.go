package srp

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A manage is a task management request. It is answered when nothing touches the memory of a task
// that it affects any more, on whichever channel: after the answer the initiator uses that memory
// for something else.
type manage struct {
	c       *channel
	x       iu.TaskManagement
	result  iu.Code
	pending atomic.Int32
}

// watch lets m wait for the end of k. The lock of k's channel is held.
func (m *manage) watch(k *task) {
	m.pending.Add(1)
	k.watchers = append(k.watchers, m)
}

// done ends one of the things that m waits for. No lock is held.
func (m *manage) done() {
	if m.pending.Add(-1) > 0 {
		return
	}
	c := m.c
	r := iu.Response{Solicited: m.x.Notify.Wants(m.result == iu.CodeComplete), Tag: m.x.Tag, HasCode: true, Code: m.result}
	c.mu.Lock()
	c.open--
	c.managing = slices.DeleteFunc(c.managing, func(o *manage) bool { return o == m })
	c.due++
	x := c.note()
	r.Delta = int32(c.due)
	x.Head = r.Append(x.head[:0])
	x.Solicited = r.Solicited
	if c.post(x) {
		c.credits += c.due
		c.due = 0
	}
	c.mu.Unlock()
	c.conn.Flush()
}

// functions are what SRP's codes ask of the target.
var functions = map[iu.Function]target.Function{
	iu.AbortTask: target.AbortTask, iu.AbortTaskSet: target.AbortTaskSet, iu.ClearTaskSet: target.ClearTaskSet,
	iu.LogicalUnitReset: target.ResetLogicalUnit, iu.ClearACA: target.ClearACA,
}

// manage takes an SRP_TSK_MGMT. An error ends the channel.
func (c *channel) manage(b []byte) error {
	x, err := iu.ParseTaskManagement(b)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if !c.takeCredit() {
		c.mu.Unlock()
		return errOverrun
	}
	if c.inUse(x.Tag) {
		c.mu.Unlock()
		return fmt.Errorf("%w: %#016x", errTag, x.Tag)
	}
	m := &manage{c: c, x: x}
	m.pending.Store(1)
	c.managing = append(c.managing, m)
	c.mu.Unlock()
	f, ok := functions[x.Function]
	lun := scsi.LUN(x.LUN)
	unit := func(k *task) bool { return k.LUN.Canonical() == lun.Canonical() }
	all := c.nx.list()
	switch {
	case !ok:
		m.result = iu.CodeNotSupported
		m.done()
		return nil
	case f == target.AbortTask:
		c.abortTask(m, lun)
		return nil
	case f != target.ClearACA:
		for _, o := range all {
			o.kill(m, unit)
		}
	}
	c.nx.x.Manage(f, lun, 0, func(r target.FunctionResult) {
		m.result = code(r)
		for _, o := range all {
			o.await(m, unit)
		}
		m.done()
	})
	return nil
}

// abortTask is ABORT TASK: of the channel's own task with that tag or, if it has none, of those of
// the nexus's other channels.
func (c *channel) abortTask(m *manage, lun scsi.LUN) {
	var found []*task // referred to, so that they stay themselves
	hold := func(o *channel) {
		o.mu.Lock()
		if k := o.named(m.x.Managed); k != nil {
			k.refs++
			found = append(found, k)
		}
		o.mu.Unlock()
	}
	if hold(c); len(found) == 0 {
		for _, o := range c.nx.list() {
			if o != c {
				hold(o)
			}
		}
	}
	release := func() {
		for _, k := range found {
			k.c.mu.Lock()
			k.drop()
			k.c.unlock()
		}
		m.done()
	}
	if len(found) == 0 { // it has ended, unless it asks for a unit that is not there
		c.nx.x.Manage(target.QueryTask, lun, m.x.Managed, func(r target.FunctionResult) { m.result = code(r) })
		m.done()
		return
	}
	for _, k := range found {
		if k.LUN.Canonical() != lun.Canonical() {
			m.result = iu.CodeInvalid
			release()
			return
		}
	}
	for _, k := range found {
		k.c.kill(m, func(o *task) bool { return o == k })
	}
	c.nx.x.Abort(func(t *target.Task) bool {
		for _, k := range found {
			if t == &k.Task {
				return true
			}
		}
		return false
	}, func() {
		for _, k := range found {
			k.c.await(m, func(o *task) bool { return o == k })
		}
		release()
	})
}

// named is the task with a tag: one that is open or, if there is none, one that has been answered
// and whose works are not all done. c.mu is held.
func (c *channel) named(tag uint64) *task {
	if k := c.tasks.find(tag); k != nil {
		return k
	}
	for _, k := range c.all {
		if k.refs > 0 && k.tag == tag {
			return k
		}
	}
	return nil
}

// kill ends the tasks that match as far as the target does not know them: those that it has not
// seen yet, those on their way to it, and those that it has ended, but of whose data not all is
// posted. m waits for their end. No lock is held.
func (c *channel) kill(m *manage, match func(*task) bool) {
	c.mu.Lock()
	n := c.dropWaiting(match, m)
	for _, k := range c.all {
		switch {
		case k.refs == 0 || !match(k):
		case k.state == starting:
			k.kill = true
			m.watch(k)
		case k.state == ending && !k.finished:
			m.watch(k)
			k.mute = true
			k.refs++
			c.stopParts(k)
			c.conclude(k)
			k.drop()
			n++
		}
	}
	c.unlock()
	if n > 0 {
		c.unblock()
		c.conn.Flush()
	}
}

// await lets m wait for the tasks that match and that the target has ended. Those of m's own
// channel whose response is posted are not waited for: the answer comes behind it, and it behind
// the data. No lock is held.
func (c *channel) await(m *manage, match func(*task) bool) {
	c.mu.Lock()
	for _, k := range c.all {
		if k.refs > 0 && k.state == ending && match(k) && (c != m.c || !k.finished || k.mute) {
			m.watch(k)
		}
	}
	c.mu.Unlock()
}

// code translates a service response. A task that is not there is as good as aborted (SAM-5 7.2).
func code(r target.FunctionResult) iu.Code {
	switch r {
	case target.FunctionComplete, target.FunctionSucceeded, target.NoSuchTask:
		return iu.CodeComplete
	case target.IncorrectLUN:
		return iu.CodeInvalid
	case target.FunctionUnsupported:
		return iu.CodeNotSupported
	}
	return iu.CodeFailed
}
