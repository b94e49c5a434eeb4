package ct

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/internal/golden"
	"github.com/lunette-io/lunette/network/fc"
)

// Made from the tables of the standard, with names as Linux's libfc has them.
const (
	ask         = "rev:01 in:000000 gs:fc sub:02 opt:00 r:00 "
	madeNext    = ask + "cmd:0100 size:0000 r:00*4 id:00010203"
	madePort    = ask + "cmd:0112 size:0000 r:00*4 id:00010203"
	madeByName  = ask + "cmd:0121 size:0000 r:00*4 wwpn:200002000000000a"
	madeSymbol  = ask + "cmd:0139 size:0000 r:00*4 wwnn:100002000000000a"
	madeType    = ask + "cmd:0172 size:0000 r:00*4 r:00 domain:01 area:02 type:08"
	madePT      = ask + "cmd:01a1 size:0000 r:00*4 pt:7f domain:01 area:02 r:00"
	madeSet     = ask + "cmd:0213 size:0000 r:00*4 id:00010203 wwnn:100002000000000a"
	madeTypes   = ask + "cmd:0217 size:0000 r:00*4 id:00010203 types:0000010000000001+00*24"
	madeFeature = ask + "cmd:021f size:0000 r:00*4 id:00010203 r:0000 feat:02 type:08"
	madeRSPN    = ask + "cmd:0218 size:0000 r:00*4 id:00010203 len:04 s:6c696e78"
	madeRSNN    = ask + "cmd:0239 size:0000 r:00*4 wwnn:100002000000000a len:00"
	madeDA      = ask + "cmd:0300 size:0000 r:00*4 id:00010203"
)

func requests() map[string]Request {
	types := Types{}
	types.Set(fc.TypeFCP)
	types.Set(fc.TypeCT)
	return map[string]Request{
		madeNext:    {Command: GetNext, ID: 0x010203},
		madePort:    {Command: GetPortName, ID: 0x010203},
		madeByName:  {Command: GetIDByPort, Name: 0x200002000000000a},
		madeSymbol:  {Command: GetNodeSymbol, Name: 0x100002000000000a},
		madeType:    {Command: GetPortNames, Domain: 1, Area: 2, Type: fc.TypeFCP},
		madePT:      {Command: GetIDsByPort, PortType: PortTypeNX, Domain: 1, Area: 2},
		madeSet:     {Command: SetNodeName, ID: 0x010203, Name: 0x100002000000000a},
		madeTypes:   {Command: SetTypes, ID: 0x010203, Types: types},
		madeFeature: {Command: SetFeatures, ID: 0x010203, Features: fc.FeatureInitiator, Type: fc.TypeFCP},
		madeRSPN:    {Command: SetPortSymbol, ID: 0x010203, Symbol: []byte("linx")},
		madeRSNN:    {Command: SetNodeSymbol, Name: 0x100002000000000a, Symbol: []byte{}},
		madeDA:      {Command: Deregister, ID: 0x010203},
	}
}

func TestRequests(t *testing.T) {
	for vector, want := range requests() {
		b := golden.Bytes(t, vector)
		h, got, err := ParseRequest(b)
		if err != nil || !reflect.DeepEqual(got, want) || h != Ask(want.Command) {
			t.Errorf("%+v, %+v, %v\nwant %+v", h, got, err, want)
		}
		if out := want.Append([]byte{9})[1:]; !bytes.Equal(out, b) {
			t.Errorf("appended\n%x\nwant\n%x", out, b)
		}
		for n := range b {
			var e *Error
			if _, _, err := ParseRequest(b[:n:n]); !errors.As(err, &e) || e.Reason != ReasonSize {
				t.Errorf("%d of %d bytes: %v", n, len(b), err)
			}
		}
		if got, _, err := ParseRequest(append(b[:len(b):len(b)], 1, 2, 3)); err != nil || got != h {
			t.Errorf("with bytes behind it: %v", err)
		}
		for at, reason := range map[int]Reason{0: ReasonVersion, 4: ReasonUnsupported, 5: ReasonUnsupported, 8: ReasonUnsupported} {
			c := bytes.Clone(b)
			c[at] = 0x77
			var e *Error
			if _, _, err := ParseRequest(c); !errors.As(err, &e) || e.Reason != reason {
				t.Errorf("byte %d: %v", at, err)
			}
		}
	}
	long := Request{Command: SetPortSymbol, Symbol: bytes.Repeat([]byte("x"), 300)}
	if _, got, err := ParseRequest(long.Append(nil)); err != nil || len(got.Symbol) != MaxSymbol {
		t.Errorf("%d, %v", len(got.Symbol), err)
	}
}

// TestForms: every command has a form, and comes back.
func TestForms(t *testing.T) {
	known := 0
	for c := range 0x1000 {
		x := Request{Command: Command(c)}
		_, got, err := ParseRequest(x.Append(nil))
		if Command(c).form() == formNone {
			if err == nil {
				t.Errorf("%v is known", x.Command)
			}
			continue
		}
		if known++; err != nil || got.Command != x.Command || strings.HasPrefix(x.Command.String(), "CT command") {
			t.Errorf("%v: %v", x.Command, err)
		}
	}
	if known != 20 {
		t.Errorf("%d commands are known", known)
	}
}

func TestAnswers(t *testing.T) {
	h := Ask(GetPortNames)
	h.IN = 0x010203
	a, err := ParseHeader(h.Accept().Append(nil))
	if err != nil || a.Check() != nil || a != h.Accept() {
		t.Errorf("%+v, %v", a, err)
	}
	b := h.Reject(ReasonUnable, ExplanationTypes).Append(nil)
	if want := golden.Bytes(t, "rev:01 in:010203 gs:fc sub:02 opt:00 r:00 cmd:8001 size:0000 r:00 reason:09 expl:07 v:00"); !bytes.Equal(b, want) {
		t.Errorf("%x, want %x", b, want)
	}
	a, err = ParseHeader(b)
	var r Reject
	if err != nil || !errors.As(a.Check(), &r) || r != (Reject{ReasonUnable, ExplanationTypes, 0}) {
		t.Errorf("%+v, %v", a, err)
	}
	if r.Error() != "name server: rejected: unable to perform the request, FC-4 types not registered" {
		t.Error(r)
	}
	if h.Check() == nil {
		t.Error("a request is an answer")
	}
	for _, f := range []func([]byte) error{
		func(b []byte) error { _, err := ParseName(b); return err },
		func(b []byte) error { _, err := ParseSymbol(b); return err },
		func(b []byte) error { _, err := ParseTypes(b); return err },
		func(b []byte) error { _, err := ParseFeatures(b); return err },
		func(b []byte) error { _, err := ParseObject(b); return err },
		func(b []byte) error { return ParseIDs(b, func(fc.ID) bool { return true }) },
		func(b []byte) error { return ParseNamed(b, func(fc.ID, fc.Name) bool { return true }) },
	} {
		if f(nil) == nil {
			t.Error("nothing is an answer")
		}
	}
}

func TestLists(t *testing.T) {
	b := AppendNamed(AppendNamed(nil, 0x010101, 0x200002000000000a, false), 0x010102, 0x200002000000000b, true)
	if want := golden.Bytes(t, "a:00010101+00000000+200002000000000a b:80010102+00000000+200002000000000b"); !bytes.Equal(b, want) {
		t.Errorf("%x, want %x", b, want)
	}
	var ids []fc.ID
	if err := ParseNamed(append(b, 1), func(i fc.ID, n fc.Name) bool { ids = append(ids, i); return n != 0 }); err != nil || !reflect.DeepEqual(ids, []fc.ID{0x010101, 0x010102}) {
		t.Errorf("%v, %v", ids, err)
	}
	if err := ParseNamed(b[:31], func(fc.ID, fc.Name) bool { return true }); err == nil {
		t.Error("a list without an end")
	}
	b = AppendID(AppendID(nil, 0x010101, false), 0x010102, true)
	if want := golden.Bytes(t, "a:00010101 b:80010102"); !bytes.Equal(b, want) {
		t.Errorf("%x, want %x", b, want)
	}
	ids = nil
	if err := ParseIDs(b, func(i fc.ID) bool { ids = append(ids, i); return false }); err != nil || len(ids) != 1 {
		t.Errorf("%v, %v", ids, err)
	}
	if err := ParseIDs(b[:7], func(fc.ID) bool { return true }); err == nil {
		t.Error("a list without an end")
	}
}

func object() Object {
	x := Object{
		Type: PortTypeN, ID: 0x010203, Port: 0x200002000000000a, PortSymbol: []byte("port"), Node: 0x100002000000000a, NodeSymbol: []byte("a node"),
		Classes: Class3, FabricPort: 0x2000020000000fab, Hard: 0x040506,
	}
	x.Types.Set(fc.TypeFCP)
	return x
}

func TestObjects(t *testing.T) {
	x := object()
	b := x.Append(nil)
	if want := golden.Bytes(t, "type:01 id:010203 wwpn:200002000000000a len:04 s:706f7274+00*251 wwnn:100002000000000a len:06 s:61206e6f6465+00*249 "+
		"ipa:00*8 ip:00*16 cos:00000008 types:00000100+00*28 ip:00*16 fport:2000020000000fab hard:00040506"); !bytes.Equal(b, want) || len(b) != 620 {
		t.Errorf("%d bytes: %x, want %x", len(b), b, want)
	}
	if y, err := ParseObject(b); err != nil || !reflect.DeepEqual(x, y) {
		t.Errorf("%+v, %v", y, err)
	}
	if n, err := ParseName(AppendName(nil, 77)); err != nil || n != 77 {
		t.Error(n, err)
	}
	if s, err := ParseSymbol(AppendSymbol(nil, []byte("abc"))); err != nil || string(s) != "abc" {
		t.Errorf("%q, %v", s, err)
	}
	if ty, err := ParseTypes(x.Types.Append(nil)); err != nil || ty != x.Types || !ty.Has(fc.TypeFCP) || ty.Has(fc.TypeELS) {
		t.Errorf("%x, %v", ty, err)
	}
	var f FeatureTable
	f.Set(fc.TypeFCP, fc.FeatureTarget|fc.FeatureInitiator)
	f.Set(fc.TypeFCP, fc.FeatureTarget)
	if got, err := ParseFeatures(f.Append(nil)); err != nil || got != f || got.Get(fc.TypeFCP) != fc.FeatureTarget || got.Get(fc.TypeNVMe) != 0 {
		t.Errorf("%x, %v", got, err)
	}
}

// TestWords: everything has a name, also what is not known.
func TestWords(t *testing.T) {
	for i := range 256 {
		if Reason(i).String() == "" || Explanation(i).String() == "" {
			t.Errorf("%02x has no name", i)
		}
	}
	if Accepted.String() != "FS_ACC" || Rejected.String() != "FS_RJT" || Command(0x7777).String() != "CT command 7777h" {
		t.Error("the names of commands")
	}
}

func FuzzRequest(f *testing.F) {
	for vector := range requests() {
		f.Add(golden.Bytes(f, vector))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, x, err := ParseRequest(b)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%T: %v", err, err)
			}
			_ = h.Reject(e.Reason, 0).Append(nil)
			return
		}
		h2, y, err := ParseRequest(x.Append(nil))
		if err != nil || h2.Command != h.Command || !reflect.DeepEqual(x, y) {
			t.Fatalf("%x is %+v, and that is %+v, %v", b, x, y, err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	x := object()
	f.Add(x.Append(Ask(GetNext).Accept().Append(nil)))
	f.Add(AppendNamed(AppendNamed(Ask(GetPortNames).Accept().Append(nil), 1, 2, false), 3, 4, true))
	f.Add(Ask(GetPortNames).Reject(ReasonUnable, ExplanationTypes).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			return
		}
		if h.Check() != nil {
			_ = h.Check().Error()
		}
		b = b[HeaderLen:]
		if x, err := ParseObject(b); err == nil {
			if y, err := ParseObject(x.Append(nil)); err != nil || !reflect.DeepEqual(x, y) {
				t.Fatalf("%x is %+v, and that is %+v, %v", b, x, y, err)
			}
		}
		n := 0
		_ = ParseIDs(b, func(fc.ID) bool { n++; return true })
		_ = ParseNamed(b, func(fc.ID, fc.Name) bool { n++; return true })
		if n > len(b)/2 {
			t.Fatalf("%d entries in %d bytes", n, len(b))
		}
		_, _ = ParseName(b)
		_, _ = ParseSymbol(b)
		_, _ = ParseTypes(b)
		_, _ = ParseFeatures(b)
	})
}
