package pdu

import "testing"

const (
	wireLogoutRequest  = "46810000 00000000 00000000 00000000 00000001 00020000"
	wireLogoutResponse = "26800200 00000000 00000000 00000000 00000001 00000000 00000000 00000000 00000000 00000000 00020014"
)

func TestLogout(t *testing.T) {
	checkWire(t, ParseLogoutRequest, LogoutRequest{Immediate: true, Reason: LogoutCloseConnection, ITT: 1, CID: 2}, wireLogoutRequest)
	checkWire(t, ParseLogoutResponse, LogoutResponse{Response: LogoutNoRecovery, ITT: 1, Time2Wait: 2, Time2Retain: 20}, wireLogoutResponse)
}

func TestLogoutRefused(t *testing.T) {
	checkRefused(t, ParseLogoutRequest, "46830000 00000000 00000000 00000000 00000001", RejectInvalidField)
	checkRefused(t, ParseLogoutRequest, "46800000 00000000 00000000 00000000 ffffffff", RejectInvalidField)
	checkRefused(t, ParseLogoutRequest, "45", RejectProtocolError)
	checkRefused(t, ParseLogoutResponse, "26800400", RejectInvalidField)
	checkRefused(t, ParseLogoutResponse, "06", RejectProtocolError)
}

func FuzzLogoutRequest(f *testing.F) {
	fuzzWire(f, OpLogoutRequest, ParseLogoutRequest, wireLogoutRequest)
}
func FuzzLogoutResponse(f *testing.F) {
	fuzzWire(f, OpLogoutResponse, ParseLogoutResponse, wireLogoutResponse)
}
