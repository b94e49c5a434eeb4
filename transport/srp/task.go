package srp

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// maxOut is the longest IU that we send, in bytes: a response with as much sense data as there is.
const maxOut = iu.ResponseLen + 252

// A state is where a task is.
type state uint8

const (
	waiting  state = iota // for its descriptor table, or for its turn
	starting              // on its way to the target, after it has waited
	running               // the target's
	ending                // the target is done with it
)

// A task is one SCSI command of a channel: the target's Task and what SRP knows of it. Tasks are
// recycled by their channel when nobody refers to them any more.
type task struct {
	target.Task
	c    *channel
	next *task // free list

	tag     uint64
	notify  iu.Notify
	cdb     [16]byte
	long    []byte // room for a CDB of more than 16 bytes
	out, in memory

	// The response.
	send rdma.Work
	head [maxOut]byte
	last transfer // the last data-in, before it
	get  transfer // the data-out that the device server has asked for

	// Guarded by c.mu.
	refs     int
	state    state
	finished bool          // the tag is free, the credit counted
	mute     bool          // it gets no response
	kill     bool          // to be aborted as soon as the target has it
	fail     *wrong        // it is refused when its turn comes
	fetching int           // descriptor tables that have not come
	budget   int64         // of c.solicited
	unposted int           // transfers of data-in of which not all is posted
	unsent   int           // pieces of data-in that are not sent
	parts    *transfer     // these, by next
	paced    bool          // the device server waits for DataInSent
	hand     []byte        // immediate data in the connection's memory, until Received returns
	kept     *buffer.Lease // and where it is kept
	taken    int64         // how much of it the device server has got
	lost     bool          // there was no memory to keep it
	watchers []*manage
	watched  [2]*manage // room for them
}

// task takes a task from the free list. c.mu is held.
func (c *channel) task() *task {
	k := c.free
	if k != nil {
		c.free, k.next = k.next, nil
	} else {
		k = &task{c: c}
		k.Private = k
		k.send.Owner = k // its Op is Send
		k.last.k, k.last.mem = k, &k.in
		k.get.k, k.get.mem = k, &k.out
		k.watchers = k.watched[:0]
		c.all = append(c.all, k)
	}
	k.ready(&k.last)
	k.ready(&k.get)
	k.refs = 1
	k.state, k.finished, k.mute, k.kill, k.fail = running, false, false, false, nil
	k.fetching, k.budget, k.unposted, k.unsent, k.paced, k.taken, k.lost = 0, 0, 0, 0, false, 0, false
	return k
}

// ready makes one of k's own transfers what it is for.
func (k *task) ready(x *transfer) {
	x.data, x.role, x.op = nil, dataOut, rdma.Read
	if x == &k.last {
		x.role, x.op = lastData, rdma.Write
	}
}

// drop ends a reference. c.mu is held, and given up with unlock.
func (k *task) drop() {
	if k.refs--; k.refs > 0 {
		return
	}
	if k.kept != nil {
		k.kept.Release()
		k.kept = nil
	}
	k.in.reset()
	k.out.reset()
	k.CDB = nil
	k.First = buffer.Lease{}
	c := k.c
	k.next, c.free = c.free, k
	if k.mute { // nothing of it is left: only now the initiator may send another
		c.open--
		c.due++
		c.aborted++
		c.sendCredits()
	}
	if len(k.watchers) > 0 {
		c.told = append(c.told, k.watchers...)
		clear(k.watchers)
	}
	k.watchers = k.watched[:0]
}

// finish takes k out of the books: its tag is free. c.mu is held.
func (c *channel) finish(k *task) {
	k.finished = true
	c.tasks.remove(k)
	c.solicited -= k.budget
	k.budget = 0
	k.drop()
}

// A taskTable finds the tasks of a channel by tag: open addressing with linear probing, never more
// than half full, since a channel has no more tasks than credits.
type taskTable struct {
	slots []*task
	shift uint
}

func (t *taskTable) init(n int) {
	t.shift = 64 - 4
	for 1<<(64-t.shift) < 2*n {
		t.shift--
	}
	t.slots = make([]*task, 1<<(64-t.shift))
}

func (t *taskTable) home(tag uint64) int { return int(tag * 0x9e3779b97f4a7c15 >> t.shift) }

func (t *taskTable) find(tag uint64) *task {
	for i := t.home(tag); ; i = (i + 1) & (len(t.slots) - 1) {
		if k := t.slots[i]; k == nil || k.tag == tag {
			return k
		}
	}
}

// add puts in a task whose tag is not there.
func (t *taskTable) add(k *task) {
	i := t.home(k.tag)
	for t.slots[i] != nil {
		i = (i + 1) & (len(t.slots) - 1)
	}
	t.slots[i] = k
}

func (t *taskTable) remove(k *task) {
	mask := len(t.slots) - 1
	i := t.home(k.tag)
	for t.slots[i] != k {
		i = (i + 1) & mask
	}
	for j := i; ; { // close the gap with the next one that may stand there
		t.slots[i] = nil
		for {
			j = (j + 1) & mask
			o := t.slots[j]
			if o == nil {
				return
			}
			if (j-t.home(o.tag))&mask >= (j-i)&mask {
				break
			}
		}
		t.slots[i] = t.slots[j]
		i = j
	}
}
