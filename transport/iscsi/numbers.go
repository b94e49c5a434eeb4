package iscsi

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// numbers are the sequence numbers of what a connection sends. They belong to the one who stamps:
// movers call Stamp in the order of the wire, one call at a time.
type numbers struct {
	statSN uint32 // of the next status

	// login is the CmdSN of the login requests: ExpCmdSN before there is a session.
	login atomic.Uint32
}

func (n *numbers) init() { n.statSN = 1 }

// Stamp implements Handler.
func (c *Conn) Stamp(h *pdu.BHS, owner any) {
	exp := c.numbers.login.Load()
	last := exp + uint32(c.node.cfg.Window) - 1
	if c.full.Load() {
		exp, last = c.sess.window.exp.Load(), c.sess.window.max.Load()
	}
	n := c.numbers.statSN
	status := true // the PDU has a StatSN of its own
	switch h.Opcode() {
	case pdu.OpDataIn:
		k := owner.(*task)
		h.SetDataSN(k.dataSN)
		k.dataSN++
		if status = h.HasStatus(); !status { // the field is reserved (11.7.4)
			n = 0
		}
	case pdu.OpR2T:
		status = false
	case pdu.OpNOPIn:
		status = h.ITT() != pdu.NoTag
	case pdu.OpReject, pdu.OpAsync:
		c.unexpected.numbered(n)
	case pdu.OpSCSIResponse:
		if k, ok := owner.(*task); ok {
			h.SetDataSN(k.dataSN) // ExpDataSN
			k.drop()
		}
	}
	if status {
		c.numbers.statSN++
	}
	h.SetNumbers(n, exp, last)
}
