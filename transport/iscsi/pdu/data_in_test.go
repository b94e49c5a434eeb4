package pdu

import "testing"

// 96 bytes for an INQUIRY that expected 255, with status.
const wireDataIn = "25830000 00000000 00000000 00000000 00000001 ffffffff 00000000 00000000 00000000 00000000 00000000 0000009f"

func TestDataIn(t *testing.T) {
	checkWire(t, ParseDataIn, DataIn{Final: true, HasStatus: true, ITT: 1, TTT: NoTag, Underflow: true, Residual: 159}, wireDataIn)
	checkWire(t, ParseDataIn, DataIn{Final: true, Acknowledge: true, LUN: 3, ITT: 1, TTT: 4, DataSN: 2, BufferOffset: 8192},
		"25c00000 00000000 00000000 00000003 00000001 00000004 00000000 00000000 00000000 00000002 00002000")
	checkWire(t, ParseDataIn, DataIn{Final: true, HasStatus: true, Status: 4, ITT: 1, TTT: NoTag, Overflow: true, Residual: 4096},
		"25850004 00000000 00000000 00000000 00000001 ffffffff 00000000 00000000 00000000 00000000 00000000 00001000")
}

func TestDataInRefused(t *testing.T) {
	checkRefused(t, ParseDataIn, "2501", RejectProtocolError)
	checkRefused(t, ParseDataIn, "2587", RejectProtocolError)
	checkRefused(t, ParseDataIn, "25c00000 00000000 00000000 00000000 00000001 ffffffff", RejectProtocolError)
	checkRefused(t, ParseDataIn, "25800000 00000002 00000000 00000000 00000001 00000001 00000000 00000000 00000000 00000000 ffffffff", RejectInvalidField)
	checkRefused(t, ParseDataIn, "05", RejectProtocolError)
}

func FuzzDataIn(f *testing.F) { fuzzWire(f, OpDataIn, ParseDataIn, wireDataIn) }
