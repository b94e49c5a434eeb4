package target

import "github.com/lunette-io/lunette/scsi"

// A Function is a task management function (SAM-5 7).
type Function uint8

// Task management functions.
const (
	AbortTask Function = iota + 1
	AbortTaskSet
	ClearACA
	ClearTaskSet
	ResetLogicalUnit
	ResetTarget
	ResetNexus
	QueryTask
	QueryTaskSet
	QueryAsyncEvent
)

// A FunctionResult is the service response of a task management function.
type FunctionResult uint8

// Service responses.
const (
	FunctionComplete FunctionResult = iota
	FunctionSucceeded
	FunctionRejected
	IncorrectLUN
	NoSuchTask
	FunctionUnsupported
)

// Manage performs a task management function ("Task Management Request Received") and
// calls done with its result once nothing touches the memory of an affected task,
// perhaps before it returns. tag names the task of AbortTask and QueryTask.
func (n *Nexus) Manage(f Function, lun scsi.LUN, tag uint64, done func(FunctionResult)) {
	x := n.find(lun)
	if x == nil && f != ResetTarget && f != ResetNexus {
		done(IncorrectLUN)
		return
	}
	complete := func() { done(FunctionComplete) }
	tagged := func(t *Task) bool { return t.Tag == tag }
	switch f {
	case AbortTask:
		result := FunctionComplete
		g := newGroup(func() { done(result) })
		if matched, _ := x.abort(tagged, g); matched == 0 {
			result = NoSuchTask // its response, if it had one, has its place before ours
		}
		g.done()
	case ClearTaskSet:
		if x.unit.SharesTaskSet() {
			x.unit.Abort(n, everyTask, complete)
			return
		}
		fallthrough // the task set is the nexus's own (SAM-5 7.5)
	case AbortTaskSet:
		g := newGroup(complete)
		x.abort(everyTask, g)
		g.done()
	case ResetLogicalUnit:
		x.unit.reset(LogicalUnitReset, x, complete)
	case ResetTarget:
		g := newGroup(complete)
		for _, y := range n.ITLs() {
			g.add()
			y.unit.reset(TargetReset, y, g.done)
		}
		g.done()
	case ResetNexus:
		g := newGroup(func() {
			for _, y := range n.ITLs() {
				y.unit.server().Event(NexusReset, y)
			}
			complete()
		})
		for _, y := range n.ITLs() {
			y.abort(everyTask, g)
		}
		g.done()
	case QueryTask:
		done(query(x, tagged))
	case QueryTaskSet:
		done(query(x, everyTask))
	default:
		// ClearACA: NormACA is 0, so that there never is an ACA condition. QueryAsyncEvent:
		// unit attentions are told with commands alone.
		done(FunctionUnsupported)
	}
}

// query looks for a task that is there and not aborted.
func query(x *ITL, match func(*Task) bool) FunctionResult {
	if x.any(func(t *Task) bool { return match(t) && !t.Aborted() }) {
		return FunctionSucceeded
	}
	return FunctionComplete
}
