package virtio

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// A request is a command while it is with the target. Its chain is given back when it was answered, or has ended without an answer, and nothing of it is lent any more; the request itself is used again
// when the target has forgotten it, which may be later.
type request struct {
	target.Task
	q     *queue
	nexus *nexus
	chain *vhost.Chain // until it was given back
	next  *request     // of those that nobody uses

	cdb   [iu.CDBLen]byte
	reply [iu.ResponseLen]byte
	// written is how many of the bytes that the device fills it has filled, from the first one on.
	written int64

	// uses counts who uses the chain: the target until it answers the command or forgets it, and each loan.
	uses  atomic.Int32
	state atomic.Uint32
	in    loan // of data-in; one at a time is lent
	out   loan // of data-out
}

// The states of a request.
const (
	running  uint32 = iota
	answered        // its response is in its chain
	dropped         // the same, and the target has forgotten it: it was aborted
)

// A loan is guest's memory that is lent to the device server.
type loan struct {
	buffer.Lease
	k    *request
	busy atomic.Bool
}

func newRequest(q *queue) *request {
	k := &request{q: q}
	k.Private = k
	k.in.k, k.out.k = k, k
	return k
}

// of is virtio's side of a task of the target.
func of(t *target.Task) *request { return t.Private.(*request) }

// set makes k ready for a command.
func (k *request) set(nx *nexus, c *vhost.Chain, x *iu.Request, lun scsi.LUN) {
	k.nexus, k.chain, k.cdb = nx, c, x.CDB
	k.written = 0
	k.uses.Store(1)
	k.state.Store(running)
	k.Tag, k.LUN, k.Attr, k.Priority = x.ID, lun, attributes[x.Attr], x.Priority&15
	k.CDB = k.cdb[:cdbLen(&x.CDB)]
}

// cdbLen is how long a CDB is, of which there are always 32 bytes: one of up to 16 has as many here as other transports bring.
func cdbLen(cdb *[iu.CDBLen]byte) int {
	if scsi.Opcode(cdb[0]) != scsi.OpVariableLength {
		return 16
	}
	return min(8+int(cdb[7]), iu.CDBLen)
}

// put writes the response into the chain, and notes how many bytes of it are filled.
func (k *request) put(r *iu.Response) {
	if err := k.chain.Write(0, r.Append(k.reply[:0])); err != nil {
		k.written = 0
		k.fault(err)
		return
	}
	k.written = max(k.written, iu.ResponseLen)
}

// fault ends the connection of a driver whose memory is gone.
func (k *request) fault(err error) { k.q.g.broken(err) }

// drop ends a use of the chain, and reports that it was the last, and the chain was given back. The driver sees that after the next flush. Nothing of k may be used after that but what is the target's.
func (k *request) drop() bool {
	if k.uses.Add(-1) > 0 {
		return false
	}
	c := k.chain
	k.chain = nil
	c.Return(k.written)
	return true
}

// begin notes a loan; false: the last one is still out.
func (x *loan) begin() bool {
	if x.busy.Swap(true) {
		return false
	}
	x.k.uses.Add(1)
	return true
}

// Reclaim implements [buffer.Owner].
func (x *loan) Reclaim(*buffer.Lease) {
	k, q := x.k, x.k.q
	x.busy.Store(false)
	if !k.drop() {
		return
	}
	q.returned(iu.ResponseLen)
	if k.state.Load() == dropped {
		q.recycle(k)
	} else {
		k.Responded()
	}
}
