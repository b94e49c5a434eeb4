package virtio

import (
	"fmt"

	"github.com/lunette-io/lunette/network/vhost/ring"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// A Command is a SCSI command. It can be used again when it has ended.
type Command struct {
	Target  uint8
	LUN     scsi.LUN
	Attr    uint8
	CDB     []byte // at most 32 bytes
	Out, In []byte
	// ID names it; 0: the queue chooses.
	ID uint64
	// Queue is where [Conn.Do] sends it.
	Queue int
	// Change, if it is not nil, edits the request before it is sent: what the device reads before data-out.
	Change func(b []byte) []byte
	// Ended, if it is not nil, is called when it has ended, by the thread of its queue, which must not wait. Without it somebody waits in [Conn.Finish].
	Ended func(*Command)
	// User is the caller's.
	User any

	Code      iu.Code
	Status    scsi.Status // if Err is nil
	Sense     scsi.Sense
	SenseData []byte // valid until the command is used again
	Residual  int
	Written   uint32 // bytes that the ring says the device has filled
	Received  int    // bytes of data-in, by the residual
	Err       error

	done  chan struct{}
	sense [iu.SenseLen]byte
}

// begin makes k one that has not ended.
func (k *Command) begin() {
	k.Code, k.Status, k.Sense, k.SenseData, k.Residual, k.Written, k.Received, k.Err = 0, 0, scsi.Sense{}, nil, 0, 0, 0, nil
	if k.Ended == nil && k.done == nil {
		k.done = make(chan struct{}, 1)
	}
}

// take notes a response.
func (k *Command) take(b []byte, written uint32) {
	k.Written = written
	if written < iu.ResponseLen {
		k.Err = fmt.Errorf("virtio: the device has filled %d bytes, and a response has %d", written, iu.ResponseLen)
		return
	}
	x, err := iu.ParseResponse(b)
	if err != nil {
		k.Err = err
		return
	}
	k.Code, k.Status, k.Residual = x.Code, scsi.Status(x.Status), int(x.Residual)
	k.Received = max(0, len(k.In)-k.Residual)
	if x.Code != iu.CodeOK {
		k.Err = &CodeError{x.Code}
		return
	}
	if len(x.Sense) > 0 {
		k.SenseData = k.sense[:copy(k.sense[:], x.Sense)]
		k.Sense, k.Err = scsi.ParseSense(k.SenseData)
	}
}

// end tells whoever waits.
func (k *Command) end() {
	if k.Ended != nil {
		k.Ended(k)
		return
	}
	k.done <- struct{}{}
}

// A slot is what a queue has of a command: memory for the request and the response, and of data that does not lie in shared memory a copy that does.
type slot struct {
	mem             []byte // slotSize, shared
	addr            uint64
	k               *Command // nil: it is free
	out, in         []ring.Piece
	outCopy, inCopy []byte
	request         [slotSize]byte // where it is made
}

// fill makes the pieces of a command.
func (s *slot) fill(q *Queue, k *Command) error {
	x := iu.Request{Address: iu.UnitAddress(k.Target, k.LUN), ID: k.ID, Attr: k.Attr}
	if n := copy(x.CDB[:], k.CDB); n < len(k.CDB) {
		return fmt.Errorf("virtio: a CDB of %d bytes: there is room for %d", len(k.CDB), iu.CDBLen)
	}
	b := x.Append(s.request[:0])
	if k.Change != nil {
		if b = k.Change(b); len(b) > responseAt {
			return fmt.Errorf("virtio: a request of %d bytes", len(b))
		}
	}
	copy(s.mem, b)
	clear(s.mem[responseAt:][:iu.ResponseLen])
	s.out, s.in = s.out[:0], s.in[:0]
	if len(b) > 0 {
		s.out = append(s.out, ring.Piece{Addr: s.addr, Len: uint32(len(b))})
	}
	s.in = append(s.in, ring.Piece{Addr: s.addr + responseAt, Len: iu.ResponseLen})
	var err error
	if s.out, s.outCopy, err = q.pieces(s.out, k.Out); err == nil {
		s.in, s.inCopy, err = q.pieces(s.in, k.In)
	}
	if err != nil {
		s.empty(q)
	}
	return err
}

// pieces appends those of b, which is copied if it does not lie in shared memory.
func (q *Queue) pieces(dst []ring.Piece, b []byte) ([]ring.Piece, []byte, error) {
	if len(b) == 0 {
		return dst, nil, nil
	}
	m, n := q.conn.dev.Memory, q.conn.cfg.Segment
	if n > 0 {
		n = max(n, (len(b)+maxSegments-1)/maxSegments)
	}
	dst, ok := m.Pieces(dst, b, n)
	if ok {
		return dst, nil, nil
	}
	c, err := m.Alloc(len(b))
	if err != nil {
		return dst, nil, err
	}
	copy(c, b)
	dst, _ = m.Pieces(dst, c, n)
	return dst, c, nil
}

// empty gives the copies back.
func (s *slot) empty(q *Queue) {
	m := q.conn.dev.Memory
	if s.outCopy != nil {
		m.Free(s.outCopy)
	}
	if s.inCopy != nil {
		m.Free(s.inCopy)
	}
	s.outCopy, s.inCopy = nil, nil
}
