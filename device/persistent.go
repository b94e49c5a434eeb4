package device

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// Reserving are the commands of reservations, for device servers with a command table and without. Whoever calls them has checked that the CDB has its full
// length, and no bit that has no meaning.
type Reserving struct {
	Reservations *nexus.Reservations
	// FailWith ends a task with what an error means, Reply with GOOD and data, of which the CDB has room for allocation bytes.
	FailWith func(t *target.Task, err error)
	Reply    func(t *target.Task, data []byte, allocation uint32)
}

// Reserve is RESERVE(6) and RESERVE(10) of SPC-2, of the whole unit only.
func (r *Reserving) Reserve(t *target.Task) { r.legacy(t, reserve.ReserveUnit) }

// Release is RELEASE(6) and RELEASE(10) of SPC-2.
func (r *Reserving) Release(t *target.Task) { r.legacy(t, reserve.ReleaseUnit) }

func (r *Reserving) legacy(t *target.Task, o reserve.Op) {
	r.change(t, reserve.Change{Op: o, From: nexus.Of(t.ITL()).Key()}, 0)
}

// change makes a change of the reservations and answers t when it is kept; t has used n bytes
// of its data-out.
func (r *Reserving) change(t *target.Task, c reserve.Change, n int) {
	r.Reservations.Change(t, c, func(err error) {
		if err != nil {
			r.FailWith(t, err)
			return
		}
		t.Respond(target.Response{Moves: int64(n)})
	})
}

// PersistentIn is PERSISTENT RESERVE IN (SPC-5 6.15).
func (r *Reserving) PersistentIn(t *target.Task) {
	c, err := cdb.ParsePersistentIn(t.CDB)
	if err != nil {
		r.FailWith(t, err)
		return
	}
	var data []byte
	r.Reservations.View(func(now *reserve.State) {
		data = now.AppendIn(nil, c.Action, r.Reservations.MayPersist())
	})
	r.Reply(t, data, uint32(c.Allocation))
}

// PersistentOut is PERSISTENT RESERVE OUT (SPC-5 6.16).
func (r *Reserving) PersistentOut(t *target.Task) {
	c, err := cdb.ParsePersistentOut(t.CDB)
	switch {
	case err != nil:
		r.FailWith(t, err)
	case c.Length < cdb.PersistentListLen || c.Length > reserve.MaxParameterList || int64(c.Length) > t.HaveOut:
		r.FailWith(t, scsi.ParameterListLengthError())
	default:
		t.ReceiveDataOut(0, int64(c.Length), r.outReceived)
	}
}

// outReceived has the parameter list of t, l, which it takes.
func (r *Reserving) outReceived(t *target.Task, l *buffer.Lease, err error) {
	if err != nil {
		r.FailWith(t, err)
		return
	}
	list := make([]byte, l.Len())
	l.Read(0, list)
	l.Release()
	c, err := reserve.ParseOut(t.CDB, list, r.Reservations.Sender(t))
	if err != nil {
		r.FailWith(t, err)
		return
	}
	r.change(t, c, len(list))
}
