package iscsi

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// status checks and counts the StatSN of a PDU that consumes one.
func (c *Conn) status(h *pdu.BHS) error {
	if n := h.StatSN(); n != c.expSN {
		return violation("%v with StatSN %d instead of %d", h.Opcode(), n, c.expSN)
	}
	c.expSN++
	return nil
}

// arrived handles a PDU other than Data-In.
func (c *Conn) arrived(h *pdu.BHS, data []byte) error {
	c.s.update(h)
	switch op := h.Opcode(); op {
	case pdu.OpR2T:
		return c.r2t(h)
	case pdu.OpNOPIn:
		return c.nopIn(h, data)
	default:
		if err := c.status(h); err != nil {
			return err
		}
		switch op {
		case pdu.OpSCSIResponse:
			return c.response(h, data)
		case pdu.OpReject:
			return c.rejected(h, data)
		case pdu.OpAsync:
			a, err := pdu.ParseAsync(h)
			if e := c.events.Async; e != nil && err == nil {
				e(a, data)
			}
			return err
		case pdu.OpTMFResponse, pdu.OpTextResponse, pdu.OpLogoutResponse:
			return c.answered(h, data)
		}
	}
	return violation("%v in full feature phase", h.Opcode())
}

// dataIn checks the header of a Data-In and says where its data goes; k is nil if its
// command has been aborted.
func (c *Conn) dataIn(h *pdu.BHS) (k *Command, at int, err error) {
	c.s.update(h)
	x, err := pdu.ParseDataIn(h)
	if err != nil {
		return nil, 0, err
	}
	if x.HasStatus {
		if err := c.status(h); err != nil {
			return nil, 0, err
		}
	}
	if k = c.find(x.ITT); k == nil {
		return nil, 0, nil
	}
	n := h.DataSegmentLength()
	switch {
	case x.DataSN != k.dataSN:
		return nil, 0, violation("DataSN %d instead of %d", x.DataSN, k.dataSN)
	case int(x.BufferOffset) != k.Received:
		return nil, 0, violation("Data-In at offset %d instead of %d", x.BufferOffset, k.Received)
	case int(x.BufferOffset)+n > len(k.In):
		return nil, 0, violation("Data-In up to %d, %d asked for", int(x.BufferOffset)+n, len(k.In))
	}
	k.dataSN++
	k.Received += n
	return k, int(x.BufferOffset), nil
}

// dataInDone ends a Data-In whose data is in its place.
func (c *Conn) dataInDone(k *Command, h *pdu.BHS) error {
	x, _ := pdu.ParseDataIn(h)
	if x.HasStatus && c.find(k.tag) == k {
		k.Status = scsi.Status(x.Status)
		k.Residual = residual(x.Overflow, x.Underflow, x.Residual)
		c.finish(k, nil)
	}
	return nil
}

func residual(over, under bool, n uint32) int64 {
	switch {
	case over:
		return -int64(n)
	case under:
		return int64(n)
	}
	return 0
}

func (c *Conn) response(h *pdu.BHS, data []byte) error {
	x, err := pdu.ParseSCSIResponse(h)
	if err != nil {
		return err
	}
	k := c.find(x.ITT)
	if k == nil {
		return violation("a response without a command, tag %#x", x.ITT)
	}
	// Data-In PDUs are counted (RFC 7143 11.4.8); targets that go by RFC 3720 10.4.8 count R2Ts too.
	if x.ExpDataSN != k.dataSN && x.ExpDataSN != k.dataSN+k.r2tSN {
		return violation("ExpDataSN %d after %d Data-In PDUs", x.ExpDataSN, k.dataSN)
	}
	k.Status = scsi.Status(x.Status)
	k.Residual = residual(x.Overflow, x.Underflow, x.Residual)
	if len(data) >= 2 {
		n := int(binary.BigEndian.Uint16(data))
		if n > len(data)-2 {
			return violation("SenseLength %d in %d bytes", n, len(data))
		}
		k.SenseData = k.sense[:copy(k.sense[:], data[2:2+n])]
	}
	c.finish(k, nil)
	return nil
}

func (c *Conn) r2t(h *pdu.BHS) error {
	x, err := pdu.ParseR2T(h)
	if err != nil {
		return err
	}
	if h.StatSN() != c.expSN {
		return violation("R2T with StatSN %d instead of %d", h.StatSN(), c.expSN)
	}
	if e := c.events.R2T; e != nil {
		e(x)
	}
	k := c.find(x.ITT)
	if k == nil {
		return nil // aborted, and the R2T was on its way
	}
	end := uint64(x.BufferOffset) + uint64(x.DesiredLength)
	switch {
	case x.R2TSN != k.r2tSN:
		return violation("R2TSN %d instead of %d", x.R2TSN, k.r2tSN)
	case end > uint64(len(k.Out)) || x.DesiredLength == 0 || x.DesiredLength > c.params.MaxBurstLength:
		return violation("R2T for %d bytes at %d of %d", x.DesiredLength, x.BufferOffset, len(k.Out))
	}
	k.r2tSN++
	if !c.cfg.Withhold {
		c.link.dataOut(k, x.TTT, int(x.BufferOffset), int(x.DesiredLength))
	}
	return nil
}

// nopIn answers a ping, and takes the answer to ours.
func (c *Conn) nopIn(h *pdu.BHS, data []byte) error {
	x, err := pdu.ParseNOPIn(h)
	if err != nil {
		return err
	}
	if x.ITT != pdu.NoTag {
		if err := c.status(h); err != nil {
			return err
		}
		return c.answered(h, data)
	}
	if h.StatSN() != c.expSN {
		return violation("NOP-In with StatSN %d instead of %d", h.StatSN(), c.expSN)
	}
	if x.TTT != pdu.NoTag && !c.cfg.Silent {
		var o pdu.BHS
		pdu.NOPOut{Immediate: true, LUN: x.LUN, ITT: pdu.NoTag, TTT: x.TTT}.Put(&o)
		o.SetCmdSN(c.s.peek())
		c.link.queue(&o, nil)
	}
	return nil
}

func (c *Conn) rejected(h *pdu.BHS, data []byte) error {
	x, err := pdu.ParseReject(h)
	if err != nil {
		return err
	}
	if len(data) < pdu.HeaderLen {
		return violation("a Reject with %d bytes of header", len(data))
	}
	of := (*pdu.BHS)(data[:pdu.HeaderLen])
	if e := c.events.Reject; e != nil {
		e(x, of)
	}
	switch of.Opcode() {
	case pdu.OpSCSICommand:
		if k := c.find(of.ITT()); k != nil && k.sn == of.CmdSN() {
			c.finish(k, &RejectError{x.Reason})
		}
	case pdu.OpDataOut, pdu.OpSNACK:
	default:
		if a := c.waits[of.ITT()]; a != nil {
			a.err, a.done = &RejectError{x.Reason}, true
		}
	}
	return nil
}
