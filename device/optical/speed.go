package optical

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// mechanismStatus is MECHANISM STATUS (MMC-6 6.11).
func (r *Drive) mechanismStatus(t *target.Task) {
	c, err := cdb.ParseMechanismStatus(t.CDB)
	if err != nil {
		r.FailWith(t, err)
		return
	}
	_, open, _ := r.tray.look()
	r.Reply(t, page.Mechanism{State: page.MechanismIdle, Open: open}.Append(nil), uint32(c.Allocation))
}

// bufferSize is what READ BUFFER CAPACITY and mode page 2Ah show.
const bufferSize = 2 << 20

// readBufferCapacity is READ BUFFER CAPACITY (MMC-6 6.17): the buffer never runs out, so that it is always free.
func (r *Drive) readBufferCapacity(t *target.Task) {
	c, err := cdb.ParseReadBufferCapacity(t.CDB)
	l := r.tray.usable()
	size := uint32(bufferSize)
	switch {
	case err != nil:
		r.FailWith(t, err)
		return
	case l == nil:
		r.Fail(t, r.tray.why())
		return
	case !l.profile().rewritable():
		r.Fail(t, scsi.IllegalRequest(scsi.ASCIncompatibleMedium))
		return
	case c.Blocks:
		size /= BlockSize
	}
	r.Reply(t, page.AppendBufferCapacity(nil, c.Blocks, size, size), uint32(c.Allocation))
}

// setStreaming is SET STREAMING (MMC-5 6.39), and setCDSpeed SET CD SPEED (MMC-5 6.37): every speed is all the same.
func (r *Drive) setStreaming(t *target.Task) {
	c, err := cdb.ParseSetStreaming(t.CDB)
	switch {
	case err != nil:
		r.FailWith(t, err)
	case c.Type != cdb.PerformanceData:
		r.Fail(t, scsi.InvalidFieldInCDB(8, -1))
	case c.Length != cdb.StreamListLen:
		r.Fail(t, scsi.ParameterListLengthError())
	default:
		r.ReceiveList(t, cdb.StreamListLen, r.streamWith)
	}
}

// streamWith goes on with its parameter list.
func (r *Drive) streamWith(t *target.Task, list []byte) {
	s, err := cdb.ParseStreamList(list)
	switch {
	case err != nil:
		r.FailWith(t, err)
	case s.Options&cdb.StreamDefault == 0 && s.Last < s.First:
		r.Fail(t, scsi.InvalidFieldInParameterList(8, -1))
	default:
		r.Good(t)
	}
}

func (r *Drive) setCDSpeed(t *target.Task) {
	if _, err := cdb.ParseSetCDSpeed(t.CDB); err != nil {
		r.FailWith(t, err)
		return
	}
	r.Good(t)
}
