package iscsi

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/target"
)

// maxR2T is how many R2Ts a task has outstanding at most: the MaxOutstandingR2T we offer.
const maxR2T = 4

// A task is one SCSI command of a connection: the target's Task and what iSCSI knows of it.
// Tasks are recycled by their connection when nobody refers to them any more.
type task struct {
	target.Task
	c    *Conn
	next *task // in the pool

	itt       uint32
	immediate bool // consumed no CmdSN
	cdb       [16]byte
	long      []byte // room for a CDB of more than 16 bytes
	memory    Memory // at the initiator
	refs      atomic.Int32

	in    Transfer // the last data-in, with the status
	r2tSN uint32

	dataSN uint32 // of the next Data-In: Stamp only, while a PDU of the task is queued

	// The rest is guarded by c.mu.
	ended   bool  // the target is done with it
	sentIn  bool  // data-in was given to the mover
	budget  int64 // of c.solicited
	unsent  int   // pieces of data-in that wait to be sent
	paced   bool  // the device server waits for DataInSent
	waiting bool  // not given to the target yet

	data dataOut

	later    target.Response // waits for the end of the unsolicited data
	hasLater bool
}

// A taskPool recycles the tasks of a connection. Whoever drops the last reference to a task puts
// it on a stack, without a lock; the one who takes, with the session's delivery, takes all of
// them at a time, so that no task can be taken and come back while another looks at it.
type taskPool struct {
	back atomic.Pointer[task] // that nobody refers to any more
	mine *task                // the taker's
}

func (p *taskPool) give(k *task) {
	for {
		top := p.back.Load()
		k.next = top
		if p.back.CompareAndSwap(top, k) {
			return
		}
	}
}

func (p *taskPool) take() *task {
	if p.mine == nil {
		p.mine = p.back.Swap(nil)
	}
	k := p.mine
	if k != nil {
		p.mine, k.next = k.next, nil
	}
	return k
}

// task takes a task from the pool.
func (c *Conn) task() *task {
	k := c.pool.take()
	if k == nil {
		k = new(task)
		k.c = c
		k.Private = k
		k.in.Owner = k
		k.data.init(k)
	}
	k.refs.Store(1)
	k.ended, k.waiting, k.hasLater = false, false, false
	k.budget, k.dataSN, k.r2tSN = 0, 0, 0
	k.unsent, k.paced, k.sentIn = 0, false, false
	k.data.reset()
	return k
}

func (k *task) hold() { k.refs.Add(1) }

// drop ends a reference. It takes no lock: the memory that a task leases has been given back
// when it has ended and no transfer uses it.
func (k *task) drop() {
	if k.refs.Add(-1) > 0 {
		return
	}
	k.CDB = nil
	k.First = buffer.Lease{}
	k.c.pool.give(k)
}

// A taskTable finds the tasks of a connection by Initiator Task Tag: open addressing with
// linear probing, never more than half full. It grows with the connection's queue depth.
type taskTable struct {
	slots []*task
	n     int
}

func (t *taskTable) init(n int) {
	size := 16
	for size < 2*n {
		size *= 2
	}
	t.slots = make([]*task, size)
}

func (t *taskTable) at(itt uint32) int {
	return int(itt*2654435769>>7) & (len(t.slots) - 1)
}

func (t *taskTable) find(itt uint32) *task {
	for i := t.at(itt); ; i = (i + 1) & (len(t.slots) - 1) {
		if k := t.slots[i]; k == nil || k.itt == itt {
			return k
		}
	}
}

// add reports false if the tag is in use.
func (t *taskTable) add(k *task) bool {
	if 2*t.n >= len(t.slots) {
		old := t.slots
		t.init(len(old))
		t.n = 0
		for _, o := range old {
			if o != nil {
				t.add(o)
			}
		}
	}
	i := t.at(k.itt)
	for t.slots[i] != nil {
		if t.slots[i].itt == k.itt {
			return false
		}
		i = (i + 1) & (len(t.slots) - 1)
	}
	t.slots[i] = k
	t.n++
	return true
}

func (t *taskTable) remove(k *task) {
	mask := len(t.slots) - 1
	i := t.at(k.itt)
	for t.slots[i] != k {
		if t.slots[i] == nil {
			return
		}
		i = (i + 1) & mask
	}
	t.n--
	for j := i; ; {
		t.slots[i] = nil
		for { // close the gap with the next one that may stand there
			j = (j + 1) & mask
			if t.slots[j] == nil {
				return
			}
			home := t.at(t.slots[j].itt)
			if (j-home)&mask >= (j-i)&mask {
				break
			}
		}
		t.slots[i] = t.slots[j]
		i = j
	}
}

// each calls do for every task.
func (t *taskTable) each(do func(*task)) {
	for _, k := range t.slots {
		if k != nil {
			do(k)
		}
	}
}
