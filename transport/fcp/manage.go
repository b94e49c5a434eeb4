package fcp

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// function is what a task management flag asks of the target.
func function(m iu.Management) (f target.Function, known bool) {
	switch m {
	case iu.AbortTaskSet:
		return target.AbortTaskSet, true
	case iu.ClearTaskSet:
		return target.ClearTaskSet, true
	case iu.LUReset:
		return target.ResetLogicalUnit, true
	case iu.TargetReset:
		return target.ResetTarget, true
	case iu.ClearACA:
		return target.ClearACA, true
	case iu.QueryTaskSet:
		return target.QueryTaskSet, true
	case iu.QueryAsyncEvent:
		return target.QueryAsyncEvent, true
	}
	return 0, false
}

// manage performs a task management function. Commands that came before it are with the target already. It is answered when nothing
// of the tasks that it affects is to be posted any more: what is posted leaves before the answer.
func (k *task) manage(x *iu.Command) {
	f, known := function(x.TM)
	if !known {
		k.refuse("task management flags: " + x.TM.String())
		return
	}
	k.c.functions.Add(1)
	k.mu.Lock()
	k.hold()
	k.mu.Unlock()
	k.c.nexus.Manage(f, scsi.LUN(x.LUN), 0, func(r target.FunctionResult) {
		k.tell(code(r))
		k.drop()
	})
}

// code translates a service response. A task that is not there is as good as aborted (SAM-5 7.2).
func code(r target.FunctionResult) iu.Code {
	switch r {
	case target.FunctionComplete, target.NoSuchTask:
		return iu.CodeComplete
	case target.FunctionSucceeded:
		return iu.CodeSucceeded
	case target.IncorrectLUN:
		return iu.CodeIncorrectLUN
	case target.FunctionUnsupported, target.FunctionRejected:
		return iu.CodeRejected
	}
	return iu.CodeFailed
}

// abort ends the exchange (ABTS), and calls done when nothing of it is sent any more, and its command has ended: it is ABORT TASK. A task
// management function goes on, and is not answered; nobody waits for it.
func (k *task) abort(done func()) {
	k.mu.Lock()
	if k.state == closed { // it has ended in this moment
		k.mu.Unlock()
		done()
		return
	}
	if before := k.done; before != nil {
		both := done
		done = func() { before(); both() }
	}
	k.done, k.state = done, let
	k.hold()
	k.cancel()
	with := k.with
	var now func()
	if !with && !k.sending() {
		now, k.done = k.done, nil
	}
	k.mu.Unlock()
	if now != nil {
		k.c.aborted.Add(1)
		now()
	}
	k.c.flush() // gives back what is cancelled
	if !with {
		k.drop()
		return
	}
	k.c.nexus.AbortTasks(func(t *target.Task) bool { return t == &k.Task }, k.drop)
}
