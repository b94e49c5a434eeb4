package pdu

import "testing"

const wireSNACK = "10800000 00000000 00010000 00000000 00000001 ffffffff 00000000 00000000 00000000 00000000 00000002 00000003"

func TestSNACK(t *testing.T) {
	checkWire(t, ParseSNACK, SNACK{LUN: 1 << 48, ITT: 1, TTT: NoTag, BegRun: 2, RunLength: 3}, wireSNACK)
	checkWire(t, ParseSNACK, SNACK{Type: SNACKDataACK, ITT: NoTag, TTT: 5, BegRun: 9},
		"10820000 00000000 00000000 00000000 ffffffff 00000005 00000000 00000000 00000000 00000000 00000009")
}

func TestSNACKRefused(t *testing.T) {
	checkRefused(t, ParseSNACK, "1084", RejectInvalidField)
	checkRefused(t, ParseSNACK, "10820000 00000000 00000000 00000000 ffffffff 00000005 00000000 00000000 00000000 00000000 00000009 00000001", RejectInvalidField)
	checkRefused(t, ParseSNACK, "11", RejectProtocolError)
}

func FuzzSNACK(f *testing.F) { fuzzWire(f, OpSNACK, ParseSNACK, wireSNACK) }
