package iu

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/internal/golden"
)

// What Linux's initiator and target send to each other.
const (
	seenInquiry = "lun:00*8 crn:00 attr:00 tm:00 rdwr:02 cdb:1200000024+00*11 dl:00000024"
	seenWrite   = "lun:00*8 crn:00 attr:00 tm:00 rdwr:01 cdb:2a+00*6+02+00*8 dl:00040000"
	seenReady   = "off:00000000 burst:00040000 r:00000000"
	seenGood    = "r:00*8 sq:0000 flags:00 stat:00 resid:00000000 snslen:00000000 rsplen:00000000"
	seenUnder   = "r:00*8 sq:0000 flags:08 stat:00 resid:00000ff0 snslen:00000000 rsplen:00000000"
	seenCheck   = "r:00*8 sq:0000 flags:02 stat:02 resid:00000000 snslen:00000060 rsplen:00000000 sense:700005000000000a0000000020+00*83"
)

// Made from the tables of the standard.
const (
	madeReset = "lun:0003000000000000 crn:07 attr:5a tm:10 rdwr:00 cdb:00*16 dl:00000000"
	madeLong  = "lun:4001000000000000 crn:00 attr:01 tm:00 rdwr:0a cdb:7f+00*15 more:0102030405060708 dl:00001000"
	madeBoth  = "lun:00*8 crn:00 attr:04 tm:00 rdwr:07 cdb:53+00*15 more:01020304 dl:00000200 rdl:00000400"
	madeDone  = "r:00*8 sq:0000 flags:01 stat:00 resid:00000000 snslen:00000000 rsplen:00000008 info:000000+05+00*4"
	madeOver  = "r:00*8 sq:1234 flags:14 stat:08 resid:00000200 snslen:00000000 rsplen:00000000"
	madeAll   = "r:00*8 sq:0000 flags:cb stat:02 resid:00000010 snslen:00000004 rsplen:00000008 info:00*8 sense:70000500 rresid:00000020"
	madeAll2  = "r:00*8 sq:0000 flags:a4 stat:00 resid:00000010 snslen:00000000 rsplen:00000000 rresid:00000020"
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
	if got, err := parse(append(want[:len(want):len(want)], 1, 2, 3)); err != nil || !reflect.DeepEqual(got, x) {
		t.Errorf("with bytes behind it: %+v, %v", got, err)
	}
}

func TestCommand(t *testing.T) {
	for vector, x := range map[string]Command{
		seenInquiry: {Read: true, CDB: [16]byte{0x12, 4: 0x24}, Len: 36},
		seenWrite:   {Write: true, CDB: [16]byte{0x2a, 7: 2}, Len: 256 << 10},
		madeReset:   {LUN: 3 << 48, CRN: 7, Priority: 11, Attr: AttrOrdered, TM: LUReset},
		madeLong: {
			LUN: 0x4001 << 48, Attr: AttrHeadOfQueue, Read: true, CDB: [16]byte{0x7f}, Additional: []byte{1, 2, 3, 4, 5, 6, 7, 8}, Len: 4096,
		},
		madeBoth: {Attr: AttrACA, Read: true, Write: true, CDB: [16]byte{0x53}, Additional: []byte{1, 2, 3, 4}, Len: 512, ReadLen: 1024},
	} {
		both(t, ParseCommand, x, vector)
	}
	// What is known of an IU that is too short for what it says.
	b := golden.Bytes(t, madeBoth)
	x, err := ParseCommand(b[:CommandLen])
	if err != ErrShort || x.CDB[0] != 0x53 || !x.Read || !x.Write {
		t.Errorf("%+v, %v", x, err)
	}
	// Reserved bits are not looked at.
	b = golden.Bytes(t, seenInquiry)
	b[9] |= 0x80
	if x, err := ParseCommand(b); err != nil || x.Priority != 0 || x.Attr != 0 {
		t.Errorf("%+v, %v", x, err)
	}
	long := Command{Additional: make([]byte, 252), Read: true}
	if got, err := ParseCommand(long.Append(nil)); err != nil || len(got.Additional) != 252 {
		t.Errorf("%d bytes, %v", len(got.Additional), err)
	}
}

func TestManagement(t *testing.T) {
	for m, want := range map[Management]string{
		0: "none", LUReset: "LOGICAL UNIT RESET", AbortTaskSet | ClearACA: "ABORT TASK SET and CLEAR ACA", 0x80: "reserved",
		TargetReset: "TARGET RESET", ClearTaskSet: "CLEAR TASK SET", QueryTaskSet: "QUERY TASK SET", QueryAsyncEvent: "QUERY ASYNCHRONOUS EVENT",
	} {
		if m.String() != want || m.One() == strings.Contains(want, "and") {
			t.Errorf("%v, want %s", m, want)
		}
	}
}

func TestReady(t *testing.T) {
	both(t, ParseReady, Ready{Len: 256 << 10}, seenReady)
	both(t, ParseReady, Ready{Offset: 0x01020304, Len: 0x05060708}, "off:01020304 burst:05060708 r:00000000")
}

func TestResponse(t *testing.T) {
	for vector, x := range map[string]Response{
		seenGood:  {},
		seenUnder: {Residual: 0xff0},
		seenCheck: {Status: 2, Sense: golden.Bytes(t, "sense:700005000000000a0000000020+00*83")},
		madeDone:  {HasCode: true, Code: CodeFailed},
		madeOver:  {Qualifier: 0x1234, Status: 8, Confirm: true, Residual: -512},
		madeAll:   {Status: 2, Residual: 16, Bidirectional: true, ReadResidual: 32, HasCode: true, Sense: []byte{0x70, 0, 5, 0}},
		madeAll2:  {Residual: -16, Bidirectional: true, ReadResidual: -32},
	} {
		both(t, ParseResponse, x, vector)
	}
	// Four bytes of response information are as good as eight.
	b := golden.Bytes(t, "r:00*8 sq:0000 flags:03 stat:02 resid:00000000 snslen:00000002 rsplen:00000004 info:000000+09 sense:7000")
	if x, err := ParseResponse(b); err != nil || !x.HasCode || x.Code != CodeIncorrectLUN || !bytes.Equal(x.Sense, []byte{0x70, 0}) {
		t.Errorf("%+v, %v", x, err)
	}
	// Other lengths are none, and lengths whose flag is not set do not count.
	b[23] = 5
	if _, err := ParseResponse(b[:len(b)-1]); err == nil {
		t.Error("longer than the IU")
	}
	if _, err := ParseResponse(append(b, 1)); err != ErrInfo {
		t.Error(err)
	}
	b[10] = 0
	if x, err := ParseResponse(b); err != nil || x.HasCode || x.Sense != nil {
		t.Errorf("%+v, %v", x, err)
	}
	b = golden.Bytes(t, seenCheck)
	b[16] = 0xff
	if _, err := ParseResponse(b); err != ErrShort {
		t.Error(err)
	}
	for c := range Code(12) {
		if c.String() == "" {
			t.Errorf("%d", c)
		}
	}
}

// TestNoAllocation: reading and writing allocates nothing, right or wrong.
func TestNoAllocation(t *testing.T) {
	command, ready, response := golden.Bytes(t, madeBoth), golden.Bytes(t, seenReady), golden.Bytes(t, madeAll)
	out := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() {
		for _, cut := range []int{0, 5} {
			c, err := ParseCommand(command[:len(command)-cut])
			r, err2 := ParseReady(ready[:len(ready)-cut])
			s, err3 := ParseResponse(response[:len(response)-cut])
			if (err != nil || err2 != nil || err3 != nil) != (cut != 0) {
				panic("not as expected")
			}
			out = s.Append(r.Append(c.Append(out[:0])))
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// again reads what a value becomes, and wants the value.
func again[T any](t *testing.T, parse func([]byte) (T, error), b []byte) {
	x, err := parse(b)
	if err != nil {
		return
	}
	a, ok := any(x).(appended)
	if !ok {
		a = any(&x).(appended)
	}
	y, err := parse(a.Append(nil))
	if err != nil || !reflect.DeepEqual(x, y) {
		t.Fatalf("%x is %+v, and that is %+v, %v", b, x, y, err)
	}
}

func FuzzCommand(f *testing.F) {
	for _, s := range []string{seenInquiry, seenWrite, madeReset, madeLong, madeBoth} {
		f.Add(golden.Bytes(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again(t, ParseCommand, b)
		if len(b) > 10 {
			_ = Management(b[10]).String()
		}
	})
}

func FuzzReady(f *testing.F) {
	f.Add(golden.Bytes(f, seenReady))
	f.Fuzz(func(t *testing.T, b []byte) { again(t, ParseReady, b) })
}

func FuzzResponse(f *testing.F) {
	for _, s := range []string{seenGood, seenUnder, seenCheck, madeDone, madeOver, madeAll, madeAll2} {
		f.Add(golden.Bytes(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { again(t, ParseResponse, b) })
}
