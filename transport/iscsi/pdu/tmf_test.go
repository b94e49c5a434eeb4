package pdu

import "testing"

const (
	wireTMFRequest  = "42810000 00000000 00010000 00000000 00000011 00000010 00000000 00000000 00000022 00000033"
	wireTMFResponse = "22800700 00000000 12345600 00000000 00000011"
)

func TestTMF(t *testing.T) {
	checkWire(t, ParseTMFRequest, TMFRequest{
		Immediate: true, Function: TMFAbortTask, LUN: 1 << 48, ITT: 0x11, ReferencedTaskTag: 0x10, RefCmdSN: 0x22, ExpDataSN: 0x33,
	}, wireTMFRequest)
	checkWire(t, ParseTMFRequest, TMFRequest{Function: 0x7f, ITT: 1, ReferencedTaskTag: NoTag}, "02ff0000 00000000 00000000 00000000 00000001 ffffffff")
	checkWire(t, ParseTMFResponse, TMFResponse{Response: TMFSucceeded, AdditionalInfo: 0x123456, ITT: 0x11}, wireTMFResponse)
	checkWire(t, ParseTMFResponse, TMFResponse{Response: TMFRejected, ITT: 2}, "2280ff00 00000000 00000000 00000000 00000002")
}

func TestTMFRefused(t *testing.T) {
	checkRefused(t, ParseTMFRequest, "42810000 00000000 00000000 00000000 ffffffff", RejectInvalidField)
	checkRefused(t, ParseTMFRequest, "42810000 01000000 00000000 00000000 00000001", RejectProtocolError)
	checkRefused(t, ParseTMFRequest, "42810000 00000001 00000000 00000000 00000001", RejectProtocolError)
	checkRefused(t, ParseTMFResponse, "22800800", RejectInvalidField)
	checkRefused(t, ParseTMFResponse, "42", RejectProtocolError)
}

func FuzzTMFRequest(f *testing.F)  { fuzzWire(f, OpTMFRequest, ParseTMFRequest, wireTMFRequest) }
func FuzzTMFResponse(f *testing.F) { fuzzWire(f, OpTMFResponse, ParseTMFResponse, wireTMFResponse) }
