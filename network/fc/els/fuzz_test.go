package els

import (
	"errors"
	"reflect"
	"testing"

	"github.com/lunette-io/lunette/internal/golden"
)

// again reads b, and holds what can be read to this: it becomes bytes that are read as the same again.
func again[T any](parse func([]byte) (T, error)) func(*testing.T, []byte) {
	return func(t *testing.T, b []byte) {
		x, err := parse(b)
		if err != nil {
			var e *Error
			if errors.As(err, &e) {
				_, _ = e.Error(), e.Reject()
			}
			return
		}
		y, err := parse(appendedOf(&x).Append(nil))
		if err != nil || !reflect.DeepEqual(x, y) {
			t.Fatalf("%x is %+v, and that is %+v, %v", b, x, y, err)
		}
	}
}

// FuzzParse has every element read anything: elements are told apart by their first byte, so that one of them takes it.
func FuzzParse(f *testing.F) {
	elements := []func(*testing.T, []byte){
		again(ParseLogin), again(ParsePRLI), again(ParsePRLO), again(ParseReject), again(ParseLogout), again(ParseDiscover),
		again(ParseTimeouts), again(ParseReadLinkStatus), again(ParseLinkStatus), again(ParseEcho), again(ParseIdentify), again(ParseIdentity),
		again(ParseReinstate), again(ParseReadExchange), again(ParseConcise), again(ParseRetransmit), again(ParseRegister), again(ParseStateChange),
		again(ParseAbortAccept), again(ParseAbortReject),
	}
	for _, seed := range []string{
		seenFLOGI, seenPLOGI, madeLogin, seenPRLI, seenPRLIAcc, madePRLI, madePRLO, madeReject, seenLOGO, madeADISC, madeADISCAcc,
		seenRTVAcc, madeRLS, madeRLSAcc, madeEcho, madeEchoAcc, madeRNID, madeRNIDAcc, madeRNIDAcc2, madeRRQ, madeREC, madeRECAcc, madeSRR,
		madeSCR, madeRSCN, madeBAAcc, madeBARjt, seenAccept,
	} {
		f.Add(golden.Bytes(f, seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, read := range elements {
			read(t, b)
		}
		_ = CheckAccept(b)
		_ = ParseRTV(b)
		_ = CommandOf(b).String()
	})
}
