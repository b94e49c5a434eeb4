package device

import (
	"errors"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// Fail ends t with CHECK CONDITION and sense, in the format that the control mode page
// asks for.
func (s *Server) Fail(t *target.Task, sense scsi.Sense) {
	t.Respond(target.Response{Status: scsi.CheckCondition, Sense: sense, Descriptor: s.descriptor(t)})
}

// descriptor reports that the initiator of t wants sense in descriptor format.
func (s *Server) descriptor(t *target.Task) bool { return s.Settings(t.ITL()).Has(descriptorSense) }

// FailMoving is Fail for a command that moves so many bytes by its CDB: the residual says by
// how much that is less or more than the initiator has.
func (s *Server) FailMoving(t *target.Task, sense scsi.Sense, moves int64) {
	t.Respond(target.Response{Status: scsi.CheckCondition, Sense: sense, Descriptor: s.descriptor(t), Moves: moves})
}

// FailSending is FailMoving for a command that has data-in all the same: the last of it, l, which it takes, is for
// offset at of the initiator's buffer. l may be nil.
func (s *Server) FailSending(t *target.Task, sense scsi.Sense, moves int64, l *buffer.Lease, at int64) {
	t.Respond(target.Response{Status: scsi.CheckCondition, Sense: sense, Descriptor: s.descriptor(t), Moves: moves, DataIn: l, At: at})
}

// FailRaw ends t with CHECK CONDITION and sense data as another device gave it, in whichever
// format. sense is borrowed until the response has its place on the wire: it is not changed any
// more.
func (s *Server) FailRaw(t *target.Task, sense []byte) {
	t.Respond(target.Response{Status: scsi.CheckCondition, SenseData: sense})
}

// FailWith ends t with what err means: see [Failure].
func (s *Server) FailWith(t *target.Task, err error) {
	r := Failure(err)
	r.Descriptor = s.descriptor(t)
	t.Respond(r)
}

// Failure is the response that says what err means: the sense in it, RESERVATION CONFLICT, BUSY when a
// keeper is not available for now, TASK SET FULL when there is no memory, and HARDWARE ERROR
// for an error that nobody expects.
func Failure(err error) target.Response {
	var data *target.DataError
	sense := scsi.Sense{}
	switch {
	case errors.Is(err, reserve.ErrConflict):
		return target.Response{Status: scsi.ReservationConflict}
	case errors.Is(err, reserve.ErrUnavailable):
		return target.Response{Status: scsi.Busy}
	case errors.Is(err, buffer.ErrExhausted):
		return target.Response{Status: scsi.TaskSetFull}
	case errors.As(err, &data):
		sense = data.Sense
	case errors.Is(err, target.ErrAborted):
		sense = scsi.AbortedCommand(scsi.ASCNoAdditionalSense) // nobody gets it
	default:
		sense = scsi.SenseOf(err)
	}
	return target.Response{Status: scsi.CheckCondition, Sense: sense}
}

// Good ends t with GOOD, no data.
func (s *Server) Good(t *target.Task) { t.Respond(target.Response{}) }

// Used ends a command that has used n bytes of what the initiator had.
func (s *Server) Used(t *target.Task, n int) { t.Respond(target.Response{Moves: int64(n)}) }

// Reply ends t with GOOD and data, of which the CDB has room for allocation bytes.
// It is copied into memory on the account of the initiator: who does not take its answers holds no
// other memory with them.
func (s *Server) Reply(t *target.Task, data []byte, allocation uint32) {
	if uint64(len(data)) > uint64(allocation) {
		data = data[:allocation]
	}
	if len(data) == 0 {
		s.Good(t)
		return
	}
	l, err := t.Memory(int64(len(data)))
	if err != nil {
		s.FailWith(t, err)
		return
	}
	l.Copy(0, data)
	t.Respond(target.Response{Moves: int64(len(data)), DataIn: l})
}

// ReceiveList receives a parameter list of n bytes, n > 0, and calls then with it. A list that
// the initiator does not send whole is a PARAMETER LIST LENGTH ERROR; after an error t has ended.
func (s *Server) ReceiveList(t *target.Task, n int64, then func(t *target.Task, list []byte)) {
	if n > t.HaveOut {
		s.Fail(t, scsi.ParameterListLengthError())
		return
	}
	t.ReceiveDataOut(0, n, func(t *target.Task, l *buffer.Lease, err error) {
		if err != nil {
			s.FailWith(t, err)
			return
		}
		list := make([]byte, n)
		l.Read(0, list)
		l.Release()
		then(t, list)
	})
}
