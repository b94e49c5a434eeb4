package iscsi

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/target"
)

// A task is one SCSI command: the target's Task and what iSCSI knows of it. Tasks belong to the
// session, and c is the connection that their command came by and their data and status go by: the
// allegiance (RFC 7143 4.2.2.1). They are recycled when nobody refers to them any more: a
// reference each is held by the target from Channel.Execute to Ended, by the one who executes
// while data lies in the mover's memory, by every transfer that the mover has, and by a queued
// response that is not stamped.
type task struct {
	target.Task
	c    *Conn
	next *task // in the pool
	// listed: it is in the table of tags. It belongs to the taskSet.
	listed bool
	refs   atomic.Int32

	// Of the command: set before Channel.Execute, and not changed.
	itt       uint32
	immediate bool // it consumed no CmdSN
	cdb       [16]byte
	long      []byte // room for a CDB of more than 16 bytes
	memory    Memory // at the initiator
	unasked   bool   // data that nobody has asked for follows the command
	refusal   *target.Response

	// open: the tag is in use, and the place in the command window too. It ends once, when the
	// response is queued, or when the task ends without one.
	open atomic.Bool

	sentIn bool   // data-in was given to the mover; of the one who drives the task
	dataSN uint32 // of the next Data-In: of the one who stamps, while a PDU of the task is queued

	last   Transfer // the data-in that comes with the response
	pieces [2]piece // those that go ahead of it
	out    dataOut
}

// A piece is data-in that goes ahead of the response.
type piece struct {
	Transfer
	state atomic.Uint32
}

// The states of a piece.
const (
	pieceFree    uint32 = iota
	pieceQueued         // it is on its way to the mover, or the mover has it
	pieceGivenUp        // the mover has it, and the task was aborted: nobody waits for it
)

func newTask() *task {
	k := new(task)
	k.Private = k
	k.last.Owner = k
	for i := range k.pieces {
		k.pieces[i].Owner = k
	}
	k.out.init(k)
	return k
}

// reset makes k ready for a command that came by c. Nobody else knows k.
func (k *task) reset(c *Conn) {
	k.c = c
	k.refs.Store(1)
	k.open.Store(true)
	k.unasked, k.refusal, k.sentIn, k.dataSN = false, nil, false, 0
	k.out.reset()
}

// hold adds a reference.
func (k *task) hold() { k.refs.Add(1) }

// drop ends a reference. It takes no lock. The caller does not touch k afterwards.
func (k *task) drop() {
	if k.refs.Add(-1) == 0 {
		s := k.c.sess
		k.CDB = nil
		k.First = buffer.Lease{}
		s.tasks.put(k)
		s.eased()
	}
}

// vacate gives back the tag of k and its place in the command window, if that was not done yet.
// It comes before the response is queued, so that the response tells the initiator of it.
func (k *task) vacate() {
	if !k.open.Swap(false) {
		return
	}
	if k.immediate {
		k.c.immediate.Add(-1)
	} else {
		k.c.sess.window.advanceMaxCmdSN()
	}
}

// taskOf is iSCSI's side of a task.
func taskOf(t *target.Task) *task { return t.Private.(*task) }
