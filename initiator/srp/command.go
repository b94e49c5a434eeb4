package srp

import (
	"fmt"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A Command is a SCSI command. It can be used again when it has ended.
type Command struct {
	LUN     scsi.LUN
	Attr    uint8
	Notify  iu.Notify
	CDB     []byte
	Out, In []byte
	// Tag names it; 0: the channel chooses.
	Tag uint64
	// Change, if it is not nil, edits the IU before it is sent.
	Change func(b []byte) []byte
	// Keep leaves the memory exposed when the command has ended, for the next time with the same
	// buffers, on the same channel. Forget ends that.
	Keep bool

	Status                  scsi.Status
	Sense                   scsi.Sense
	SenseData               []byte
	OutResidual, InResidual int64
	Delta                   int32
	Solicited               bool
	Received                int // bytes of data-in, by the residual
	Err                     error

	c       *Conn
	out, in region
	send    rdma.Work
	parts   atomic.Int32 // the send, and the response
	done    chan struct{}
}

// A region is a buffer as the target may reach it.
type region struct {
	windows []rdma.Remote
	list    []byte        // descriptors
	table   *buffer.Lease // the same, to be fetched
	desc    iu.Buffer
}

// expose lets the target reach b.
func (r *region) expose(c *Conn, b []byte, a rdma.Access) error {
	if r.windows != nil || len(b) == 0 {
		return nil
	}
	r.list = r.list[:0]
	n := len(b)
	if c.cfg.Segment > 0 {
		n = c.cfg.Segment
	}
	for off := 0; off < len(b); off += n {
		s := b[off:min(off+n, len(b))]
		w, err := c.conn.Expose(buffer.Of(s), a)
		if err != nil {
			return err
		}
		r.windows = append(r.windows, w)
		r.list = iu.Descriptor{Addr: w.Addr, Key: uint32(w.Key), Len: uint32(len(s))}.Append(r.list)
	}
	count := len(r.windows)
	if count == 1 && !c.cfg.Indirect {
		r.desc = iu.Buffer{Format: iu.Direct, List: r.list, Len: uint32(len(b))}
		return nil
	}
	inline := min(count, 255, (c.cfg.MaxIU-iu.CommandLen-20)/iu.DescriptorLen)
	if c.cfg.Inline != 0 {
		inline = min(count, max(c.cfg.Inline, 0))
	}
	r.table = buffer.Of(r.list)
	w, err := c.conn.Expose(r.table, rdma.RemoteRead)
	if err != nil {
		return err
	}
	r.windows = append(r.windows, w)
	r.desc = iu.Buffer{
		Format: iu.Indirect, List: r.list[:inline*iu.DescriptorLen], Len: uint32(len(b)),
		Table: iu.Descriptor{Addr: w.Addr, Key: uint32(w.Key), Len: uint32(len(r.list))},
	}
	return nil
}

func (r *region) revoke(c *Conn) {
	for _, w := range r.windows {
		c.conn.Revoke(w.Key)
	}
	r.windows, r.desc = nil, iu.Buffer{}
}

// Forget ends the loan of memory that was kept.
func (k *Command) Forget() {
	if k.c != nil {
		k.out.revoke(k.c)
		k.in.revoke(k.c)
	}
}

// Submit sends a command. Finish must follow, unless there is an error.
func (c *Conn) Submit(k *Command) error {
	if k.done == nil {
		k.done = make(chan struct{}, 1)
	}
	k.c = c
	k.Err, k.Status, k.Sense, k.SenseData, k.OutResidual, k.InResidual, k.Received = nil, 0, scsi.Sense{}, nil, 0, 0, 0
	immediate := len(k.Out) > 0 && len(k.Out) <= c.cfg.Immediate && c.Login.Immediate
	x := iu.Command{Notify: k.Notify, LUN: uint64(k.LUN), Attr: k.Attr}
	if n := copy(x.CDB[:], k.CDB); n < len(k.CDB) {
		x.Additional = k.CDB[n:]
	}
	if immediate {
		x.Out = iu.Buffer{Format: iu.Immediate, Data: k.Out, Len: uint32(len(k.Out))}
	} else {
		if err := k.out.expose(c, k.Out, rdma.RemoteRead); err != nil {
			k.Forget()
			return err
		}
		x.Out = k.out.desc
	}
	if err := k.in.expose(c, k.In, rdma.RemoteWrite); err != nil {
		k.Forget()
		return err
	}
	x.In = k.in.desc
	c.mu.Lock()
	if err := c.credit(1); err != nil {
		c.mu.Unlock()
		k.Forget()
		return err
	}
	if x.Tag = k.Tag; x.Tag == 0 {
		c.tags++
		x.Tag = c.tags
		k.Tag = x.Tag
	}
	c.tasks[x.Tag] = k
	k.parts.Store(2)
	c.mu.Unlock()
	b := x.Append(k.send.Head[:0], c.cfg.Offset)
	if k.Change != nil {
		b = k.Change(b)
	}
	k.send.Op, k.send.Head, k.send.Owner = rdma.Send, b, k
	if !c.conn.Post(&k.send) {
		k.part() // the send's; Closed ends the rest
	}
	c.conn.Flush()
	return nil
}

// take notes a response.
func (k *Command) take(x *iu.Response) {
	k.Status, k.OutResidual, k.InResidual = scsi.Status(x.Status), x.OutResidual, x.InResidual
	k.Delta, k.Solicited = x.Delta, x.Solicited
	k.Received = max(0, len(k.In)-int(max(0, x.InResidual)))
	if len(x.Sense) > 0 {
		k.SenseData = append([]byte(nil), x.Sense...)
		s, err := scsi.ParseSense(x.Sense)
		if err != nil {
			k.Err = err
		}
		k.Sense = s
	}
	if x.HasCode && x.Code != iu.CodeComplete {
		k.Err = fmt.Errorf("srp: %v", x.Code)
	}
}

// part ends the send or the response.
func (k *Command) part() {
	if k.parts.Add(-1) == 0 {
		k.done <- struct{}{}
	}
}

// Finish waits for the end of a command.
func (c *Conn) Finish(k *Command) error {
	<-k.done
	if !k.Keep {
		k.Forget()
	}
	return k.Err
}

// Do runs a command.
func (c *Conn) Do(k *Command) error {
	if err := c.Submit(k); err != nil {
		return err
	}
	return c.Finish(k)
}

// Manage performs a task management function. Commands of this channel that it ends have ended
// with ErrAborted when it returns.
func (c *Conn) Manage(f iu.Function, lun scsi.LUN, tag uint64) (iu.Code, error) {
	c.mu.Lock()
	if err := c.credit(0); err != nil {
		c.mu.Unlock()
		return 0, err
	}
	c.tags++
	x := iu.TaskManagement{Tag: 1<<63 | c.tags, LUN: uint64(lun), Function: f, Managed: tag}
	done := make(chan iu.Code, 1)
	c.managed[x.Tag] = done
	c.mu.Unlock()
	if err := c.Send(x.Append(nil)); err != nil {
		return 0, err
	}
	code, ok := <-done
	if !ok {
		return 0, c.Err()
	}
	if code == iu.CodeComplete {
		c.Aborted(func(k *Command) bool {
			return k.LUN == lun && (f != iu.AbortTask || k.Tag == tag)
		})
	}
	return code, nil
}

// Aborted ends the commands that match, which a task management function has ended: on another
// channel, or by another initiator.
func (c *Conn) Aborted(match func(*Command) bool) {
	c.mu.Lock()
	var ended []*Command
	for tag, k := range c.tasks {
		if match(k) {
			ended = append(ended, k)
			delete(c.tasks, tag)
			c.open--
		}
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	for _, k := range ended {
		k.Err = ErrAborted
		k.part()
	}
}
