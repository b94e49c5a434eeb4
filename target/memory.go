package target

import "github.com/lunette-io/lunette/buffer"

// Whoever needs memory for a command leases it with Task.Memory: the task's initiator and its unit
// pay. What a transport holds for a nexus beside its tasks it pays with Nexus.Memory.

// Memory lends n bytes for t, or returns [buffer.ErrExhausted]; see [buffer.Purse].
func (t *Task) Memory(n int64) (*buffer.Lease, error) { return t.itl.memory(t.channel).Get(n) }

// Purse pays for memory that a device server has elsewhere for t: see [buffer.Purse.Charge]. What was
// charged may be uncharged when t has ended.
func (t *Task) Purse() *buffer.Purse { return t.itl.memory(t.channel) }

// RawSense copies sense data of another device into memory of t, for Response.SenseData: it stays there
// however long the response waits for its place. The memory stays with t when t is used again.
func (t *Task) RawSense(data []byte) []byte {
	t.rawSense = append(t.rawSense[:0], data...)
	return t.rawSense
}

// Memory pays for what a transport holds for the initiator of n, in the arena of n's channels. There
// is none before the first channel.
func (n *Nexus) Memory() *buffer.Purse { return n.purse.Load() }

// memory is what pays for the tasks of x.
func (x *ITL) memory(ch *Channel) *buffer.Purse {
	if p := x.purse.Load(); p != nil {
		return p
	}
	unit := ""
	if x.unit != nil {
		unit = x.unit.Name
	}
	p := ch.limits.Arena.Purse(x.Nexus.Initiator.owner(), unit)
	if !x.purse.CompareAndSwap(nil, p) {
		p.Close()
	}
	return x.purse.Load()
}

// closePurse ends the use of the accounts: no task of x is left.
func (x *ITL) closePurse() {
	if p := x.purse.Load(); p != nil {
		p.Close()
	}
}

// owner is the name of the initiator's accounts: all of its nexuses by one user have the same. No name
// has a comma.
func (i Initiator) owner() string {
	switch {
	case i.Owner != "":
		return i.Owner
	case i.User == "":
		return i.Name
	}
	return i.Name + ",user=" + i.User
}
