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
	t.Respond(target.Response{Status: scsi.CheckCondition, Sense: sense, Descriptor: s.descriptor.Load()})
}

// FailWith ends t with what err means: the sense in it, RESERVATION CONFLICT, TASK SET
// FULL when there is no memory, and HARDWARE ERROR for what nobody expects.
func (s *Server) FailWith(t *target.Task, err error) {
	var data *target.DataError
	switch {
	case errors.Is(err, reserve.ErrConflict):
		t.Respond(target.Response{Status: scsi.ReservationConflict})
	case errors.Is(err, buffer.ErrExhausted):
		t.Respond(target.Response{Status: scsi.TaskSetFull})
	case errors.As(err, &data):
		s.Fail(t, data.Sense)
	case errors.Is(err, target.ErrAborted):
		s.Fail(t, scsi.AbortedCommand(scsi.ASCNoAdditionalSense)) // nobody gets it
	default:
		s.Fail(t, scsi.SenseOf(err))
	}
}

// Good ends t with GOOD, no data.
func (s *Server) Good(t *target.Task) { t.Respond(target.Response{}) }

// Used ends a command that has used n bytes of what the initiator had.
func (s *Server) Used(t *target.Task, n int) { t.Respond(target.Response{Moves: int64(n)}) }

// Reply ends t with GOOD and data, of which the CDB has room for allocation bytes.
// data is the transport's from then on.
func (s *Server) Reply(t *target.Task, data []byte, allocation uint32) {
	if uint64(len(data)) > uint64(allocation) {
		data = data[:allocation]
	}
	if len(data) == 0 {
		s.Good(t)
		return
	}
	t.Respond(target.Response{Moves: int64(len(data)), DataIn: buffer.Of(data)})
}

// ReceiveList receives a parameter list of n bytes, n > 0, and calls then, on which
// [Server.List] has it. A list that the initiator does not send whole is a PARAMETER
// LIST LENGTH ERROR.
func (s *Server) ReceiveList(t *target.Task, n int64, then func(*target.Task, error)) {
	if n > t.HaveOut {
		s.Fail(t, scsi.ParameterListLengthError())
		return
	}
	t.ReceiveDataOut(0, n, func(t *target.Task, l *buffer.Lease, err error) {
		t.Work.Data = l
		then(t, err)
	})
}

// List returns a copy of the parameter list and gives the memory back.
func (s *Server) List(t *target.Task) []byte {
	l := t.Work.Data
	t.Work.Data = nil
	list := make([]byte, l.Len())
	l.Read(0, list)
	l.Release()
	return list
}

// Drop gives the memory of a parameter list back that did not come.
func (s *Server) Drop(t *target.Task, err error) {
	if t.Work.Data != nil {
		t.Work.Data.Release()
		t.Work.Data = nil
	}
	s.FailWith(t, err)
}

// FailMoving is Fail for a command that would move so many bytes by its CDB: the residual says
// by how much that is more than the initiator has.
func (s *Server) FailMoving(t *target.Task, sense scsi.Sense, moves int64) {
	t.Respond(target.Response{Status: scsi.CheckCondition, Sense: sense, Descriptor: s.descriptor.Load(), Moves: moves})
}
