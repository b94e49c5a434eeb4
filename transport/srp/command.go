package srp

import (
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
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
	c.mu.Lock()
	if !c.takeCredit() {
		c.mu.Unlock()
		return errOverrun
	}
	if c.inUse(x.Tag) { // its response would be taken for the other's
		c.mu.Unlock()
		return fmt.Errorf("%w: %#016x", errTag, x.Tag)
	}
	k := c.task()
	k.tag, k.notify = x.Tag, x.Notify
	c.tasks.add(k)
	k.Tag, k.LUN = x.Tag, scsi.LUN(x.LUN)
	k.cdb = x.CDB
	k.CDB = k.cdb[:]
	if len(x.Additional) > 0 {
		k.long = append(append(k.long[:0], k.cdb[:]...), x.Additional...)
		k.CDB = k.long
	}
	k.WantIn, k.HaveOut = 0, 0
	bad := wrongCommand(err)
	if bad == nil {
		bad = c.buffers(k, &x)
	}
	wait := bad == nil && c.mustWait(k)
	lent := k.hand != nil
	if wait {
		_ = c.keepHand(k) // ReceiveDataOut tells
		k.state = waiting
		c.waiting = append(c.waiting, k)
	} else {
		c.solicited += k.budget
	}
	if lent {
		k.refs++ // until the IU is the connection's again
	}
	c.mu.Unlock()
	switch {
	case bad != nil:
		c.refuse(k, bad)
	case !wait:
		c.nx.x.Execute(&k.Task)
	}
	if lent {
		c.settle(k)
	}
	return nil
}

// inUse reports a tag of a request that is open. c.mu is held.
func (c *channel) inUse(tag uint64) bool {
	for _, m := range c.managing {
		if m.x.Tag == tag {
			return true
		}
	}
	return c.tasks.find(tag) != nil
}

// wrongCommand is what a command is answered with that cannot be read.
func wrongCommand(err error) *wrong {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*iu.Error](err)
	if !ok {
		return &wrong{scsi.AbortedCommand(scsi.ASCInvalidFieldInCommandIU), err.Error()}
	}
	asc := scsi.ASCInvalidFieldInCommandIU
	switch e.Fault {
	case iu.TooShort:
		asc = scsi.ASCInformationUnitTooShort
	case iu.OutTable:
		asc = scsi.ASCDataOutBufferError
	case iu.InTable:
		asc = scsi.ASCDataInBufferError
	}
	return &wrong{scsi.AbortedCommand(asc), e.Error()}
}

// attributes are the task attributes that there are.
var attributes = [8]struct {
	attr  target.Attr
	known bool
}{
	iu.AttrSimple: {target.Simple, true}, iu.AttrHeadOfQueue: {target.HeadOfQueue, true},
	iu.AttrOrdered: {target.Ordered, true}, iu.AttrACA: {target.ACA, true},
}

// buffers notes where the data of k is, and asks for descriptor tables that are not in the
// command. c.mu is held.
func (c *channel) buffers(k *task, x *iu.Command) *wrong {
	a := attributes[x.Attr&7]
	if k.Attr = a.attr; !a.known {
		return &wrong{scsi.AbortedCommand(scsi.ASCInvalidFieldInCommandIU), fmt.Sprintf("task attribute %d", x.Attr)}
	}
	if w := c.accept(&x.Out, true); w != nil {
		return w
	}
	if w := c.accept(&x.In, false); w != nil {
		return w
	}
	k.out.set(&x.Out)
	k.in.set(&x.In)
	for _, m := range []struct {
		b *iu.Buffer
		m *memory
	}{{&x.Out, &k.out}, {&x.In, &k.in}} {
		if !m.b.External() {
			continue
		}
		l, err := c.node.cfg.Arena.Get(int64(m.b.Table.Len))
		if err != nil {
			return &wrong{errExhausted.Sense, "no memory for a descriptor table"}
		}
		m.m.table = l
	}
	if x.Out.Format == iu.Immediate && x.Out.Len > 0 {
		k.hand = x.Out.Data
		k.First.Init(nil, buffer.Segment{Mem: k.hand})
	}
	if k.out.table == nil && k.in.table == nil {
		return c.measure(k)
	}
	// What will move the data moves its descriptors first.
	for _, x := range []*transfer{&k.get, &k.last} {
		if m := x.mem; m.table != nil {
			x.role, x.op = dataTable, rdma.Read
			x.data, x.off, x.len, x.stop, x.err = m.table, 0, m.table.Len(), false, nil
			k.fetching++ // it stays so if the connection has ended: then k waits for that
			c.postWork(x, rdma.Remote{Key: rdma.Key(m.at.Key), Addr: m.at.Addr}, x.len)
		}
	}
	return nil
}

// measure finds out how long the buffers of k are, when their descriptors are there. c.mu is held.
func (c *channel) measure(k *task) *wrong {
	if err := k.out.measure(); err != nil {
		return wrongBuffer(true, scsi.ASCDataInBufferError, "%v", err)
	}
	if err := k.in.measure(); err != nil {
		return wrongBuffer(false, scsi.ASCDataInBufferError, "%v", err)
	}
	k.WantIn, k.HaveOut = k.in.len, k.out.len
	if !k.out.immediate {
		k.budget = min(k.HaveOut, target.MaxPiece)
	}
	return nil
}

// fetched takes a descriptor table that has come. c.mu is held; the caller looks for tasks that
// may start.
func (c *channel) fetched(x *transfer) {
	k, m := x.k, x.mem
	k.ready(x)
	if x.err != nil && !k.finished { // the connection ends, and k waits for that: fetching stays
		return
	}
	k.fetching--
	if k.finished { // the task has been aborted
		k.mute = true
		return
	}
	m.list = m.table.At(0)[:m.table.Len()] // one piece: it is not longer than a block
	if k.fetching == 0 && k.fail == nil {
		k.fail = c.measure(k)
	}
}

// refuse answers a command that the target never sees.
func (c *channel) refuse(k *task, w *wrong) {
	c.node.log.Debug("SRP command refused", "remote", c.info.Remote, "tag", k.tag, "why", w.why)
	r := target.Response{Status: scsi.CheckCondition, Sense: w.sense, Residual: k.WantIn + k.HaveOut}
	c.sendResponse(k, &r)
}
