package iu

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/lunette-io/lunette/internal/golden"
)

// What Linux's initiator and target send to each other.
const (
	seenLogin     = "tag:00*8 fmt:0006 flags:80 op:00 itlen:00002044 iport:00*11+fffe00000a tport:000000fffe00000a000000fffe00000a immoff:0044 r:00*6"
	seenLogin2    = "tag:00*8 fmt:0006 flags:81 op:00 itlen:00002044 iport:00*16 tport:000000fffe00000a000000fffe00000a immoff:0044 r:00*6"
	seenAnswer    = "op:c0 r:000000 delta:00000080 tag:00*8 itlen:00002054 tilen:00002044 fmt:0006 flags:80 r:00*25"
	seenAnswer2   = "op:c0 r:000000 delta:00000080 tag:00*8 itlen:00002054 tilen:00002044 fmt:0006 flags:82 r:00*25"
	seenReady     = "op:02 sol:00 r:000000 fmt:00 nout:00 nin:00 tag:10+00*7 r:00000000 lun:00*8 r:00 attr:00 r:00 acdb:00 cdb:00*16"
	seenInquiry   = "op:02 sol:00 r:000000 fmt:01 nout:00 nin:00 tag:3000010000000000 r:00000000 lun:00*8 r:00 attr:00 r:00 acdb:00 cdb:1200000024+00*11 va:ffff88800f77c100 rkey:00008001 len:00000024"
	seenWrite     = "op:02 sol:00 r:000000 fmt:10 nout:00 nin:00 tag:3400010000000000 r:00000000 lun:00*8 r:00 attr:00 r:00 acdb:00 cdb:2a+00*6+02+00*8 va:ffff8880102af000 rkey:00008005 len:00040000"
	seenImmediate = "op:02 sol:00 r:000000 fmt:30 nout:00 nin:00 tag:3000010000000000 r:00000000 lun:00*8 r:00 attr:00 r:00 acdb:00 cdb:2a0000001000000008+00*7 immlen:00001000 stale:102af000000080080004+00*6"
	seenGood      = "op:c1 sol:00 r:0000 delta:00000001 tag:3000010000000000 r:0000 flags:00 stat:00 outres:00000000 inres:00000000 snslen:00000000 rsplen:00000000"
	seenUnder     = "op:c1 sol:00 r:0000 delta:00000001 tag:3300010000000000 r:0000 flags:20 stat:00 outres:00000000 inres:00000ff0 snslen:00000000 rsplen:00000000"
	seenCheck     = "op:c1 sol:00 r:0000 delta:00000001 tag:15+00*7 r:0000 flags:02 stat:02 outres:00000000 inres:00000000 snslen:00000060 rsplen:00000000 sense:700005000000000a0000000020+00*83"
)

// Made from the tables of the standard.
const (
	madeLogin   = "op:00 r:00*7 tag:0102030405060708 itlen:00000114 r:00*4 fmt:0006 flags:71 r:00 immoff:0000 r:0000 iport:00*15+01 tport:00*15+02"
	madeReject  = "op:c2 r:000000 reason:00010003 tag:0102030405060708 r:00*8 fmt:0006 r:00*6"
	madeTMF     = "op:01 sol:04 r:00*6 tag:0000008000000000 r:00*4 lun:0003000000000000 r:0000 func:01 r:00 task:3000010000000000 r:00*8"
	madeTMFDone = "op:c1 sol:01 r:0000 delta:00000002 tag:0000008000000000 r:0000 flags:01 stat:00 outres:00000000 inres:00000000 snslen:00000000 rsplen:00000004 rsp:00000005"
	madeOver    = "op:c1 sol:00 r:0000 delta:ffffffff tag:00*8 r:0000 flags:18 stat:00 outres:00000200 inres:00001000 snslen:00000000 rsplen:00000000"
	madeCredit  = "op:81 sol:01 r:0000 delta:00000003 tag:0102030405060708"
	madeCredit2 = "op:41 r:00*7 tag:0102030405060708"
	madeEvent   = "op:82 sol:00 r:0000 delta:00000000 tag:0102030405060708 r:00000000 lun:0001000000000000 snslen:00000008 r:00000000 sense:7206290000000000"
	madeEvent2  = "op:42 r:00*7 tag:0102030405060708"
	madeLogout  = "op:03 r:00*7 tag:0102030405060708"
	madeLogout2 = "op:80 sol:00 r:0000 reason:00000004 tag:0102030405060708"
	madeList    = "op:02 sol:06 r:000000 fmt:20 nout:03 nin:00 tag:0102030405060708 r:00*4 lun:4100000000000000 r:00 attr:02 r:00 acdb:04 cdb:7f+00*15 more:01020304 " +
		"tva:0000000000001000 tkey:00000007 tlen:00000030 total:00003000 a:0000000000002000+00000008+00001000 b:0000000000003000+00000008+00001000 c:0000000000004000+00000008+00001000"
	madeBoth = "op:02 sol:00 r:000000 fmt:12 nout:00 nin:00 tag:00*8 r:00*4 lun:00*8 r:00 attr:00 r:00 acdb:00 cdb:53+00*15 " +
		"va:0000000000002000 key:00000008 len:00001000 tva:0000000000001000 tkey:00000007 tlen:00008000 total:00100000"
)

// appended is what each kind of IU appends.
type appended interface{ Append(dst []byte) []byte }

// both holds a value against the bytes of the wire, both ways.
func both[T any](t *testing.T, parse func([]byte) (T, error), x T, vector string) {
	t.Helper()
	want := golden.Bytes(t, vector)
	got, err := parse(want)
	if err != nil || !reflect.DeepEqual(got, x) {
		t.Errorf("parsed %+v, %v\nwant   %+v", got, err, x)
	}
	a, ok := any(x).(appended)
	if !ok {
		a = any(&x).(appended)
	}
	if b := a.Append([]byte{9})[1:]; !bytes.Equal(b, want) {
		t.Errorf("appended\n%x\nwant\n%x", b, want)
	}
	for n := range want { // every byte of it counts
		if _, err := parse(want[:n:n]); err == nil {
			t.Errorf("%d of %d bytes are enough", n, len(want))
			break
		}
	}
	var e *Error
	if _, err := parse(append([]byte{0x77}, want[1:]...)); !errors.As(err, &e) || e.Fault != Invalid {
		t.Errorf("another type: %v", err)
	}
}

func TestLogin(t *testing.T) {
	tport := MakePortID(0x000000fffe00000a, 0x000000fffe00000a)
	for vector, x := range map[string]LoginRequest{
		seenLogin:  {MaxIU: 0x2044, Needs: FormatsDirect | FormatsIndirect, Immediate: true, ImmediateOffset: 68, Initiator: MakePortID(0, 0x000000fffe00000a), Target: tport},
		seenLogin2: {MaxIU: 0x2044, Needs: FormatsDirect | FormatsIndirect, Action: Multi, Immediate: true, ImmediateOffset: 68, Target: tport},
	} {
		b := golden.Bytes(t, vector)
		if got, err := ParseCMLoginRequest(b); err != nil || got != x {
			t.Errorf("%+v, %v", got, err)
		}
		if got := x.AppendCM(nil); !bytes.Equal(got, b) {
			t.Errorf("%x", got)
		}
		if _, err := ParseCMLoginRequest(b[:55]); err == nil {
			t.Error("55 bytes are enough")
		}
		b[11] = 1
		if _, err := ParseCMLoginRequest(b); err == nil {
			t.Error("another type is a login")
		}
	}
	both(t, ParseLoginRequest, LoginRequest{
		Tag: 0x0102030405060708, MaxIU: 276, Needs: 6, Action: Multi, LogoutSolicited: true, CreditSolicited: true, EventSolicited: true,
		Initiator: MakePortID(0, 1), Target: MakePortID(0, 2),
	}, madeLogin)
	both(t, ParseLoginResponse, LoginResponse{Delta: 128, MaxIn: 0x2054, MaxOut: 0x2044, Formats: 6, Immediate: true}, seenAnswer)
	both(t, ParseLoginResponse, LoginResponse{Delta: 128, MaxIn: 0x2054, MaxOut: 0x2044, Formats: 6, Immediate: true, Result: Maintained}, seenAnswer2)
	both(t, ParseLoginReject, LoginReject{Reason: RejectTarget, Tag: 0x0102030405060708, Formats: 6}, madeReject)
}

func TestCommand(t *testing.T) {
	for vector, x := range map[string]Command{
		seenReady: {Tag: 0x10 << 56},
		seenInquiry: {Tag: 0x300001 << 40, CDB: [16]byte{0x12, 4: 0x24}, In: Buffer{
			Format: Direct, Len: 0x24, List: Descriptor{0xffff88800f77c100, 0x8001, 0x24}.Append(nil)}},
		seenWrite: {Tag: 0x340001 << 40, CDB: [16]byte{0x2a, 7: 2}, Out: Buffer{
			Format: Direct, Len: 0x40000, List: Descriptor{0xffff8880102af000, 0x8005, 0x40000}.Append(nil)}},
		madeList: {Notify: NotifySuccess | NotifyFailure, Tag: 0x0102030405060708, LUN: 0x4100 << 48, Attr: AttrOrdered, CDB: [16]byte{0x7f}, Additional: []byte{1, 2, 3, 4},
			Out: Buffer{Format: Indirect, Len: 0x3000, Table: Descriptor{0x1000, 7, 48},
				List: Descriptor{0x4000, 8, 0x1000}.Append(Descriptor{0x3000, 8, 0x1000}.Append(Descriptor{0x2000, 8, 0x1000}.Append(nil)))}},
		madeBoth: {CDB: [16]byte{0x53}, Out: Buffer{Format: Direct, Len: 0x1000, List: Descriptor{0x2000, 8, 0x1000}.Append(nil)},
			In: Buffer{Format: Indirect, Len: 1 << 20, Table: Descriptor{0x1000, 7, 1 << 15}, List: []byte{}}},
	} {
		if x.Additional == nil {
			x.Additional = []byte{}
		}
		b := golden.Bytes(t, vector)
		got, err := ParseCommand(b, 68)
		if err != nil || !reflect.DeepEqual(got, x) {
			t.Errorf("parsed %+v, %v\nwant   %+v", got, err, x)
		}
		if a := x.Append([]byte{9}, 0)[1:]; !bytes.Equal(a, b) {
			t.Errorf("appended\n%x\nwant\n%x", a, b)
		}
		for n := range b {
			if _, err := ParseCommand(b[:n:n], 0); err == nil {
				t.Errorf("%d of %d bytes are enough", n, len(b))
			}
		}
		if e := x.In.External(); e != (vector == madeBoth) || x.Out.External() {
			t.Error("external", e)
		}
	}
}

func TestImmediate(t *testing.T) {
	head := golden.Bytes(t, seenImmediate)
	data := bytes.Repeat([]byte("0123456789abcdef"), 256)
	b := append(head, data...)
	x, err := ParseCommand(b, 68)
	if err != nil || x.Out.Format != Immediate || x.Out.Len != 4096 || !bytes.Equal(x.Out.Data, data) || x.In.Format != None {
		t.Fatalf("%+v, %v", x, err)
	}
	if a := x.Append(nil, 68); !bytes.Equal(a[:52], b[:52]) || !bytes.Equal(a[68:], data) || len(a) != 4164 {
		t.Errorf("%x", a)
	}
	for _, c := range []struct {
		b      []byte
		offset int
		want   Fault
	}{
		{b, 0, Invalid}, {b, 51, Invalid}, {b, 69, TooShort}, {b[:len(b)-1], 68, TooShort}, {head, 68, TooShort}, {head[:51], 68, TooShort},
	} {
		var e *Error
		if _, err := ParseCommand(c.b, c.offset); !errors.As(err, &e) || e.Fault != c.want {
			t.Errorf("offset %d: %v", c.offset, err)
		}
	}
}

func TestWrongCommands(t *testing.T) {
	list := golden.Bytes(t, madeList)
	change := func(at int, v byte) []byte {
		b := bytes.Clone(list)
		b[at] = v
		return b
	}
	for name, c := range map[string]struct {
		b    []byte
		want Fault
	}{
		"formats":                 {change(5, 0x40), Invalid},
		"data-in format":          {change(5, 0x04), Invalid},
		"immediate data-in":       {change(5, 0x03), Invalid},
		"one more descriptor":     {change(6, 4), TooShort},
		"fewer than in the table": {change(48+4+15, 0x20), OutTable},
		"half a descriptor":       {change(48+4+15, 0x38), OutTable},
		"additional CDB":          {change(31, 0xff), TooShort},
	} {
		var e *Error
		if x, err := ParseCommand(c.b, 68); !errors.As(err, &e) || e.Fault != c.want || e.Op != OpCommand || e.Error() == "" {
			t.Errorf("%s: %v", name, err)
		} else if x.Tag != 0x0102030405060708 || x.LUN != 0x4100<<48 {
			t.Errorf("%s: %+v", name, x)
		}
	}
	x, err := ParseCommand(change(48+4+14, 0x01), 68) // 304 bytes
	if err != nil || !x.Out.External() || x.Out.Entries() != 19 {
		t.Errorf("%+v, %v", x, err)
	}
}

func TestOthers(t *testing.T) {
	const tag = 0x0102030405060708
	both(t, ParseTaskManagement, TaskManagement{Notify: NotifyFailure, Tag: 0x80 << 32, LUN: 3 << 48, Function: AbortTask, Managed: 0x300001 << 40}, madeTMF)
	both(t, ParseResponse, Response{Delta: 1, Tag: 0x300001 << 40}, seenGood)
	both(t, ParseResponse, Response{Delta: 1, Tag: 0x330001 << 40, InResidual: 0xff0}, seenUnder)
	both(t, ParseResponse, Response{Delta: 1, Tag: 0x15 << 56, Status: 2, Sense: golden.Bytes(t, seenCheck)[36:]}, seenCheck)
	both(t, ParseResponse, Response{Solicited: true, Delta: 2, Tag: 0x80 << 32, HasCode: true, Code: CodeFailed}, madeTMFDone)
	both(t, ParseResponse, Response{Delta: -1, OutResidual: 512, InResidual: -4096}, madeOver)
	both(t, ParseCreditRequest, CreditRequest{Solicited: true, Delta: 3, Tag: tag}, madeCredit)
	both(t, ParseCreditResponse, CreditResponse{Tag: tag}, madeCredit2)
	both(t, ParseEventRequest, EventRequest{Tag: tag, LUN: 1 << 48, Sense: []byte{0x72, 6, 0x29, 0, 0, 0, 0, 0}}, madeEvent)
	both(t, ParseEventResponse, EventResponse{Tag: tag}, madeEvent2)
	both(t, ParseILogout, ILogout{Tag: tag}, madeLogout)
	both(t, ParseTLogout, TLogout{Reason: LogoutReplaced, Tag: tag}, madeLogout2)
	b := golden.Bytes(t, madeTMFDone)
	b[35] = 3
	if _, err := ParseResponse(b); err == nil {
		t.Error("response data of three bytes")
	}
	SetDelta(b, -7)
	if b[35] = 4; b[4] != 0xff || b[7] != 0xf9 {
		t.Errorf("%x", b)
	}
}

func TestNames(t *testing.T) {
	p, err := ParsePortID("0x0002C90300a0b0c00000000000000001")
	if err != nil || p != MakePortID(0x0002c90300a0b0c0, 1) || p.String() != "0x0002c90300a0b0c00000000000000001" {
		t.Error(p, err)
	}
	for _, s := range []string{"", "0x", "0002c90300a0b0c00000000000000001", "0x0002c90300a0b0c0000000000000000", "0x0002c90300a0b0c0000000000000000g"} {
		if _, err := ParsePortID(s); err == nil {
			t.Errorf("%q is an identifier", s)
		}
	}
	seen := make(map[string]bool)
	for i := range 256 {
		for _, s := range []string{
			Opcode(i).String(), "f" + Function(i).String(), "c" + Code(i).String(),
			"r" + RejectReason(0x00010000+i).String(), "l" + LogoutReason(i).String(),
		} {
			if seen[s] {
				t.Errorf("two have the name %q", s)
			}
			seen[s] = true
		}
	}
}

// FuzzIU parses anything as everything: no panic, nothing refers past the end, and what was taken
// is the same after a way out and in.
func FuzzIU(f *testing.F) {
	for _, s := range []string{
		seenLogin, seenAnswer, seenReady, seenInquiry, seenWrite, seenImmediate, seenGood, seenUnder, seenCheck, madeLogin, madeReject, madeTMF,
		madeTMFDone, madeOver, madeCredit, madeCredit2, madeEvent, madeEvent2, madeLogout, madeLogout2, madeList, madeBoth,
	} {
		f.Add(golden.Bytes(f, s), 68)
	}
	f.Fuzz(func(t *testing.T, b []byte, offset int) {
		offset = max(0, offset%9000)
		again(t, b, ParseLoginRequest, func(x *LoginRequest) []byte { return x.Append(nil) })
		again(t, b, ParseCMLoginRequest, func(x *LoginRequest) []byte { return x.AppendCM(nil) })
		again(t, b, ParseLoginResponse, func(x *LoginResponse) []byte { return x.Append(nil) })
		again(t, b, ParseLoginReject, func(x *LoginReject) []byte { return x.Append(nil) })
		again(t, b, ParseTaskManagement, func(x *TaskManagement) []byte { return x.Append(nil) })
		again(t, b, ParseResponse, func(x *Response) []byte { return x.Append(nil) })
		again(t, b, ParseCreditRequest, func(x *CreditRequest) []byte { return x.Append(nil) })
		again(t, b, ParseCreditResponse, func(x *CreditResponse) []byte { return x.Append(nil) })
		again(t, b, ParseEventRequest, func(x *EventRequest) []byte { return x.Append(nil) })
		again(t, b, ParseEventResponse, func(x *EventResponse) []byte { return x.Append(nil) })
		again(t, b, ParseILogout, func(x *ILogout) []byte { return x.Append(nil) })
		again(t, b, ParseTLogout, func(x *TLogout) []byte { return x.Append(nil) })
		again(t, b, func(b []byte) (Command, error) { return ParseCommand(b, offset) }, func(x *Command) []byte {
			for _, d := range []*Buffer{&x.Out, &x.In} {
				if n := len(d.List) / DescriptorLen; n > d.Entries() || len(d.List)%DescriptorLen != 0 {
					t.Fatalf("%d descriptors of %d", n, d.Entries())
				}
				for i := range len(d.List) / DescriptorLen {
					DescriptorAt(d.List, i)
				}
				if d.Format == Immediate && len(d.Data) != int(d.Len) {
					t.Fatalf("%d bytes of %d", len(d.Data), d.Len)
				}
			}
			return x.Append(nil, offset)
		})
	})
}

func again[T any](t *testing.T, b []byte, parse func([]byte) (T, error), put func(*T) []byte) {
	x, err := parse(b[:len(b):len(b)])
	if err != nil {
		if err.Error() == "" {
			t.Error("an error without a word")
		}
		return
	}
	out := put(&x)
	y, err := parse(out)
	if err != nil || !reflect.DeepEqual(x, y) {
		t.Fatalf("%+v\nbecame %+v, %v", x, y, err)
	}
}
