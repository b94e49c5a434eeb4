package pdu

import (
	"errors"
	"testing"
)

const wireReject = "3f800900 00000030 00000000 00000000 ffffffff 00000000 00000000 00000000 00000000 00000004"

func TestReject(t *testing.T) {
	checkWire(t, ParseReject, Reject{Reason: RejectInvalidField, DataSN: 4}, wireReject)
}

func TestRejectRefused(t *testing.T) {
	checkRefused(t, ParseReject, "3f800900 00000030", RejectInvalidField)
	checkRefused(t, ParseReject, "3f800900 0000002f 00000000 00000000 ffffffff", RejectInvalidField)
	checkRefused(t, ParseReject, "30", RejectProtocolError)
}

func TestReasonOf(t *testing.T) {
	if got := ReasonOf(errors.New("any")); got != RejectProtocolError {
		t.Errorf("%v", got)
	}
}

func FuzzReject(f *testing.F) { fuzzWire(f, OpReject, ParseReject, wireReject) }
