package pdu

import "testing"

const (
	wireLoginRequest  = "43870000 00000000 40000137 00020000 00000009 00010000"
	wireLoginResponse = "23870000 00000000 40000137 00020100 00000009"
)

func TestLogin(t *testing.T) {
	isid := ISID{0x40, 0x00, 0x01, 0x37, 0x00, 0x02}
	checkWire(t, ParseLoginRequest, LoginRequest{Transit: true, CSG: StageOperational, NSG: StageFullFeature, ISID: isid, ITT: 9, CID: 1}, wireLoginRequest)
	checkWire(t, ParseLoginRequest, LoginRequest{Continue: true, VersionMax: 2, VersionMin: 1, TSIH: 0x1234, ITT: 9},
		"43400201 00000000 00000000 00001234 00000009")
	checkWire(t, ParseLoginResponse, LoginResponse{Transit: true, CSG: StageOperational, NSG: StageFullFeature, ISID: isid, TSIH: 0x100, ITT: 9}, wireLoginResponse)
	checkWire(t, ParseLoginResponse, LoginResponse{Status: LoginAuthenticationFail, ITT: 9},
		"23000000 00000000 00000000 00000000 00000009 00000000 00000000 00000000 00000000 02010000")
}

func TestLoginRefused(t *testing.T) {
	for _, flags := range []string{"c1", "88", "0c", "82", "84", "85", "80", "86"} {
		checkRefused(t, ParseLoginRequest, "43"+flags, RejectProtocolError)
		checkRefused(t, ParseLoginResponse, "23"+flags, RejectProtocolError)
	}
	for _, flags := range []string{"81", "83", "87", "00", "04", "40", "44", "03"} {
		if _, err := ParseLoginRequest(header(t, "43"+flags)); err != nil {
			t.Errorf("flags %s: %v", flags, err)
		}
	}
	checkRefused(t, ParseLoginRequest, "43870000 01", RejectProtocolError)
	checkRefused(t, ParseLoginRequest, "23", RejectProtocolError)
	checkRefused(t, ParseLoginResponse, "03", RejectProtocolError)
}

func FuzzLoginRequest(f *testing.F) { fuzzWire(f, OpLoginRequest, ParseLoginRequest, wireLoginRequest) }
func FuzzLoginResponse(f *testing.F) {
	fuzzWire(f, OpLoginResponse, ParseLoginResponse, wireLoginResponse)
}
