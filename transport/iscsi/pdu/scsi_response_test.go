package pdu

import "testing"

const wireSCSIResponse = "21820002 00000000 00000000 00000000 00000007 00000000 00000000 00000000 00000000 00000003 00000000 0000009f"

func TestSCSIResponse(t *testing.T) {
	checkWire(t, ParseSCSIResponse, SCSIResponse{Status: 2, ITT: 7, ExpDataSN: 3, Underflow: true, Residual: 159}, wireSCSIResponse)
	checkWire(t, ParseSCSIResponse, SCSIResponse{
		Response: TargetFailure, StatusQualifier: 0x1234, ITT: 8, SNACKTag: 9, Overflow: true, Residual: 1, BidiUnderflow: true, BidiResidual: 2,
	}, "218c0100 00000000 12340000 00000000 00000008 00000009 00000000 00000000 00000000 00000000 00000002 00000001")
	checkWire(t, ParseSCSIResponse, SCSIResponse{BidiOverflow: true}, "2190")
}

func TestSCSIResponseRefused(t *testing.T) {
	checkRefused(t, ParseSCSIResponse, "2186", RejectProtocolError)
	checkRefused(t, ParseSCSIResponse, "2198", RejectProtocolError)
	checkRefused(t, ParseSCSIResponse, "25", RejectProtocolError)
}

func FuzzSCSIResponse(f *testing.F) { fuzzWire(f, OpSCSIResponse, ParseSCSIResponse, wireSCSIResponse) }
