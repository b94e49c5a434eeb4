package iscsi

import (
	"errors"
	"slices"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// maxImmediate is how many immediate commands a connection may have outstanding; more are
// rejected (RFC 7143 4.2.2.1 asks for two).
const maxImmediate = 16

// command takes a SCSI Command (11.3).
func (c *Conn) command(p *Arrival) {
	cmd, err := pdu.ParseSCSICommand(p.H)
	if c.sess.nexus == nil {
		err = &pdu.FormatError{Opcode: pdu.OpSCSICommand, Reason: pdu.RejectNotSupported, Detail: "SCSI in a discovery session"}
	}
	var ahs pdu.AHS
	if err == nil && len(p.AHS) > 0 {
		ahs, err = pdu.ParseAHS(p.AHS)
	}
	if err != nil {
		c.noTask(p.H)
		c.reject(p.H, pdu.ReasonOf(err))
		return
	}
	c.mu.Lock()
	if c.dead { // it was held, and its connection has ended
		c.mu.Unlock()
		c.noTask(p.H)
		return
	}
	k := c.task()
	k.itt, k.immediate, k.memory = cmd.ITT, cmd.Immediate, p.Memory
	reason := pdu.RejectReason(0)
	switch {
	case cmd.ITT == pdu.NoTag:
		reason = pdu.RejectInvalidField
	case cmd.Immediate && c.immediate >= maxImmediate:
		reason = pdu.RejectTooManyImmediate
	case !c.tasks.add(k):
		reason = pdu.RejectTaskInProgress
	}
	if reason != 0 {
		k.drop()
		c.mu.Unlock()
		c.noTask(p.H)
		c.reject(p.H, reason)
		return
	}
	if cmd.Immediate {
		c.immediate++
	}
	k.cdb = cmd.CDB
	k.CDB = k.cdb[:]
	if ahs.ExtendedCDB != nil {
		k.long = append(append(k.long[:0], k.cdb[:]...), ahs.ExtendedCDB...)
		k.CDB = k.long
	}
	k.Tag, k.LUN = uint64(cmd.ITT), scsi.LUN(cmd.LUN)
	k.Attr, k.Priority = attribute(cmd.Attr), cmd.Priority
	k.WantIn, k.HaveOut = 0, 0
	switch {
	case cmd.Write && cmd.Read:
		k.HaveOut, k.WantIn = int64(cmd.ExpectedDataLength), int64(ahs.BidiReadLength)
	case cmd.Write:
		k.HaveOut = int64(cmd.ExpectedDataLength)
	case cmd.Read:
		k.WantIn = int64(cmd.ExpectedDataLength)
	}
	bad, ok := c.expect(k, &cmd, p)
	wait := ok && c.mustWait(k)
	if wait {
		c.keepFirst(k)
		k.waiting = true
		c.waiting = append(c.waiting, k)
	} else {
		c.solicited += k.budget
	}
	lent := p.H.DataSegmentLength() > 0
	if lent {
		k.hold() // until the data segment is settled
	}
	c.mu.Unlock()
	switch {
	case !ok:
		c.refuse(k, bad)
	case !wait:
		c.sess.nexus.Execute(&k.Task)
	}
	if lent {
		c.settle(k, p)
	}
}

func attribute(a pdu.TaskAttribute) target.Attr {
	switch a {
	case pdu.AttrOrdered:
		return target.Ordered
	case pdu.AttrHeadOfQueue:
		return target.HeadOfQueue
	case pdu.AttrACA:
		return target.ACA
	}
	return target.Simple // untagged ones too (11.3.1)
}

// expect notes what data comes unasked and checks that it may (13.10, 13.11, 13.14). c.mu is
// held. It returns false, and the sense, for a command that breaks the rules.
func (c *Conn) expect(k *task, cmd *pdu.SCSICommand, p *Arrival) (scsi.Sense, bool) {
	n := int64(p.H.DataSegmentLength())
	d := &k.data
	d.done = true
	if !cmd.Write {
		if n > 0 {
			return scsi.AbortedCommand(scsi.ASCWriteErrorUnexpectedUnsolicitedData), false
		}
		return scsi.Sense{}, true
	}
	prm := &c.sess.Params
	d.first = min(int64(prm.FirstBurstLength), k.HaveOut)
	if !cmd.Final {
		d.done = false
		if prm.InitialR2T {
			return scsi.AbortedCommand(scsi.ASCWriteErrorUnexpectedUnsolicitedData), false
		}
	} else {
		d.first = n
	}
	switch {
	case n > 0 && !prm.ImmediateData:
		return scsi.AbortedCommand(scsi.ASCWriteErrorUnexpectedUnsolicitedData), false
	case n > min(int64(prm.FirstBurstLength), k.HaveOut):
		return scsi.AbortedCommand(scsi.ASCWriteErrorNotEnoughUnsolicitedData), false
	}
	k.budget = min(k.HaveOut-d.first, target.MaxPiece)
	switch {
	case n == 0: // nothing is lent, and nothing to settle
	case p.Pending > 0:
		d.arriving = true
	default:
		d.atHand = p.Data
		if n == k.HaveOut {
			k.First.Init(nil, buffer.Segment{Mem: p.Data})
		}
	}
	return scsi.Sense{}, true
}

// mustWait reports that k cannot go to the target yet, because the connection waits for as
// much data as it may already. Writes to a unit keep their order; reads pass writes that
// wait, ORDERED tasks pass nothing, and nothing passes them. c.mu is held.
func (c *Conn) mustWait(k *task) bool {
	for _, w := range c.waiting {
		if k.Attr == target.Ordered || (w.Attr == target.Ordered && k.Attr != target.HeadOfQueue) ||
			(k.budget > 0 && w.LUN == k.LUN) {
			return true
		}
	}
	if len(c.waiting) == 0 && c.fits(k) {
		return false
	}
	return k.budget > 0 && !c.hasShare(k)
}

// fits reports that the connection may wait for the data of k as well. c.mu is held.
func (c *Conn) fits(k *task) bool {
	return k.budget == 0 || c.solicited == 0 || c.solicited+k.budget <= c.node.cfg.Solicited
}

// share is the part of what a connection may wait for that each unit has for itself: with the
// defaults one piece that comes, and one to follow it at once.
const share = 8

// hasShare reports that the tasks of k's unit wait for so little that k may go even if the
// connection waits for as much as it may: a unit that is slow to use its data never holds up
// another. c.mu is held.
func (c *Conn) hasShare(k *task) bool {
	others := int64(0)
	c.tasks.each(func(o *task) {
		if o.LUN == k.LUN && o != k && !o.waiting {
			others += o.budget
		}
	})
	return others == 0 || others+k.budget <= c.node.cfg.Solicited/share
}

// turn is the place in c.waiting of the first task that may go, or -1. c.mu is held.
func (c *Conn) turn() int {
	var room [8]scsi.LUN
	full := room[:0] // units of which a task waits on
	for i, k := range c.waiting {
		switch {
		case i == 0 && c.fits(k):
			return i
		case i > 0 && k.Attr == target.Ordered:
			return -1
		case k.budget == 0:
			return i
		case slices.Contains(full, k.LUN):
		case c.hasShare(k):
			return i
		case k.Attr == target.Ordered || len(full) == len(room):
			return -1
		default:
			full = append(full, k.LUN)
		}
	}
	return -1
}

// unblock gives tasks that waited to the target. No lock is held.
func (c *Conn) unblock() {
	for {
		c.mu.Lock()
		if len(c.waiting) == 0 || c.dead {
			c.mu.Unlock()
			return
		}
		i := c.turn()
		if i < 0 {
			c.mu.Unlock()
			return
		}
		k := c.waiting[i]
		if c.waiting = slices.Delete(c.waiting, i, i+1); len(c.waiting) == 0 {
			c.waiting = nil
		}
		k.waiting = false
		c.solicited += k.budget
		c.mu.Unlock()
		c.sess.nexus.Execute(&k.Task)
	}
}

// dropWaiting forgets the tasks that the target has not seen.
func (c *Conn) dropWaiting() {
	c.dropWaitingIf(everyTask)
}

// dropWaitingIf forgets those that match, and returns how many they were.
func (c *Conn) dropWaitingIf(match func(*task) bool) int {
	c.mu.Lock()
	var keep, gone []*task
	for _, k := range c.waiting {
		if match(k) {
			gone = append(gone, k)
		} else {
			keep = append(keep, k)
		}
	}
	c.waiting = keep
	for _, k := range gone {
		k.waiting = false
		k.budget = 0
	}
	c.mu.Unlock()
	for _, k := range gone {
		c.cancelUnsolicited(k)
		c.sess.Dropped(&k.Task)
	}
	return len(gone)
}

// refuse answers a command that the target never sees.
func (c *Conn) refuse(k *task, s scsi.Sense) {
	r := target.Response{Status: scsi.CheckCondition, Sense: s, Residual: k.WantIn + k.HaveOut}
	c.sess.SendResponse(&k.Task, &r)
}

var errExhausted = &target.DataError{Sense: scsi.AbortedCommand(scsi.ASCInsufficientResources)}

// dataError makes of a transfer's error what a device server answers with.
func dataError(err error) error {
	sense := scsi.AbortedCommand(scsi.ASCDataPhaseError)
	switch {
	case err == nil, err == target.ErrAborted:
		return err
	case errors.Is(err, ErrTerminated):
		return target.ErrAborted
	case errors.As(err, new(*target.DataError)):
		return err
	case errors.Is(err, ErrDataDigest):
		sense = scsi.AbortedCommand(scsi.ASCProtocolServiceCRCError)
	case errors.Is(err, ErrDataAmount):
		sense = scsi.AbortedCommand(scsi.ASCWriteErrorNotEnoughUnsolicitedData)
	}
	return &target.DataError{Sense: sense}
}
