package srp

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A function is a task management request. It is answered when the tasks that it affects have
// ended, on whichever channel, and nothing touches their memory any more: after the answer the
// initiator uses that for something else.
//
// It has a place among the arrivals of each channel of the nexus, since it is about their commands
// too. It is performed when all that came before it is with the target, and so long what came
// after it waits.
type function struct {
	c         *channel
	x         iu.TaskManagement
	lists     []*arrivals  // where it has a place
	ahead     atomic.Int32 // in how many of them something is before it
	performed atomic.Bool
}

// A marker keeps a function's place among the arrivals of one channel, to which it belongs.
type marker struct {
	f       *function
	reached bool // nothing is before it
	last    bool // of the function's places it is the one that was reached last
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
	if err := c.requests.function(x.Tag); err != nil {
		return err
	}
	f := &function{c: c, x: x}
	c.nexus.enqueue(f)
	for _, a := range f.lists {
		a.advance()
	}
	return nil
}

// enqueue gives f its place among the arrivals of each channel. Functions are in the same order
// everywhere, so that no two wait for each other.
func (nx *nexus) enqueue(f *function) {
	channels := nx.list()
	nx.order.Lock()
	defer nx.order.Unlock()
	for _, c := range channels {
		f.lists = append(f.lists, &c.arrivals)
	}
	f.ahead.Store(int32(len(f.lists)))
	for _, a := range f.lists {
		a.push(&marker{f: f})
	}
}

// complete implements arrival.
func (m *marker) complete() bool {
	m.reach()
	return m.last || m.f.performed.Load()
}

// reach notes that nothing is before the place any more.
func (m *marker) reach() {
	if !m.reached {
		m.reached = true
		m.last = m.f.ahead.Add(-1) == 0
	}
}

// retain implements arrival.
func (*marker) retain() {}

// deliver implements arrival.
func (m *marker) deliver() {
	f := m.f
	if !m.last {
		return
	}
	f.perform()
	f.performed.Store(true)
	for _, a := range f.lists {
		a.advance()
	}
}

// lose implements arrival: what was before it has ended with its connection.
func (m *marker) lose() {
	if !m.reached {
		m.reach()
		m.deliver()
	}
}

// perform hands f to the target. No lock is held.
func (f *function) perform() {
	switch known, ok := functions[f.x.Function]; {
	case !ok:
		f.answer(iu.CodeNotSupported)
	case known == target.AbortTask:
		f.abortTask()
	default:
		f.c.nexus.scsi.Manage(known, scsi.LUN(f.x.LUN), 0, func(r target.FunctionResult) { f.answer(code(r)) })
	}
}

// abortTask is ABORT TASK: of the channel's own task with that tag or, if it has none, of those of
// the nexus's other channels, since the answer that it is aborted must not be a lie.
func (f *function) abortTask() {
	nx, lun := f.c.nexus.scsi, scsi.LUN(f.x.LUN)
	elsewhere := false // the tag is that of a task of another unit
	named := func(own bool) func(*target.Task) bool {
		return func(t *target.Task) bool {
			if t.Tag != f.x.Managed || (of(t).c == f.c) != own {
				return false
			}
			same := t.LUN.Canonical() == lun.Canonical()
			elsewhere = elsewhere || !same
			return same
		}
	}
	result := iu.CodeComplete
	var steps atomic.Int32
	steps.Store(3)
	step := func() {
		if steps.Add(-1) == 0 {
			f.answer(result)
		}
	}
	n := nx.AbortTasks(named(true), step)
	if n == 0 && !elsewhere {
		n = nx.AbortTasks(named(false), step)
	} else {
		step()
	}
	switch {
	case n > 0:
	case elsewhere:
		result = iu.CodeInvalid
	default: // it has ended, unless the function asks for a unit that is not there
		nx.Manage(target.QueryTask, lun, f.x.Managed, func(r target.FunctionResult) { result = code(r) })
	}
	step()
}

// answer posts the answer. No lock is held.
func (f *function) answer(result iu.Code) {
	c := f.c
	r := iu.Response{
		Solicited: f.x.Notify.Wants(result == iu.CodeComplete), Tag: f.x.Tag, HasCode: true, Code: result,
		Delta: c.requests.answerFunction(f.x.Tag),
	}
	x := &note{answers: true}
	x.Owner, x.Head, x.Solicited = x, r.Append(nil), r.Solicited
	if c.link.conn.Post(&x.Work) {
		c.link.conn.Flush()
	}
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
