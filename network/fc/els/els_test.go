package els

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/internal/golden"
	"github.com/lunette-io/lunette/network/fc"
)

// What Linux's initiator and target send to each other.
const (
	seenFLOGI = "cmd:04000000 fcph:2020 bbc:000a feat:8000 bbsize:0840 tot:0000 rel:0000 edtov:00000000 wwpn:200002000000000a wwnn:100002000000000a " +
		"cl1:00*16 cl2:00*16 cl3:88+00*15 cl4:00*16 vv:00*16"
	seenPLOGI = "cmd:03000000 fcph:2020 bbc:000a feat:8000 bbsize:0840 tot:00ff rel:001f edtov:000007d0 wwpn:200002000000000b wwnn:100002000000000b " +
		"cl1:00*16 cl2:00*16 cl3:880000000000084000ff000000010000 cl4:00*16 vv:00*16"
	seenPRLI    = "prli:20100014 fc4:0800 pflags:2000 opa:00000000 rpa:00000000 params:000001a2"
	seenPRLIAcc = "prli:02100014 fc4:0800 pflags:2100 opa:00000000 rpa:00000000 params:000000b2"
	seenRTV     = "rtv:0e000000"
	seenRTVAcc  = "acc:02000000 ratov:00000fa0 edtov:000007d0 qual:00000000"
	seenLOGO    = "cmd:05000000 nport:0000000a wwpn:200002000000000a"
	seenAccept  = "cmd:02000000"
)

// Made from the tables of the standards.
const (
	madeLogin = "cmd:02000000 fcph:2010 bbc:0102 feat:3400 bbsize:f840 third:00002710 edtov:00001388 wwpn:200002000000000b wwnn:100002000000000b " +
		"cl1:8001+0002+0003+0004+0005+0006+00+07+0000 cl2:00*16 cl3:88000000000001000001000200030000 aux:00*15+00 vv:41+00*14+42"
	madePRLI     = "prli:20100024 a:0800+2000+00*8+000001a2 b:2801+e700+00000001+00000002+00000020"
	madePRLO     = "prlo:21100014 fc4:0800 pflags:0000 opa:00000000 rpa:00000000 r:00000000"
	madeReject   = "cmd:01000000 r:00 reason:0b expl:2c vendor:07"
	madeADISC    = "cmd:52000000 hard:00010203 wwpn:200002000000000a wwnn:100002000000000a id:0000000a"
	madeADISCAcc = "cmd:02000000 hard:00000000 wwpn:200002000000000b wwnn:100002000000000b id:0001000b"
	madeRLS      = "cmd:0f000000 port:00010203"
	madeRLSAcc   = "cmd:02000000 lf:00000001 sync:00000002 sig:00000003 prim:00000004 words:00000005 crc:00000006"
	madeEcho     = "cmd:10000000 data:0102030405060708"
	madeEchoAcc  = "cmd:02000000 data:0102030405060708"
	madeRNID     = "cmd:78000000 fmt:df r:000000"
	madeRNIDAcc  = "cmd:02000000 fmt:df clen:10 r:00 slen:04 wwpn:200002000000000b wwnn:100002000000000b spec:01020304"
	madeRNIDAcc2 = "cmd:02000000 fmt:00 clen:00 r:00 slen:00"
	madeRRQ      = "cmd:12000000 s:00010101 ox:0010 rx:8001"
	madeREC      = "cmd:13000000 s:00010101 ox:0010 rx:8001"
	madeRECAcc   = "cmd:02000000 ox:0010 rx:8001 orig:00010101 resp:00010001 fc4:00001000 stat:a0000000"
	madeSRR      = "cmd:14000000 ox:0010 rx:8001 off:00001000 rctl:01 r:000000"
	madeSCR      = "cmd:62000000 r:000000 func:03"
	madeRSCN     = "cmd:61 plen:04 len:000c a:00+010101 b:07+020000"
	madeBAAcc    = "valid:80 seq:05 r:0000 ox:0010 rx:8001 low:0000 high:ffff"
	madeBARjt    = "r:00 reason:03 expl:03 vendor:00"
)

// appended is what each element appends.
type appended interface{ Append(dst []byte) []byte }

func appendedOf[T any](x *T) appended {
	if a, ok := any(*x).(appended); ok {
		return a
	}
	return any(x).(appended)
}

// both holds a value against the bytes of the wire, both ways.
func both[T any](t *testing.T, parse func([]byte) (T, error), x T, vector string) {
	t.Helper()
	want := golden.Bytes(t, vector)
	got, err := parse(want)
	if err != nil || !reflect.DeepEqual(got, x) {
		t.Errorf("parsed %+v, %v\nwant   %+v", got, err, x)
	}
	if b := appendedOf(&x).Append([]byte{9})[1:]; !bytes.Equal(b, want) {
		t.Errorf("appended\n%x\nwant\n%x", b, want)
	}
	var e *Error
	if _, echo := any(x).(Echo); !echo { // which ends where the payload does
		for n := range want {
			if _, err := parse(want[:n:n]); err == nil {
				t.Errorf("%d of %d bytes are enough", n, len(want))
				break
			} else if errors.As(err, &e) && e.Reject() != (Reject{ReasonLogical, ExplanationLength, 0}) {
				t.Errorf("%d of %d bytes: %v, %+v", n, len(want), err, e.Reject())
			}
		}
		if got, err := parse(append(want[:len(want):len(want)], 1, 2, 3)); err != nil || !reflect.DeepEqual(got, x) {
			t.Errorf("with bytes behind it: %+v, %v", got, err)
		}
	}
	switch any(x).(type) {
	case AbortAccept, AbortReject: // they have no command code
	default:
		if _, err := parse(append([]byte{0x77}, want[1:]...)); !errors.As(err, &e) || e.Length || e.Reject().Reason != ReasonLogical {
			t.Errorf("another command: %v", err)
		}
	}
}

const (
	portA, nodeA = fc.Name(0x200002000000000a), fc.Name(0x100002000000000a)
	portB, nodeB = fc.Name(0x200002000000000b), fc.Name(0x100002000000000b)
)

func TestLogin(t *testing.T) {
	both(t, ParseLogin, FabricLogin(FLOGI, portA, nodeA, 2112), seenFLOGI)
	both(t, ParseLogin, PortLogin(PLOGI, portB, nodeB, 2112, 2*time.Second), seenPLOGI)
	x := Login{
		Command: LSAcc, High: 0x20, Low: 0x10, Credit: 0x102, Features: FeatureNPIVGranted | FeatureFabricPort | FeatureNanoseconds,
		BBSize: 0xf840, Third: 0, Fourth: 10000, ErrorDetect: 5000, Port: portB, Node: nodeB,
		Class1: Class{0x8001, 2, 3, 4, 5, 6, 7}, Class3: Class{Flags: ClassValid | ClassSequential, Size: 256, Concurrent: 1, Credit: 2},
		Vendor: [16]byte{0: 'A', 15: 'B'},
	}
	x.Class3.Open = 3
	x.Class3.Credit = 2
	both(t, ParseLogin, x, madeLogin)
	if x.ReceiveSize() != 256 || x.ErrorDetectTime() != 5*time.Microsecond || x.ResourceAllocationTime() != 10*time.Second {
		t.Errorf("%d, %v, %v", x.ReceiveSize(), x.ErrorDetectTime(), x.ResourceAllocationTime())
	}
	x.SetResourceAllocation(70 * time.Second)
	if x.ResourceAllocationTime() != 70*time.Second || x.Third != 1 {
		t.Errorf("%v", x.ResourceAllocationTime())
	}
	x.Class3.Size = 0
	if x.ReceiveSize() != 2112 {
		t.Error(x.ReceiveSize())
	}
	x.Class3.Flags = 0
	if x.ReceiveSize() != 0 {
		t.Error(x.ReceiveSize())
	}
	for _, c := range []Command{FDISC, PDISC, LSAcc} {
		if got, err := ParseLogin((&Login{Command: c}).Append(nil)); err != nil || got.Command != c {
			t.Errorf("%v: %+v, %v", c, got, err)
		}
	}
}

func TestProcess(t *testing.T) {
	both(t, ParsePRLI, Process{PRLI, []Page{{Type: fc.TypeFCP, Flags: ImagePair, Params: 0x1a2}}}, seenPRLI)
	both(t, ParsePRLI, Process{LSAcc, []Page{{Type: fc.TypeFCP, Flags: ImagePair.WithResponse(ResponseExecuted), Params: 0xb2}}}, seenPRLIAcc)
	two := Process{PRLI, []Page{
		{Type: fc.TypeFCP, Flags: ImagePair, Params: 0x1a2},
		{fc.TypeNVMe, 1, (OriginatorAssociator | ResponderAssociator | ImagePair).WithResponse(ResponseMultiple), 1, 2, 0x20},
	}}
	both(t, ParsePRLI, two, madePRLI)
	both(t, ParsePRLO, Process{PRLO, []Page{{Type: fc.TypeFCP}}}, madePRLO)
	if r := two.Pages[1].Flags.Response(); r != ResponseMultiple {
		t.Error(r)
	}
	for _, wrong := range []string{
		"prli:20100004 a:00*16", "prli:20100018 a:00*20", "prli:20100024 a:00*16", "prli:200c0014 a:00*16", "prli:2010ffff a:00*16", "prli:20100000 a:00*16",
	} {
		var e *Error
		if _, err := ParsePRLI(golden.Bytes(t, wrong)); !errors.As(err, &e) || !e.Length {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func TestElements(t *testing.T) {
	both(t, ParseReject, Reject{ReasonUnsupported, ExplanationNotSupported, 7}, madeReject)
	both(t, ParseLogout, Logout{0x00000a, portA}, seenLOGO)
	both(t, ParseDiscover, Discover{false, 0x010203, portA, nodeA, 0xa}, madeADISC)
	both(t, ParseDiscover, Discover{true, 0, portB, nodeB, 0x01000b}, madeADISCAcc)
	both(t, ParseTimeouts, MakeTimeouts(4*time.Second, 2*time.Second), seenRTVAcc)
	both(t, ParseReadLinkStatus, ReadLinkStatus{0x010203}, madeRLS)
	both(t, ParseLinkStatus, LinkStatus{1, 2, 3, 4, 5, 6}, madeRLSAcc)
	both(t, ParseEcho, Echo{false, []byte{1, 2, 3, 4, 5, 6, 7, 8}}, madeEcho)
	both(t, ParseEcho, Echo{true, []byte{1, 2, 3, 4, 5, 6, 7, 8}}, madeEchoAcc)
	both(t, ParseIdentify, Identify{FormatGeneral}, madeRNID)
	both(t, ParseIdentity, Identity{FormatGeneral, true, portB, nodeB, []byte{1, 2, 3, 4}}, madeRNIDAcc)
	both(t, ParseIdentity, Identity{}, madeRNIDAcc2)
	both(t, ParseReinstate, Reinstate{0x010101, 0x10, 0x8001}, madeRRQ)
	both(t, ParseReadExchange, ReadExchange{0x010101, 0x10, 0x8001}, madeREC)
	both(t, ParseConcise, Concise{0x10, 0x8001, 0x010101, 0x010001, 4096, StatusResponder | StatusComplete}, madeRECAcc)
	both(t, ParseRetransmit, Retransmit{0x10, 0x8001, 4096, fc.RCtlData}, madeSRR)
	both(t, ParseRegister, Register{RegisterFull}, madeSCR)
	both(t, ParseStateChange, StateChange{[]Affected{{0, AffectedPort, 0x010101}, {1, AffectedFabric, 0x020000}}}, madeRSCN)
	both(t, ParseAbortAccept, AbortAccept{true, 5, 0x10, 0x8001, 0, 0xffff}, madeBAAcc)
	both(t, ParseAbortReject, AbortReject{AbortLogical, AbortExchange, 0}, madeBARjt)
}

func TestPlain(t *testing.T) {
	if b := AppendRTV(nil); !bytes.Equal(b, golden.Bytes(t, seenRTV)) || ParseRTV(b) != nil || ParseRTV(b[:3]) == nil {
		t.Errorf("%x", b)
	}
	b := AppendAccept(nil)
	if !bytes.Equal(b, golden.Bytes(t, seenAccept)) || CheckAccept(b) != nil || CheckAccept(b[:3]) == nil || CheckAccept(AppendRTV(nil)) == nil {
		t.Errorf("%x", b)
	}
	var r Reject
	if err := CheckAccept(golden.Bytes(t, madeReject)); !errors.As(err, &r) || r.Reason != ReasonUnsupported || !strings.Contains(err.Error(), "not supported") {
		t.Error(err)
	}
	if CheckAccept(golden.Bytes(t, madeReject)[:7]) == nil {
		t.Error("seven bytes are an LS_RJT")
	}
	ra, ed := Timeouts{10000, 7, timeoutNanoseconds}.Times()
	if ra != 10*time.Second || ed != 7 {
		t.Error(ra, ed)
	}
	if CommandOf(nil) != 0 || CommandOf([]byte{3, 0, 0, 0}) != PLOGI {
		t.Error("the command of a payload")
	}
}

func TestWrongLengths(t *testing.T) {
	for _, wrong := range []string{"6104ffff+00*8", "61040004+00*8", "6104000a+00*8", "6108000c+00*8", "61040010+00*8", "61040404+00*1024"} {
		if _, err := ParseStateChange(golden.Bytes(t, "x:"+wrong)); err == nil {
			t.Errorf("%s is an RSCN", wrong)
		}
	}
	if x, err := ParseStateChange(golden.Bytes(t, "x:61040400+00*1020")); err != nil || len(x.Pages) != MaxAffected {
		t.Errorf("%d pages, %v", len(x.Pages), err)
	}
	for _, wrong := range []string{"02000000+df0f0000+00*16", "02000000+df100004+00*16", "02000000+df0000ff+00*16"} {
		if _, err := ParseIdentity(golden.Bytes(t, "x:"+wrong)); err == nil {
			t.Errorf("%s is the answer to RNID", wrong)
		}
	}
}

// TestWords: everything has a name, also what is not known.
func TestWords(t *testing.T) {
	for i := range 256 {
		for _, s := range []string{Command(i).String(), Reason(i).String(), Explanation(i).String(), AbortReason(i).String(), AbortExplanation(i).String(), Response(i).String()} {
			if s == "" {
				t.Errorf("%02x has no name", i)
			}
		}
	}
	for got, want := range map[string]string{
		PLOGI.String(): "PLOGI", Command(0x99).String(): "ELS 99h", ReasonUnable.String(): "unable to perform the request",
		ExplanationLogin.String():                          "N_Port login required",
		Reject{ReasonLogical, ExplanationLogin, 0}.Error(): "rejected: logical error, N_Port login required",
		AbortReject{AbortUnable, AbortExchange, 0}.Error(): "abort rejected: unable to perform the request, invalid OX_ID and RX_ID",
		(&Error{PLOGI, true, "3 bytes, want 116"}).Error(): "PLOGI: 3 bytes, want 116",
		ResponsePrecluded.String():                         "configuration precludes it",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
