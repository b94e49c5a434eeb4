package iscsi

import (
	"github.com/lunette-io/lunette/internal/serial"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// maxManaging is how many task management functions of a session may be under way: they are mostly
// immediate, so that the command window does not bound them.
const maxManaging = 64

// manage takes a task management request (11.5). The response goes out when nothing touches
// the memory of an affected task any more. c.sess.delivery is held.
func (c *Conn) manage(p *Arrival) {
	c.noTask(p.H)
	req, err := pdu.ParseTMFRequest(p.H)
	if err == nil && c.channel == nil {
		err = &pdu.FormatError{Opcode: pdu.OpTMFRequest, Reason: pdu.RejectNotSupported, Detail: "task management in a discovery session"}
	}
	if err != nil {
		c.reject(p.H, pdu.ReasonOf(err))
		return
	}
	answer := func(r pdu.TMFResponseCode) {
		out := c.m.Control()
		pdu.TMFResponse{Response: r, ITT: req.ITT}.Put(&out.BHS)
		out.Echo = true
		c.m.SendControl(out)
		c.m.Flush()
	}
	f, ok := c.function(req.Function)
	switch {
	case req.Function == pdu.TMFTaskReassign:
		answer(pdu.TMFNoReassign)
		return
	case !ok:
		answer(pdu.TMFNotSupported)
		return
	case c.sess.managing.Load() >= maxManaging:
		answer(pdu.TMFRejected)
		return
	case !c.sess.mayReset(f):
		c.node.doors.refused.Warn(c.node.log, "target reset refused", c.place.address, "remote", c.traits.Remote, "initiator", c.sess.Initiator,
			"user", c.sess.User, "target", c.sess.Target, "why", "the target lets nobody reset it")
		answer(pdu.TMFAuthorizationFailed)
		return
	}
	filled := f == target.AbortTask && c.abortsUnseen(req, p.H.CmdSN())
	c.sess.managing.Add(1)
	c.sess.nexus.Manage(f, scsi.LUN(req.LUN), uint64(req.ReferencedTaskTag), func(r target.FunctionResult) {
		code := response(r)
		if r == target.NoSuchTask && filled {
			code = pdu.TMFComplete // it has not come yet, and never will
		}
		answer(code)
		c.sess.managing.Add(-1)
		c.sess.eased()
		switch req.Function {
		case pdu.TMFTargetColdReset:
			c.sess.coldReset()
		case pdu.TMFNexusReset:
			c.sess.end(nil) // it was asked for: the answer goes out first
		}
	})
}

// abortsUnseen reports that a request to abort a task, which has the number n, is about a command that
// has not come yet (11.5.1): its number is taken for consumed. The order of commands needs that
// now, and not when the request is answered. c.sess.delivery is held.
func (c *Conn) abortsUnseen(req pdu.TMFRequest, n uint32) bool {
	if !serial.Less(req.RefCmdSN, n) {
		return false
	}
	there := true
	c.sess.nexus.Manage(target.QueryTask, scsi.LUN(req.LUN), uint64(req.ReferencedTaskTag), func(r target.FunctionResult) {
		there = r != target.FunctionComplete // a query is answered at once
	})
	return !there && c.sess.fillGap(req.RefCmdSN)
}

// function translates the function code; those of RFC 7144 need iSCSIProtocolLevel 2.
func (c *Conn) function(f pdu.TMFFunction) (target.Function, bool) {
	level2 := c.sess.Params.ProtocolLevel >= 2
	switch f {
	case pdu.TMFAbortTask:
		return target.AbortTask, true
	case pdu.TMFAbortTaskSet:
		return target.AbortTaskSet, true
	case pdu.TMFClearACA:
		return target.ClearACA, true
	case pdu.TMFClearTaskSet:
		return target.ClearTaskSet, true
	case pdu.TMFLUNReset:
		return target.ResetLogicalUnit, true
	case pdu.TMFTargetWarmReset, pdu.TMFTargetColdReset:
		return target.ResetTarget, true
	case pdu.TMFQueryTask:
		return target.QueryTask, level2
	case pdu.TMFQueryTaskSet:
		return target.QueryTaskSet, level2
	case pdu.TMFNexusReset:
		return target.ResetNexus, level2
	case pdu.TMFQueryAsyncEvent:
		return target.QueryAsyncEvent, level2
	}
	return 0, false
}

func response(r target.FunctionResult) pdu.TMFResponseCode {
	switch r {
	case target.FunctionComplete:
		return pdu.TMFComplete
	case target.FunctionSucceeded:
		return pdu.TMFSucceeded
	case target.IncorrectLUN:
		return pdu.TMFNoLUN
	case target.NoSuchTask:
		return pdu.TMFNoTask
	case target.FunctionUnsupported:
		return pdu.TMFNotSupported
	}
	return pdu.TMFRejected
}
