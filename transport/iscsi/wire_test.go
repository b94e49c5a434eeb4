package iscsi_test

import (
	"encoding/binary"
	"testing"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// A peer is a logged-in connection without rules.
type peer struct {
	*initiator.Wire
	t    *testing.T
	res  *initiator.LoginResult
	next uint32 // CmdSN
}

func login(t *testing.T, s *transporttest.ISCSI, cfg initiator.Config) *peer {
	t.Helper()
	p := &peer{Wire: s.Wire(), t: t, next: 1}
	var err error
	if p.res, err = p.Login(cfg, 1); err != nil {
		t.Fatal(err)
	}
	return p
}

// send sends a request; a CmdSN is consumed unless it is immediate.
func (p *peer) send(h *pdu.BHS, data []byte) {
	p.t.Helper()
	if op := h.Opcode(); op != pdu.OpDataOut {
		h.SetCmdSN(p.next)
		if !h.Immediate() {
			p.next++
		}
	}
	if err := p.Send(h, nil, data); err != nil {
		p.t.Fatal(err)
	}
}

// command sends a WRITE (10) of n bytes with some data; final: no unsolicited data follows.
func (p *peer) command(itt uint32, cdb []byte, n int, final bool, immediate []byte) {
	p.t.Helper()
	x := pdu.SCSICommand{Final: final, Write: cdb[0] == byte(scsi.OpWrite10), Read: cdb[0] == byte(scsi.OpRead10),
		Attr: pdu.AttrSimple, ITT: itt, ExpectedDataLength: uint32(n)}
	copy(x.CDB[:], cdb)
	var h pdu.BHS
	x.Put(&h)
	p.send(&h, immediate)
}

func (p *peer) out(x pdu.DataOut, data []byte) {
	p.t.Helper()
	var h pdu.BHS
	x.Put(&h)
	p.send(&h, data)
}

func (p *peer) receive() *initiator.Received {
	p.t.Helper()
	r, err := p.Receive()
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// r2t waits for an R2T.
func (p *peer) r2t() pdu.R2T {
	p.t.Helper()
	r := p.receive()
	x, err := pdu.ParseR2T(&r.BHS)
	if err != nil {
		p.t.Fatalf("%v: %v", r.Opcode(), err)
	}
	return x
}

// response waits for a SCSI Response and returns it with its sense.
func (p *peer) response(itt uint32) (pdu.SCSIResponse, scsi.Sense) {
	p.t.Helper()
	r := p.receive()
	x, err := pdu.ParseSCSIResponse(&r.BHS)
	if err != nil {
		p.t.Fatalf("%v: %v", r.Opcode(), err)
	}
	if x.ITT != itt {
		p.t.Fatalf("a response for %#x instead of %#x", x.ITT, itt)
	}
	var sense scsi.Sense
	if len(r.Data) > 2 {
		if sense, err = scsi.ParseSense(r.Data[2 : 2+binary.BigEndian.Uint16(r.Data)]); err != nil {
			p.t.Fatal(err)
		}
	}
	return x, sense
}

// reject waits for a Reject.
func (p *peer) reject(reason pdu.RejectReason) {
	p.t.Helper()
	r := p.receive()
	x, err := pdu.ParseReject(&r.BHS)
	if err != nil || x.Reason != reason {
		p.t.Fatalf("%v %v: %v", r.Opcode(), x.Reason, err)
	}
	if len(r.Data) != pdu.HeaderLen {
		p.t.Fatalf("a Reject with %d bytes of header", len(r.Data))
	}
}

// alive checks that the connection still works, and that nothing else came.
func (p *peer) alive() {
	p.t.Helper()
	var h pdu.BHS
	pdu.NOPOut{Immediate: true, ITT: 0x7777, TTT: pdu.NoTag}.Put(&h)
	p.send(&h, []byte("are you there"))
	r := p.receive()
	if r.Opcode() != pdu.OpNOPIn || r.ITT() != 0x7777 || string(r.Data) != "are you there" {
		p.t.Fatalf("%v %#x %q instead of a NOP-In", r.Opcode(), r.ITT(), r.Data)
	}
}

// gone waits for the end of the connection.
func (p *peer) gone() {
	p.t.Helper()
	for {
		if _, err := p.Receive(); err != nil {
			return
		}
	}
}
