package virtio

import (
	"fmt"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// functions are what task management functions ask of the target.
var functions = [...]target.Function{
	iu.AbortTask: target.AbortTask, iu.AbortTaskSet: target.AbortTaskSet, iu.ClearACA: target.ClearACA, iu.ClearTaskSet: target.ClearTaskSet,
	iu.NexusReset: target.ResetNexus, iu.UnitReset: target.ResetLogicalUnit, iu.QueryTask: target.QueryTask, iu.QueryTaskSet: target.QueryTaskSet,
}

// maxFunctions bounds the functions of a guest that have not ended. A driver has one or two.
const maxFunctions = 256

// control takes a request of the control queue.
func (g *guest) control(c *vhost.Chain) {
	var b [max(iu.ManagementLen, iu.NotificationLen)]byte
	n := min(c.Readable(), int64(len(b)))
	if err := c.Read(0, b[:n]); err != nil {
		g.giveBack(c, nil)
		g.broken(fmt.Errorf("%w: %w", errNoMemory, err))
		return
	}
	kind, err := iu.ParseControl(b[:n])
	switch {
	case err != nil:
		g.giveBack(c, nil)
	case kind == iu.ControlManagement:
		x, err := iu.ParseManagement(b[:n])
		if err != nil || c.Writable() < iu.ManagementResponseLen {
			g.giveBack(c, nil)
			return
		}
		g.manage(c, &x)
	case kind == iu.ControlQuery || kind == iu.ControlSubscribe:
		x, err := iu.ParseNotification(b[:n])
		if err != nil || c.Writable() < iu.NotifiedLen {
			g.giveBack(c, nil)
			return
		}
		g.notify(c, &x)
	default: // nobody knows what the answer would look like
		g.giveBack(c, nil)
	}
}

// giveBack answers a request of the control queue.
func (g *guest) giveBack(c *vhost.Chain, answer []byte) {
	vq := c.Queue()
	if err := c.Write(0, answer); err != nil {
		answer = nil
		g.broken(fmt.Errorf("%w: %w", errNoMemory, err))
	}
	c.Return(int64(len(answer)))
	vq.Flush()
}

// notify answers for asynchronous notifications, of which there are none: units tell what has happened with commands, and the events of virtio need no subscription.
func (g *guest) notify(c *vhost.Chain, x *iu.Notification) {
	a := iu.Notified{Code: iu.CodeOK}
	if number, _, ok := x.Address.Unit(); !ok || g.nexuses[number].Load() == nil {
		a.Code = iu.CodeBadTarget
	}
	g.giveBack(c, a.Append(nil))
}

// manage performs a task management function. It is answered when all requests that it ends are back in their rings, and the driver can see them there.
func (g *guest) manage(c *vhost.Chain, x *iu.Management) {
	number, lun, ok := x.Address.Unit()
	nx := g.nexuses[number].Load()
	answer := func(code iu.Code) { g.giveBack(c, []byte{byte(code)}) }
	switch {
	case !ok || nx == nil:
		answer(iu.CodeBadTarget)
		return
	case int64(x.Function) >= int64(len(functions)) || g.functions.Load() >= maxFunctions:
		answer(iu.CodeRejected)
		return
	}
	g.functions.Add(1)
	a := abort{lun: lun, id: x.ID, all: x.Function == iu.AbortTaskSet}
	aborts := a.all || x.Function == iu.AbortTask
	if aborts {
		nx.aborting(a)
	}
	g.caughtUp(func() {
		nx.scsi.Manage(functions[x.Function], lun, x.ID, func(r target.FunctionResult) {
			if aborts {
				nx.aborted(a)
			}
			g.functions.Add(-1)
			g.flush()
			answer(code(r))
		})
	})
}

// caughtUp calls then when the target has all requests that the driver has posted so far. Queues have no order among them, but a driver that has a command aborted and finds it back nowhere takes it that it will never
// be run, and uses its memory for something else: so a function waits for what may be before it.
func (g *guest) caughtUp(then func()) {
	var left atomic.Int32
	left.Store(1)
	one := func() {
		if left.Add(-1) == 0 {
			then()
		}
	}
	for i := iu.QueueRequests; i < iu.QueueRequests+maxQueues; i++ {
		if vq := g.driver.Queue(i); vq != nil {
			left.Add(1)
			vq.CatchUp(one)
		}
	}
	one()
}

// code translates a service response. A task that is not there is as good as aborted (SAM-5 7.2).
func code(r target.FunctionResult) iu.Code {
	switch r {
	case target.FunctionComplete, target.NoSuchTask:
		return iu.CodeOK
	case target.FunctionSucceeded:
		return iu.CodeSucceeded
	case target.IncorrectLUN:
		return iu.CodeIncorrectLUN
	}
	return iu.CodeRejected
}
