package srp

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// maxOut is the longest IU that we send, in bytes: a response with as much sense data as there is.
const maxOut = iu.ResponseLen + 252

// A task is one SCSI command of a channel: the target's Task and what SRP knows of it.
//
//	          its table is not there                  its table has come
//	arrives ─────────────────────────► fetching ─────────────────────────► with the target
//	   │                                  │ the connection                    │
//	   │ wrong                            │ has ended                         ├─ SendResponse ──► answering
//	   ▼                                  ▼                                   │                      │
//	refused                             dropped ◄───────── Ended, aborted ────┘       all data-in is │
//	   │                                  ▲ the tag is free, the credit due            posted, and   │
//	   │                                  │                                            the response  │
//	   │                                  └───────── withdrawn ◄──── TerminateTransfers ─────────────┤
//	   │                                                                                             ▼
//	   └──────────────────────────────────────────────────────────────────────────────────────► answered
//	                                                                        the tag is free, the credit
//	                                                                        has gone with the response
//
// An answered or withdrawn task is told to the target (Responded) when the connection has given
// back all of its works: so a task management function, by whichever channel, is answered when
// nothing of ours can touch the memory of the initiator any more. Then the target gives the task
// back (Ended).
type task struct {
	target.Task
	c    *channel
	next *task // of requests.free

	// Of the command: set before it is delivered, and not changed while it is with the target.
	tag      uint64
	notify   iu.Notify
	cdb      [16]byte
	long     []byte // room for a CDB of more than 16 bytes
	out, in  remoteBuffer
	refusal  *refusal      // why the target never sees it
	retained *buffer.Lease // immediate data, if it had to be retained

	fetching atomic.Int32 // descriptor tables that have not come

	// refs counts who refers to the task: the one who delivers it, the target until Ended, every
	// work from its posting until what follows from its end is done, and calls of the target that
	// could otherwise be overtaken by the end of the task.
	refs atomic.Int32
	// settled: the response is posted or withdrawn, and the target has not been told.
	settled atomic.Bool

	mu     sync.Mutex // guards what follows
	answer answer
	send   rdma.Work // of the response; its memory is head
	head   [maxOut]byte
	last   transfer    // the data-in that comes with the response
	pieces []*transfer // those that go ahead of it; as many as there ever were at a time
	get    transfer    // the data-out that the device server has asked for
}

// An answer is how far a task's response has come.
type answer uint8

const (
	none      answer = iota // the device server has not responded
	waiting                 // for data-in to be posted
	placed                  // it is posted, or the connection has ended
	withdrawn               // it is never sent
)

func newTask(c *channel) *task {
	k := &task{c: c}
	k.Private = k
	k.send.Owner = k // its Op is Send
	k.in.k, k.out.k = k, k
	k.in.fetch.Owner, k.out.fetch.Owner = &k.in, &k.out
	k.last.init(k, rdma.Write, &k.in)
	k.get.init(k, rdma.Read, &k.out)
	return k
}

// set makes k ready for the command x. Nobody else knows k.
func (k *task) set(x *iu.Command) {
	k.refs.Store(1)
	k.fetching.Store(0)
	k.settled.Store(false)
	k.answer, k.refusal = none, nil
	k.tag, k.notify, k.cdb = x.Tag, x.Notify, x.CDB
	k.Tag, k.LUN, k.Attr, k.CDB = x.Tag, scsi.LUN(x.LUN), target.Simple, k.cdb[:]
	if len(x.Additional) > 0 {
		k.long = append(append(k.long[:0], k.cdb[:]...), x.Additional...)
		k.CDB = k.long
	}
	k.WantIn, k.HaveOut, k.Unasked = 0, 0, 0
}

// drop ends a reference. The caller does not touch k afterwards. No lock is held.
func (k *task) drop() {
	switch n := k.refs.Add(-1); {
	case n == 1 && k.settled.CompareAndSwap(true, false): // the one left is the target's
		k.Responded()
	case n == 0:
		k.recycle()
	}
}

// recycle gives back what k has. Nobody refers to it any more.
func (k *task) recycle() {
	if k.retained != nil {
		k.retained.Release()
		k.retained = nil
	}
	k.in.reset()
	k.out.reset()
	k.CDB = nil
	k.First = buffer.Lease{}
	k.c.requests.recycle(k)
}

// piece is a transfer for data-in ahead of the response. k.mu is held.
func (k *task) piece() *transfer {
	for _, x := range k.pieces {
		if x.data == nil {
			return x
		}
	}
	x := new(transfer)
	x.init(k, rdma.Write, &k.in)
	k.pieces = append(k.pieces, x)
	return x
}

// allPosted reports that no data-in waits to be posted. k.mu is held.
func (k *task) allPosted() bool {
	for _, x := range k.pieces {
		if !x.posted() {
			return false
		}
	}
	return k.last.posted()
}

// stopDataIn posts no more data-in. k.mu is held.
func (k *task) stopDataIn() {
	k.last.stop(target.ErrAborted)
	for _, x := range k.pieces {
		x.stop(target.ErrAborted)
	}
}
