//go:build hostile

package hostile

import (
	"errors"
	"fmt"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A command is what a greedy peer asks for.
type command struct {
	lun  scsi.LUN
	cdb  []byte
	attr pdu.TaskAttribute
	out  int    // bytes of data-out that are promised
	in   int    // bytes of data-in that there is room for
	data []byte // immediate data
	more bool   // unsolicited data is announced, and does not come
	gap  uint32 // how far behind the number of the next command this one has its number
}

// put sends a command.
func (p *peer) put(c command) error {
	p.itt++
	x := pdu.SCSICommand{
		Final: !c.more, Write: c.out > 0, Read: c.in > 0, Attr: c.attr, LUN: uint64(c.lun), ITT: p.itt, ExpectedDataLength: uint32(max(c.out, c.in)),
	}
	copy(x.CDB[:], c.cdb)
	var h pdu.BHS
	x.Put(&h)
	h.SetCmdSN(p.sn.Load() + c.gap)
	if c.gap == 0 {
		p.sn.Add(1)
	}
	m, ok := p.carrier.(*messages)
	if !ok {
		return p.Send(&h, nil, c.data)
	}
	i := iser.Header{Kind: iser.Control, WriteValid: c.out > 0, ReadValid: c.in > 0}
	i.Write.Key, i.Write.Addr = 5, uint64(len(c.data))
	i.Read.Key = 6
	if c.more {
		i.WriteValid = false
	}
	return m.sendTagged(i, &h, nil, c.data)
}

// run does one command and waits for its end; data-out that is asked for by R2T is sent. It is for a peer
// that does not read by itself.
func (p *peer) run(c command, out []byte) (scsi.Status, []byte, []byte, error) {
	if c.attr == 0 {
		c.attr = pdu.AttrSimple
	}
	c.out = len(out)
	if err := p.put(c); err != nil {
		return 0, nil, nil, err
	}
	tag, in := p.itt, make([]byte, c.in)
	_ = p.SetReadDeadline(time.Now().Add(hang))
	for {
		r, err := p.Receive()
		if err != nil {
			return 0, nil, nil, err
		}
		switch {
		case r.ITT() != tag:
			p.take(r)
		case r.Opcode() == pdu.OpR2T:
			x, err := pdu.ParseR2T(&r.BHS)
			if err != nil {
				return 0, nil, nil, err
			}
			if err := p.give(c.lun, tag, x, out); err != nil {
				return 0, nil, nil, err
			}
		case r.Opcode() == pdu.OpDataIn:
			x, err := pdu.ParseDataIn(&r.BHS)
			if err != nil || int(x.BufferOffset)+len(r.Data) > len(in) {
				return 0, nil, nil, fmt.Errorf("data-in at %d: %w", x.BufferOffset, err)
			}
			copy(in[x.BufferOffset:], r.Data)
			if x.HasStatus {
				return scsi.Status(x.Status), in, nil, nil
			}
		case r.Opcode() == pdu.OpSCSIResponse:
			x, err := pdu.ParseSCSIResponse(&r.BHS)
			sense := r.Data
			if len(sense) > 2 {
				sense = sense[2:]
			}
			return scsi.Status(x.Status), in, sense, err
		default:
			return 0, nil, nil, fmt.Errorf("%v", r.Opcode())
		}
	}
}

// give answers an R2T with data from out.
func (p *peer) give(lun scsi.LUN, tag uint32, x pdu.R2T, out []byte) error {
	const segment = 64 << 10
	end := int(x.BufferOffset + x.DesiredLength)
	if end > len(out) {
		return fmt.Errorf("an R2T for what is not there: %+v", x)
	}
	for off, sn := int(x.BufferOffset), uint32(0); off < end; sn++ {
		n := min(segment, end-off)
		var h pdu.BHS
		pdu.DataOut{Final: off+n == end, LUN: uint64(lun), ITT: tag, TTT: x.TTT, DataSN: sn, BufferOffset: uint32(off)}.Put(&h)
		if err := p.Send(&h, nil, out[off:off+n]); err != nil {
			return err
		}
		off += n
	}
	return nil
}

// ready does TEST UNIT READY until nothing needs attention.
func (p *peer) ready(lun scsi.LUN) error {
	for range 10 {
		s, _, _, err := p.run(command{lun: lun, cdb: make([]byte, 6)}, nil)
		if err != nil {
			return err
		}
		if s == scsi.Good {
			return p.SetReadDeadline(time.Time{})
		}
	}
	return errors.New("the unit does not become ready")
}

// manage asks for a task management function and does not wait.
func (p *peer) manage(f pdu.TMFFunction, lun scsi.LUN, of uint32) error {
	p.itt++
	var h pdu.BHS
	pdu.TMFRequest{Immediate: true, Function: f, LUN: uint64(lun), ITT: p.itt, ReferencedTaskTag: of}.Put(&h)
	h.SetCmdSN(p.sn.Load())
	return p.Send(&h, nil, nil)
}

// managed is manage that waits for the answer, of a peer that does not read by itself.
func (p *peer) managed(f pdu.TMFFunction, lun scsi.LUN) (pdu.TMFResponseCode, error) {
	if err := p.manage(f, lun, pdu.NoTag); err != nil {
		return 0, err
	}
	_ = p.SetReadDeadline(time.Now().Add(hang))
	for {
		r, err := p.Receive()
		if err != nil {
			return 0, err
		}
		if r.Opcode() == pdu.OpTMFResponse && r.ITT() == p.itt {
			x, err := pdu.ParseTMFResponse(&r.BHS)
			return x.Response, err
		}
		p.take(r)
	}
}

// ping sends a NOP-Out that wants its data back.
func (p *peer) ping(data []byte) error {
	p.itt++
	var h pdu.BHS
	pdu.NOPOut{Immediate: true, ITT: p.itt, TTT: pdu.NoTag}.Put(&h)
	h.SetCmdSN(p.sn.Load())
	return p.Send(&h, nil, data)
}

// logout logs out, and waits for the answer.
func (p *peer) logout() error {
	p.itt++
	var h pdu.BHS
	pdu.LogoutRequest{Immediate: true, ITT: p.itt}.Put(&h)
	h.SetCmdSN(p.sn.Load())
	if err := p.Send(&h, nil, nil); err != nil {
		return err
	}
	_ = p.SetReadDeadline(time.Now().Add(hang))
	for {
		if r, err := p.Receive(); err != nil || r.Opcode() == pdu.OpLogoutResponse {
			return err
		}
	}
}

// end breaks the connection off.
func (p *peer) end() {
	_ = p.Close()
	p.reading.Wait()
}
