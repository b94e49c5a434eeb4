package pdu

import "testing"

const wireAsync = "32800000 00000000 00000000 00000001 ffffffff 00000000 00000000 00000000 00000000 02090001 00020003"

func TestAsync(t *testing.T) {
	checkWire(t, ParseAsync, Async{LUN: 1, Event: AsyncDropConnection, VendorCode: 9, Param1: 1, Param2: 2, Param3: 3}, wireAsync)
}

func TestAsyncRefused(t *testing.T) {
	checkRefused(t, ParseAsync, "3280", RejectInvalidField)
	checkRefused(t, ParseAsync, "3180", RejectProtocolError)
}

func FuzzAsync(f *testing.F) { fuzzWire(f, OpAsync, ParseAsync, wireAsync) }
