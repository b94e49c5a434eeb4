package virtio

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// A queue is a ring of requests while it runs. Its thread alone calls handle and burst.
type queue struct {
	g  *guest
	vq *vhost.Queue

	// handling: the thread is between handle and burst, and will flush. due is how much was given back since the last flush, see flushBytes.
	handling atomic.Bool
	due      atomic.Int64

	// Of the thread.
	free  *request // unused, by next
	head  [iu.RequestLen]byte
	reply [iu.ResponseLen]byte

	// back is a stack of requests that have come back since free was filled. All of them are taken at a time, so that none can be taken and come back while another goroutine looks at it.
	back atomic.Pointer[request]
}

// flushBytes is how much is given back before the driver is called for it at the latest: beyond it nobody gains by waiting. A command counts as flushCommand beside its data, so that with small ones the driver
// works on the first half of 32 while the thread works on the other.
const (
	flushBytes   = 256 << 10
	flushCommand = 12 << 10
)

// maxRequests bounds the requests that a guest has open, whatever the number and size of its rings is: a few kilobytes each.
const maxRequests = 1 << 14

// What a driver has done wrong, so that its connection ends.
var (
	errNoRoom   = errors.New("virtio: a request has no room for its response")
	errNoMemory = errors.New("virtio: a request lies in memory that is gone")
)

// attributes are the task attributes that there are.
var attributes = [...]target.Attr{
	iu.AttrSimple: target.Simple, iu.AttrOrdered: target.Ordered, iu.AttrHeadOfQueue: target.HeadOfQueue, iu.AttrACA: target.ACA,
}

// handle takes a request. What the target never sees is answered at once.
func (q *queue) handle(c *vhost.Chain) {
	if !q.handling.Load() {
		q.handling.Store(true)
	}
	out, in := c.Readable()-iu.RequestLen, c.Writable()-iu.ResponseLen
	if in < 0 {
		c.Return(0)
		q.g.broken(errNoRoom)
		return
	}
	if out < 0 {
		q.answer(c, &iu.Response{Code: iu.CodeFailure})
		return
	}
	if err := c.Read(0, q.head[:]); err != nil {
		c.Return(0)
		q.g.broken(fmt.Errorf("%w: %w", errNoMemory, err))
		return
	}
	x, _ := iu.ParseRequest(q.head[:]) // it is as long as it has to be
	number, lun, ok := x.Address.Unit()
	nx := q.g.nexuses[number].Load()
	switch {
	case !ok || nx == nil:
		q.answer(c, &iu.Response{Code: iu.CodeBadTarget})
	case out > 0 && in > 0, int(x.Attr) >= len(attributes):
		q.answer(c, &iu.Response{Code: iu.CodeFailure})
	case c.Again() && !mayRunAgain(typeAt(nx.scsi, lun), &x.CDB):
		q.refuse(c, scsi.UnitAttention(scsi.ASCNexusLossOccurred))
	default:
		k := q.take()
		if k == nil {
			q.answer(c, &iu.Response{Status: uint8(scsi.TaskSetFull)}) // the guest sends it again
			return
		}
		k.set(nx, c, &x, lun)
		k.HaveOut, k.Unasked, k.WantIn = out, out, in
		nx.door.Execute(&k.Task)
	}
}

// answer gives back a request that the target has not seen. The thread calls it.
func (q *queue) answer(c *vhost.Chain, r *iu.Response) {
	if err := c.Write(0, r.Append(q.reply[:0])); err != nil {
		c.Return(0)
		q.g.broken(fmt.Errorf("%w: %w", errNoMemory, err))
		return
	}
	c.Return(iu.ResponseLen)
}

// refuse is answer with CHECK CONDITION.
func (q *queue) refuse(c *vhost.Chain, s scsi.Sense) {
	q.answer(c, &iu.Response{Status: uint8(scsi.CheckCondition), Sense: s.AppendFixed(nil)})
}

// burst lets the driver see all that was given back.
func (q *queue) burst() {
	q.handling.Store(false) // what is given back after this is flushed by who gives it back
	q.due.Store(0)
	q.vq.Flush()
}

// returned lets the driver see what was given back, n bytes of it, now or at the end of the burst. No lock is held.
func (q *queue) returned(n int64) {
	if q.handling.Load() && q.due.Add(n+flushCommand) < flushBytes {
		return
	}
	q.due.Store(0)
	q.vq.Flush()
}

// take is a request that nobody uses; nil: there are too many. The thread calls it.
func (q *queue) take() *request {
	if q.free == nil {
		q.free = q.back.Swap(nil)
	}
	if k := q.free; k != nil {
		q.free, k.next = k.next, nil
		return k
	}
	if q.g.requests.Add(1) > maxRequests {
		q.g.requests.Add(-1)
		return nil
	}
	return newRequest(q)
}

// recycle takes a request back of which nothing is left.
func (q *queue) recycle(k *request) {
	for {
		top := q.back.Load()
		k.next = top
		if q.back.CompareAndSwap(top, k) {
			return
		}
	}
}
