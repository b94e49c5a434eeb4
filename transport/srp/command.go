package srp

import (
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// command takes an SRP_CMD. An error ends the channel.
func (c *channel) command(b []byte) error {
	x, err := iu.ParseCommand(b, c.offset)
	if len(b) < iu.CommandLen {
		return err
	}
	k, bad := c.requests.command(c, x.Tag)
	if bad != nil {
		return bad
	}
	k.set(&x)
	if k.refusal = malformed(err); k.refusal == nil {
		k.refusal = k.describe(&x)
	}
	c.arrivals.add(k)
	return nil
}

// A refusal is why a command is answered that the target never sees.
type refusal struct {
	sense scsi.Sense // no sense: TASK SET FULL
	why   string
}

var noMemory = &refusal{scsi.Sense{}, "no memory"}

// malformed is what a command is answered with that cannot be read.
func malformed(err error) *refusal {
	if err == nil {
		return nil
	}
	asc := scsi.ASCInvalidFieldInCommandIU
	if e, ok := errors.AsType[*iu.Error](err); ok {
		switch e.Fault {
		case iu.TooShort:
			asc = scsi.ASCInformationUnitTooShort
		case iu.OutTable:
			asc = scsi.ASCDataOutBufferError
		case iu.InTable:
			asc = scsi.ASCDataInBufferError
		}
	}
	return &refusal{scsi.AbortedCommand(asc), err.Error()}
}

// wrongBuffer is a fault of a data buffer: SPC-5 has the same codes for either direction.
func wrongBuffer(out bool, in scsi.ASC, format string, args ...any) *refusal {
	asc, name := in, "data-in"
	if out {
		asc, name = in+(scsi.ASCDataOutBufferError-scsi.ASCDataInBufferError), "data-out"
	}
	return &refusal{scsi.AbortedCommand(asc), name + ": " + fmt.Sprintf(format, args...)}
}

// attributes are the task attributes that there are.
var attributes = [8]struct {
	attr  target.Attr
	known bool
}{
	iu.AttrSimple: {target.Simple, true}, iu.AttrHeadOfQueue: {target.HeadOfQueue, true},
	iu.AttrOrdered: {target.Ordered, true}, iu.AttrACA: {target.ACA, true},
}

// describe notes the attribute and where the data of the command is, and asks for descriptor
// tables that did not come with it.
func (k *task) describe(x *iu.Command) *refusal {
	a := attributes[x.Attr&7]
	if k.Attr = a.attr; !a.known {
		return &refusal{scsi.AbortedCommand(scsi.ASCInvalidFieldInCommandIU), fmt.Sprintf("task attribute %d", x.Attr)}
	}
	if w := k.c.accepts(&x.Out, true); w != nil {
		return w
	}
	if w := k.c.accepts(&x.In, false); w != nil {
		return w
	}
	if w := k.out.set(&x.Out); w != nil {
		return w
	}
	if w := k.in.set(&x.In); w != nil {
		return w
	}
	if x.Out.Format == iu.Immediate && x.Out.Len > 0 {
		k.First.Init(nil, buffer.Segment{Mem: x.Out.Data})
		k.Unasked = int64(len(x.Out.Data))
	}
	if x.Out.External() {
		if w := k.out.fetchTable(); w != nil {
			return w
		}
	}
	if x.In.External() {
		return k.in.fetchTable()
	}
	return nil
}

// accepts checks what a descriptor says about its length and number of entries.
func (c *channel) accepts(b *iu.Buffer, out bool) *refusal {
	cfg := &c.node.cfg
	switch {
	case int64(b.Len) > cfg.MaxTransfer:
		return wrongBuffer(out, scsi.ASCDataInBufferOverflowSize, "%d bytes, %d are allowed", b.Len, cfg.MaxTransfer)
	case b.Entries() > cfg.MaxDescriptors:
		return wrongBuffer(out, scsi.ASCDataInBufferOverflowDescriptors, "%d descriptors, %d are allowed", b.Entries(), cfg.MaxDescriptors)
	case b.External() && b.Table.Addr+uint64(b.Table.Len)-1 < b.Table.Addr:
		return wrongBuffer(out, scsi.ASCDataInBufferError, "the descriptor table wraps around")
	case c.link.info.Reads == 0 && (b.External() || (out && b.Format != iu.Immediate && b.Len > 0)):
		return wrongBuffer(out, scsi.ASCDataInBufferError, "the initiator serves no RDMA Reads")
	}
	return nil
}

// measure finds out how long the buffers of the command are, when their descriptors are there.
func (k *task) measure() *refusal {
	if err := k.out.measure(); err != nil {
		return wrongBuffer(true, scsi.ASCDataInBufferError, "%v", err)
	}
	if err := k.in.measure(); err != nil {
		return wrongBuffer(false, scsi.ASCDataInBufferError, "%v", err)
	}
	k.WantIn, k.HaveOut = k.in.len, k.out.len
	return nil
}

// complete implements arrival.
func (k *task) complete() bool { return k.fetching.Load() == 0 }

// retain implements arrival: immediate data is copied.
func (k *task) retain() {
	n := k.First.Len()
	if n == 0 {
		return
	}
	l, err := k.c.nexus.scsi.Memory().Get(n)
	if err != nil {
		k.First = buffer.Lease{}
		k.refusal = noMemory
		return
	}
	mem := l.At(0)[:n] // one piece: an IU is not longer than a block
	copy(mem, k.First.At(0))
	k.First.Init(nil, buffer.Segment{Mem: mem})
	k.retained = l
	k.c.copied.Add(n)
}

// deliver implements arrival.
func (k *task) deliver() {
	if k.refusal == nil {
		k.refusal = k.measure()
	}
	if k.refusal == nil {
		k.refs.Add(1) // the target's, until Ended
		k.c.door.Execute(&k.Task)
	} else {
		k.refuse()
	}
	k.drop()
}

// refuse answers a command that the target never sees.
func (k *task) refuse() {
	k.c.node.log.Debug("SRP command refused", "remote", k.c.link.info.Remote, "tag", k.tag, "why", k.refusal.why)
	r := target.Response{Status: scsi.CheckCondition, Sense: k.refusal.sense}
	if k.refusal == noMemory {
		r.Status = scsi.TaskSetFull // the initiator sends it again
	}
	k.respond(&r)
}

// lose implements arrival.
func (k *task) lose() {
	k.c.requests.drop(k.tag)
	k.drop()
}
