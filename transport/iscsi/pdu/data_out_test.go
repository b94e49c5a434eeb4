package pdu

import "testing"

const wireDataOut = "05800000 00000000 00000000 00000000 00000001 00000002 00000000 00000000 00000000 00000006 0000e000"

func TestDataOut(t *testing.T) {
	checkWire(t, ParseDataOut, DataOut{Final: true, ITT: 1, TTT: 2, DataSN: 6, BufferOffset: 57344}, wireDataOut)
	checkWire(t, ParseDataOut, DataOut{LUN: 5, ITT: 1, TTT: NoTag}, "05000000 00000000 00000000 00000005 00000001 ffffffff")
}

func TestDataOutRefused(t *testing.T) {
	checkRefused(t, ParseDataOut, "05000000 00000002 00000000 00000000 00000001 00000001 00000000 00000000 00000000 00000000 fffffffe", RejectInvalidField)
	checkRefused(t, ParseDataOut, "25", RejectProtocolError)
}

func FuzzDataOut(f *testing.F) { fuzzWire(f, OpDataOut, ParseDataOut, wireDataOut) }
