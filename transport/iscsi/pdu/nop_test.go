package pdu

import "testing"

const (
	wireNOPOut = "40800000 00000000 00010000 00000000 ffffffff 00000007"
	wireNOPIn  = "20800000 00000000 00000000 00000000 00000001 ffffffff"
)

func TestNOP(t *testing.T) {
	checkWire(t, ParseNOPOut, NOPOut{Immediate: true, LUN: 1 << 48, ITT: NoTag, TTT: 7}, wireNOPOut)
	checkWire(t, ParseNOPOut, NOPOut{ITT: 3, TTT: NoTag}, "00800000 00000000 00000000 00000000 00000003 ffffffff")
	checkWire(t, ParseNOPIn, NOPIn{ITT: 1, TTT: NoTag}, wireNOPIn)
	checkWire(t, ParseNOPIn, NOPIn{LUN: 2, ITT: NoTag, TTT: 5}, "20800000 00000000 00000000 00000002 ffffffff 00000005")
}

func TestNOPRefused(t *testing.T) {
	checkRefused(t, ParseNOPOut, "00800000 00000000 00000000 00000000 ffffffff ffffffff", RejectProtocolError)
	checkRefused(t, ParseNOPOut, "20", RejectProtocolError)
	checkRefused(t, ParseNOPIn, "20800000 00000000 00000000 00000000 00000001 00000001", RejectProtocolError)
	checkRefused(t, ParseNOPIn, "00", RejectProtocolError)
}

func FuzzNOPOut(f *testing.F) { fuzzWire(f, OpNOPOut, ParseNOPOut, wireNOPOut) }
func FuzzNOPIn(f *testing.F)  { fuzzWire(f, OpNOPIn, ParseNOPIn, wireNOPIn) }
