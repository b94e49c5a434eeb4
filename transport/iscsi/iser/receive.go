package iser

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// Why a connection ends that the initiator has misused. RFC 7145 10.1.3 has the connection
// terminated in each of these cases: there is nothing that could be rejected.
var (
	errBeyond    = errors.New("iser: a transfer beyond what the command has advertised")
	errInLogin   = errors.New("iser: a request before the one before was answered")
	errHello     = errors.New("iser: a Hello that is out of place")
	errNoHello   = errors.New("iser: no Hello, which was negotiated")
	errRefused   = errors.New("iser: the Hello was refused")
	errAnswers   = errors.New("iser: the initiator takes no answers")
	errSolicited = errors.New("iser: a Data-Out that answers a transfer tag")
)

// Received implements rdma.Handler.
func (m *Mover) Received(msg rdma.Message) {
	m.mu.Lock()
	now, many, busy := m.phase, m.queued > m.maxQueued || m.queuedBytes > maxQueuedBytes, m.busy
	switch now {
	case inLogin:
		m.busy = true
	case greeting, mustGreet:
		m.phase = fullPhase
	}
	m.mu.Unlock()
	h, err := ParseHeader(msg.Data)
	switch {
	case now == endedPhase:
		return
	case err != nil:
	case many:
		err = errAnswers
	case msg.Invalidates: // we expose nothing
		err = fmt.Errorf("iser: the initiator invalidates what is not there")
	case busy:
		err = errInLogin
	case h.Kind == Hello:
		err = m.hello(h, now, len(msg.Data))
		if err == nil {
			return
		}
	case h.Kind == HelloReply:
		err = errHello
	case now == mustGreet:
		err = errNoHello
	case now == inLogin:
		m.login(h, msg.Data)
	default:
		err = m.take(h, msg.Data)
	}
	if err != nil {
		m.Terminate(err)
	}
}

// login takes a PDU of the login phase. It may have to wait for the end of the session that
// it takes the place of; our caller cannot, since it may be who has to find that end.
func (m *Mover) login(h Header, b []byte) {
	b = bytes.Clone(b)
	m.holds.Add(1)
	go func() {
		defer m.let()
		if err := m.take(h, b); err != nil {
			m.Terminate(err)
		}
	}()
}

// take takes a PDU and posts what it has brought to be sent.
func (m *Mover) take(h Header, b []byte) error {
	if err := m.open(h, b); err != nil {
		return err
	}
	if m.in.H.Opcode() == pdu.OpDataOut {
		if m.in.H.TTT() != pdu.NoTag { // what is asked for is read, and never comes as a PDU
			return errSolicited
		}
		m.dataOut.Add(int64(len(m.in.Data)))
	}
	m.h.ControlArrived(&m.in) // taken: the connection cannot be detached
	m.mu.Lock()
	m.busy = false // the initiator may go on when it has the answer
	m.post()
	m.mu.Unlock()
	m.conn.Flush()
	return nil
}

// open finds the parts of a PDU in its message. They lie in it.
func (m *Mover) open(h Header, b []byte) error {
	p := &m.params // changed by the goroutine that delivers PDUs
	b = b[HeaderLen:]
	if len(b) < pdu.HeaderLen {
		return errShort
	}
	bhs := (*pdu.BHS)(b[:pdu.HeaderLen])
	op, n := bhs.Opcode(), bhs.DataSegmentLength()
	ahs := bhs.TotalAHSLength()
	switch rest := len(b) - pdu.HeaderLen - ahs; {
	case n > p.MaxRecv:
		return fmt.Errorf("iser: %v with %d bytes of data, %d allowed", op, n, p.MaxRecv)
	case rest != n && rest != pdu.Padded(n): // who sends it may leave the padding out
		return fmt.Errorf("iser: %v with %d bytes behind its headers, where they say %d", op, rest, n)
	}
	b = b[pdu.HeaderLen:]
	m.in = iscsi.Arrival{H: bhs, AHS: b[:ahs:ahs], Data: b[ahs : ahs+n : ahs+n]}
	if op != pdu.OpSCSICommand {
		return nil
	}
	var err error
	m.in.Memory, err = memory(h, &m.in, p)
	return err
}

// memory is where the data of a command lies. A command whose data is to be moved and that
// does not advertise it is inconsistent (7.3.1, 7.3.5: the initiator MUST).
func memory(h Header, a *iscsi.Arrival, p *iscsi.MoverParams) (iscsi.Memory, error) {
	cmd, err := pdu.ParseSCSICommand(a.H)
	if err != nil {
		return iscsi.Memory{}, nil // the session rejects it
	}
	var m iscsi.Memory
	in, out := uint32(0), uint32(0)
	switch {
	case cmd.Read && cmd.Write:
		out = cmd.ExpectedDataLength
		if x, err := pdu.ParseAHS(a.AHS); err == nil {
			in = x.BidiReadLength
		}
	case cmd.Read:
		in = cmd.ExpectedDataLength
	case cmd.Write:
		out = cmd.ExpectedDataLength
	}
	// What comes unasked is not read. The initiators of Linux, and those that have declared
	// TaggedBufferForSolicitedDataOnly=Yes, advertise the rest alone; one that has said No
	// advertises all of it (6.9).
	unasked := uint32(len(a.Data))
	if !cmd.Final && !p.InitialR2T {
		unasked = uint32(p.FirstBurst)
	}
	unasked = min(unasked, out)
	m.In = iscsi.Window{Valid: h.ReadValid, Key: uint32(h.Read.Key), Base: h.Read.Addr, To: in}
	m.Out = iscsi.Window{Valid: h.WriteValid, Key: uint32(h.Write.Key), Base: h.Write.Addr, From: unasked, To: out}
	if p.WholeBuffer {
		m.Out.From = 0
	}
	if in > 0 && !h.ReadValid || out > unasked && !h.WriteValid {
		return m, fmt.Errorf("iser: a command of %d bytes out, %d of them unasked, and %d in without the tags for them", out, unasked, in)
	}
	return m, nil
}

// hello answers a Hello (5.1.3): as the first message of full feature phase, whether it was
// negotiated or not.
func (m *Mover) hello(h Header, now phase, n int) error {
	if (now != greeting && now != mustGreet) || n != HeaderLen {
		return errHello
	}
	r := Header{Kind: HelloReply, MaxVersion: Version, Version: Version}
	m.mu.Lock()
	r.Reject = h.Version > Version || h.MaxVersion < Version || h.Reads == 0
	m.most = min(m.most, int(h.Reads))
	r.Reads = uint16(min(m.most, 1<<16-1))
	v := m.work()
	v.hello = true
	v.head = r.Append(v.head[:0])
	m.queue(v)
	m.queued++
	m.mu.Unlock()
	m.Flush()
	if r.Reject {
		m.Terminate(nil)
	}
	return nil
}

// Accept implements iscsi.Mover: all of a message is here.
func (m *Mover) Accept(x *iscsi.Transfer) (done bool, err error) {
	x.Moved = min(x.Len, int64(len(m.in.Data)))
	if x.Moved > 0 {
		x.Data.Copy(x.At, m.in.Data[:x.Moved])
	}
	return true, nil
}
