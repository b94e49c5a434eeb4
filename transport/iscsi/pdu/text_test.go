package pdu

import "testing"

const (
	wireTextRequest  = "04800000 00000000 00000000 00000000 00000001 ffffffff"
	wireTextResponse = "24400000 00000000 00000000 00000005 00000001 00000007"
)

func TestText(t *testing.T) {
	checkWire(t, ParseTextRequest, TextRequest{Final: true, ITT: 1, TTT: NoTag}, wireTextRequest)
	checkWire(t, ParseTextRequest, TextRequest{Immediate: true, Continue: true, LUN: 2, ITT: 1, TTT: 3}, "44400000 00000000 00000000 00000002 00000001 00000003")
	checkWire(t, ParseTextResponse, TextResponse{Continue: true, LUN: 5, ITT: 1, TTT: 7}, wireTextResponse)
	checkWire(t, ParseTextResponse, TextResponse{Final: true, ITT: 1, TTT: NoTag}, "24800000 00000000 00000000 00000000 00000001 ffffffff")
}

func TestTextRefused(t *testing.T) {
	checkRefused(t, ParseTextRequest, "04c00000 00000000 00000000 00000000 00000001 ffffffff", RejectProtocolError)
	checkRefused(t, ParseTextRequest, "04800000 00000000 00000000 00000000 ffffffff ffffffff", RejectInvalidField)
	checkRefused(t, ParseTextRequest, "24", RejectProtocolError)
	checkRefused(t, ParseTextResponse, "24c00000 00000000 00000000 00000000 00000001 ffffffff", RejectProtocolError)
	checkRefused(t, ParseTextResponse, "24800000 00000000 00000000 00000000 00000001 00000001", RejectProtocolError)
	checkRefused(t, ParseTextResponse, "24000000 00000000 00000000 00000000 00000001 ffffffff", RejectProtocolError)
	checkRefused(t, ParseTextResponse, "04", RejectProtocolError)
}

func FuzzTextRequest(f *testing.F)  { fuzzWire(f, OpTextRequest, ParseTextRequest, wireTextRequest) }
func FuzzTextResponse(f *testing.F) { fuzzWire(f, OpTextResponse, ParseTextResponse, wireTextResponse) }
