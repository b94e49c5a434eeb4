package iscsi

import (
	"errors"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// maxImmediate is how many immediate commands a connection may have outstanding; more are
// rejected (RFC 7143 4.2.2.1 asks for two).
const maxImmediate = 16

// command takes a SCSI Command (11.3). c.sess.delivery is held.
func (c *Conn) command(p *Arrival) {
	cmd, err := pdu.ParseSCSICommand(p.H)
	if c.channel == nil {
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
	k := c.sess.tasks.take(c)
	k.itt, k.immediate, k.memory = cmd.ITT, cmd.Immediate, p.Memory
	if reason := c.admit(k); reason != 0 {
		k.drop()
		c.noTask(p.H)
		c.reject(p.H, reason)
		return
	}
	k.fill(&cmd, &ahs)
	sense, ok := c.announced(k, &cmd, p)
	n := p.H.DataSegmentLength()
	if n > 0 { // the data lies in the mover's memory, or is still arriving
		k.hold()
		defer k.drop()
	}
	if ok {
		c.channel.Execute(&k.Task)
	} else {
		c.refuse(k, sense)
	}
	if p.Pending > 0 {
		k.out.segment(int64(n))
	}
}

// admit notes k under its tag, or says why it is rejected.
func (c *Conn) admit(k *task) pdu.RejectReason {
	switch {
	case k.itt == pdu.NoTag:
		return pdu.RejectInvalidField
	case k.immediate && c.immediate.Load() >= maxImmediate:
		return pdu.RejectTooManyImmediate
	case !c.sess.tasks.add(k):
		return pdu.RejectTaskInProgress
	}
	if k.immediate {
		c.immediate.Add(1)
	}
	return 0
}

// fill sets what the target has to know.
func (k *task) fill(cmd *pdu.SCSICommand, ahs *pdu.AHS) {
	k.cdb = cmd.CDB
	k.CDB = k.cdb[:]
	if ahs.ExtendedCDB != nil {
		k.long = append(append(k.long[:0], k.cdb[:]...), ahs.ExtendedCDB...)
		k.CDB = k.long
	}
	k.Tag, k.LUN = uint64(cmd.ITT), scsi.LUN(cmd.LUN)
	k.Attr, k.Priority = attribute(cmd.Attr), cmd.Priority
	k.WantIn, k.HaveOut, k.Unasked = 0, 0, 0
	switch {
	case cmd.Write && cmd.Read:
		k.HaveOut, k.WantIn = int64(cmd.ExpectedDataLength), int64(ahs.BidiReadLength)
	case cmd.Write:
		k.HaveOut = int64(cmd.ExpectedDataLength)
	case cmd.Read:
		k.WantIn = int64(cmd.ExpectedDataLength)
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

// announced notes what data comes unasked and checks that it may (13.10, 13.11, 13.14). It returns
// false, and the sense, for a command that breaks the rules; what comes nevertheless is thrown
// away.
func (c *Conn) announced(k *task, cmd *pdu.SCSICommand, p *Arrival) (scsi.Sense, bool) {
	n := int64(p.H.DataSegmentLength()) // immediate data
	prm := &c.sess.Params
	most := n // where the unasked data ends
	if !cmd.Final {
		most = min(int64(prm.FirstBurstLength), k.HaveOut)
	}
	from := int64(0) // where what is not here begins
	if p.Pending == 0 {
		from = n
	}
	if p.Pending > 0 || !cmd.Final {
		k.unasked = true
		k.out.expect(from, most, p.Pending > 0, !cmd.Final)
	}
	switch {
	case n > 0 && (!cmd.Write || !prm.ImmediateData), !cmd.Final && prm.InitialR2T:
		return scsi.AbortedCommand(scsi.ASCWriteErrorUnexpectedUnsolicitedData), false
	case n > min(int64(prm.FirstBurstLength), k.HaveOut):
		return scsi.AbortedCommand(scsi.ASCWriteErrorNotEnoughUnsolicitedData), false
	}
	k.Unasked = most
	if n > 0 && p.Pending == 0 {
		k.First.Init(nil, buffer.Segment{Mem: p.Data})
	}
	return scsi.Sense{}, true
}

// refuse answers a command that the target never sees.
func (c *Conn) refuse(k *task, s scsi.Sense) {
	k.refusal = &target.Response{Status: scsi.CheckCondition, Sense: s, Residual: k.WantIn + k.HaveOut}
	k.out.refuse()
	if c.SendResponse(&k.Task, k.refusal) {
		k.responded()
	}
}

// responded tells who has answered k that the response has its place.
func (k *task) responded() {
	if k.refusal != nil {
		k.drop()
		return
	}
	k.Responded()
}

// unsolicited takes a Data-Out that answers no R2T (11.7). c.sess.delivery is held.
func (c *Conn) unsolicited(p *Arrival) {
	out, err := pdu.ParseDataOut(p.H)
	if k := c.sess.tasks.find(c, out.ITT); k != nil {
		k.out.take(out, err, p)
		return
	}
	if !p.retained {
		c.sess.retainData(c, p) // or it is of a task that was aborted
	}
}

// dataError makes of a transfer's error what a device server answers with.
func dataError(err error) error {
	sense := scsi.AbortedCommand(scsi.ASCDataPhaseError)
	switch {
	case err == nil, err == target.ErrAborted:
		return err
	case errors.Is(err, ErrTerminated):
		return target.ErrAborted
	case errors.As(err, new(*target.DataError)), errors.Is(err, buffer.ErrExhausted):
		return err
	case errors.Is(err, ErrDataDigest):
		sense = scsi.AbortedCommand(scsi.ASCProtocolServiceCRCError)
	case errors.Is(err, ErrDataAmount):
		sense = scsi.AbortedCommand(scsi.ASCWriteErrorNotEnoughUnsolicitedData)
	}
	return &target.DataError{Sense: sense}
}
