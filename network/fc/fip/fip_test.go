package fip

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/internal/golden"
	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// What Linux's fcoe sends.
const (
	seenSolicitation = "ver:1000 fipop:0001 r:00 sub:01 dlw:0006 flags:8000 mac:020202000000000a name:04030000100002000000000a size:0601086e"
	seenProbe        = "ver:1000 fipop:0005 r:00 sub:01 dlw:000a flags:0000 mac:020202000000000b name:04030000100002000000000b vnport:0b050efd0000000b0000000b200002000000000b"
	seenClaim        = "ver:1000 fipop:0005 r:00 sub:03 dlw:0034 flags:0000 mac:020202000000000b name:04030000100002000000000b " +
		"vnport:0b050efd0000000b0000000b200002000000000b fc4head:0f290000 types:0000010000000001+00*24 features:00*7+03+00*120 size:0601086e"
	seenBeacon = "ver:1000 fipop:0005 r:00 sub:05 dlw:000a flags:0000 mac:020202000000000b name:04030000100002000000000b vnport:0b050efd0000000b0000000b200002000000000b"
	seenFLOGI  = "ver:1000 fipop:0002 r:00 sub:01 dlw:0026 flags:0000 flogi:07240000 rctl:22 did:00000b cs:00 sid:00000a fctype:01 " +
		"fctl:290000 seq:00 df:00 cnt:0000 ox:0000 rx:ffff par:00000000 cmd:04000000 fcph:2020 bbc:000a feat:8000 bbsize:0840 tot:0000 rel:0000 edtov:00000000 " +
		"wwpn:200002000000000a wwnn:100002000000000a cl1:00*16 cl2:00*16 cl3:88+00*15 cl4:00*16 vv:00*16 mac:02020efd0000000a"
	seenFLOGIAcc = "ver:1000 fipop:0002 r:00 sub:02 dlw:0026 flags:0000 flogi:07240000 rctl:23 did:00000a cs:00 sid:00000b fctype:01 " +
		"fctl:990000 seq:00 df:00 cnt:0000 ox:0000 rx:ffff par:00000000 cmd:02000000 fcph:2020 bbc:000a feat:8000 bbsize:0840 tot:0000 rel:0000 edtov:00000000 " +
		"wwpn:200002000000000b wwnn:100002000000000b cl1:00*16 cl2:00*16 cl3:88+00*15 cl4:00*16 vv:00*16 mac:02020efd0000000b"
	seenLOGO = "ver:1000 fipop:0002 r:00 sub:01 dlw:000d flags:0000 logo:090b0000 rctl:22 did:00000b cs:00 sid:00000a fctype:01 " +
		"fctl:290000 seq:00 df:00 cnt:0000 ox:0001 rx:ffff par:00000000 cmd:05000000 nport:0000000a wwpn:200002000000000a mac:02020efd0000000a"
	seenLOGOAcc = "ver:1000 fipop:0002 r:00 sub:02 dlw:000a flags:0000 logo:09080000 rctl:23 did:00000a cs:00 sid:00000b fctype:01 " +
		"fctl:990000 seq:00 df:00 cnt:0000 ox:0001 rx:ffff par:00000000 cmd:02000000 mac:02020efd0000000b"
)

// Made from the tables of the standard.
const (
	madeAdvertisement = "ver:1000 fipop:0001 r:00 sub:02 dlw:000c flags:8007 pri:01010080 mac:020202000000000c name:040300001000020000000fab " +
		"fabric:0504+0064+00+0efc00+2000020000000fab fka:0c020000+00001f40"
	madeKeepAlive = "ver:1000 fipop:0003 r:00 sub:01 dlw:0007 flags:8000 mac:020202000000000a vnport:0b050efc00010101+00010101+200002000000000a"
	madeClear     = "ver:1000 fipop:0003 r:00 sub:02 dlw:000f flags:8001 mac:020202000000000c name:040300001000020000000fab " +
		"a:0b050efc00010101+00010101+200002000000000a b:0b050efc00010102+00010102+200002000000000b"
	madeClearAll = "ver:1000 fipop:0003 r:00 sub:02 dlw:0005 flags:8001 mac:020202000000000c name:040300001000020000000fab"
	madeVLANs    = "ver:1000 fipop:0004 r:00 sub:02 dlw:0004 flags:8000 mac:020202000000000c a:0e010064 b:0e010fff"
	madeVLANs2   = "ver:1000 fipop:0004 r:00 sub:03 dlw:0003 flags:0000 mac:020202000000000c a:0e010064"
	madeVLANAsk  = "ver:1000 fipop:0004 r:00 sub:01 dlw:0005 flags:8000 mac:020202000000000a name:04030000100002000000000a"
	madeReject   = "ver:1000 fipop:0002 r:00 sub:02 dlw:0009 flags:8001 flogi:07090000 hdr:23000000+00fffffe+01990000+00000000+0007ffff+00000000 rjt:01000000+000b2c00"
	madeForward  = "ver:1000 fipop:0002 r:00 sub:02 dlw:000d flags:8001 flogi:08090000 hdr:23010102+00fffffe+01990000+00000000+0007ffff+00000000 acc:02000000+00*4 " +
		"mac:02020efc00010102 fcoe:020202000000000d"
	madeRest = "ver:1000 fipop:0003 r:00 sub:01 dlw:000a flags:4038 pri:01010001 mac:020202000000000a map:03020000000efc01 fka:0c020001+00000bb8 vendor:0d030000+0102030405060708"
)

var (
	macA = ethernet.MAC{2, 0, 0, 0, 0, 0xa}
	macB = ethernet.MAC{2, 0, 0, 0, 0, 0xb}
	macC = ethernet.MAC{2, 0, 0, 0, 0, 0xc}
)

const (
	portA, nodeA = fc.Name(0x200002000000000a), fc.Name(0x100002000000000a)
	portB, nodeB = fc.Name(0x200002000000000b), fc.Name(0x100002000000000b)
	fabricName   = fc.Name(0x1000020000000fab)
)

// frames are all vectors, with what they say.
func frames(t testing.TB) map[string]Frame {
	neighbour := func(k Kind) Frame {
		return Frame{
			Kind: k, Has: SetOf(TypeMAC, TypeName, TypeVNPort), MAC: macB, Name: nodeB,
			VNPorts: []VNPort{{PortMAC(VN2VNMap, 0xb), 0xb, portB}},
		}
	}
	claim := neighbour(ClaimNotification)
	claim.Has |= SetOf(TypeFC4, TypeMaxSize)
	claim.MaxSize = MaxSizeOf(2112)
	claim.FC4.Set(fc.TypeFCP, fc.FeatureTarget|fc.FeatureInitiator)
	claim.FC4.Set(fc.TypeCT, 0)
	link := func(k Kind, d DescriptorType, h fc.Header, payload []byte, id fc.ID) Frame {
		return Frame{Kind: k, Has: SetOf(d, TypeMAC), Link: Link{h, payload}, MAC: PortMAC(VN2VNMap, id)}
	}
	request := fc.Header{RCtl: fc.RCtlELSRequest, D: 0xb, S: 0xa, Type: fc.TypeELS, FCtl: fc.FCtlRequest, RX: fc.NoID}
	reply := fc.Header{RCtl: fc.RCtlELSReply, D: 0xa, S: 0xb, Type: fc.TypeELS, FCtl: fc.FCtlReply, RX: fc.NoID}
	login := els.FabricLogin(els.FLOGI, portA, nodeA, 2112)
	accept := els.FabricLogin(els.LSAcc, portB, nodeB, 2112)
	request1, reply1 := request, reply
	request1.OX, reply1.OX = 1, 1
	granted := fc.Header{RCtl: fc.RCtlELSReply, D: 0x010102, S: fc.FabricPort, Type: fc.TypeELS, FCtl: fc.FCtlReply, OX: 7, RX: fc.NoID}
	refused := granted
	refused.D = 0
	return map[string]Frame{
		seenSolicitation: {Kind: Solicitation, Flags: FPMA, Has: SetOf(TypeMAC, TypeName, TypeMaxSize), MAC: macA, Name: nodeA, MaxSize: 2158},
		seenProbe:        neighbour(ProbeRequest),
		seenBeacon:       neighbour(Beacon),
		seenClaim:        claim,
		seenFLOGI:        link(LinkRequest, TypeFLOGI, request, login.Append(nil), 0xa),
		seenFLOGIAcc:     link(LinkReply, TypeFLOGI, reply, accept.Append(nil), 0xb),
		seenLOGO:         link(LinkRequest, TypeLOGO, request1, els.Logout{ID: 0xa, Port: portA}.Append(nil), 0xa),
		seenLOGOAcc:      link(LinkReply, TypeLOGO, reply1, els.AppendAccept(nil), 0xb),
		madeAdvertisement: {
			Kind: Advertisement, Flags: FPMA | Available | Solicited | FromFCF, Has: SetOf(TypePriority, TypeMAC, TypeName, TypeFabric, TypeAdvertise),
			Priority: 128, MAC: macC, Name: fabricName, Fabric: Fabric{100, DefaultMap, 0x2000020000000fab}, Advertise: MakeAdvertise(8 * time.Second),
		},
		madeKeepAlive: {
			Kind: KeepAlive, Flags: FPMA, Has: SetOf(TypeMAC, TypeVNPort), MAC: macA, VNPorts: []VNPort{{PortMAC(DefaultMap, 0x010101), 0x010101, portA}},
		},
		madeClear: {
			Kind: ClearVirtualLinks, Flags: FPMA | FromFCF, Has: SetOf(TypeMAC, TypeName, TypeVNPort), MAC: macC, Name: fabricName,
			VNPorts: []VNPort{{PortMAC(DefaultMap, 0x010101), 0x010101, portA}, {PortMAC(DefaultMap, 0x010102), 0x010102, portB}},
		},
		madeClearAll: {Kind: ClearVirtualLinks, Flags: FPMA | FromFCF, Has: SetOf(TypeMAC, TypeName), MAC: macC, Name: fabricName},
		madeVLANs:    {Kind: VLANNotification, Flags: FPMA, Has: SetOf(TypeMAC, TypeVLAN), MAC: macC, VLANs: []uint16{100, 0xfff}},
		madeVLANs2:   {Kind: VN2VNVLANs, Has: SetOf(TypeMAC, TypeVLAN), MAC: macC, VLANs: []uint16{100}},
		madeVLANAsk:  {Kind: VLANRequest, Flags: FPMA, Has: SetOf(TypeMAC, TypeName), MAC: macA, Name: nodeA},
		madeReject: {
			Kind: LinkReply, Flags: FPMA | FromFCF, Has: SetOf(TypeFLOGI),
			Link: Link{refused, els.Reject{Reason: els.ReasonUnsupported, Explanation: els.ExplanationNotSupported}.Append(nil)},
		},
		madeForward: {
			Kind: LinkReply, Flags: FPMA | FromFCF, Has: SetOf(TypeFDISC, TypeMAC), Link: Link{granted, golden.Bytes(t, "acc:02000000+00*4")},
			MAC: PortMAC(DefaultMap, 0x010102), Forwarded: true, Forward: ethernet.MAC{2, 0, 0, 0, 0, 0xd},
		},
		madeRest: {
			Kind: KeepAlive, Flags: SPMA | Controlling | Forwarder | Recorded, Has: SetOf(TypePriority, TypeMAC, TypeMap, TypeAdvertise, TypeVendor),
			Priority: 1, MAC: macA, Map: 0x0efc01, Advertise: Advertise{true, 3000}, Vendor: 0x0102030405060708,
		},
	}
}

// same compares frames: a slice with nothing in it is as good as none.
func same(a, b Frame) bool {
	for _, x := range []*Frame{&a, &b} {
		x.VNPorts, x.VLANs = append([]VNPort(nil), x.VNPorts...), append([]uint16(nil), x.VLANs...)
	}
	return reflect.DeepEqual(a, b)
}

func TestFrames(t *testing.T) {
	var got Frame // one for all: nothing of a frame is left for the next
	for vector, want := range frames(t) {
		b := golden.Bytes(t, vector)
		if err := got.Parse(b); err != nil || !same(got, want) {
			t.Errorf("%s: %v\n%+v, want\n%+v", vector, err, got, want)
		}
		if out := want.Append([]byte{9})[1:]; !bytes.Equal(out, b) {
			t.Errorf("appended\n%x\nwant\n%x", out, b)
		}
		if err := got.Parse(Pad(b, 0, 2158)); err != nil || !same(got, want) {
			t.Errorf("%s padded: %v", vector, err)
		}
		for n := range b {
			if got.Parse(b[:n:n]) == nil {
				t.Errorf("%d of %d bytes are enough", n, len(b))
				break
			}
		}
		if want.Kind.String() == "" || strings.Contains(want.Kind.String(), "operation") {
			t.Error(want.Kind)
		}
		c := bytes.Clone(b)
		c[0] = 0x20
		if err := got.Parse(c); !errors.Is(err, ErrMalformed) {
			t.Errorf("version 2: %v", err)
		}
	}
}

// TestNotCritical: what is not known and need not be is passed over, wherever it is.
func TestNotCritical(t *testing.T) {
	b := golden.Bytes(t, strings.Replace(seenBeacon, "dlw:000a", "dlw:000f", 1))
	extra := golden.Bytes(t, "x:8001abcd y:ff04+00*14")
	at := HeaderLen
	b = append(b[:at:at], append(extra, b[at:]...)...)
	var x Frame
	if err := x.Parse(b); err != nil || !same(x, frames(t)[seenBeacon]) {
		t.Errorf("%+v, %v", x, err)
	}
}

func TestMalformed(t *testing.T) {
	const probe = "ver:1000 fipop:0005 r:00 sub:01 dlw:%LEN flags:0000 "
	const mac, name, port = "mac:020202000000000b ", "name:04030000100002000000000b ", "vnport:0b050efd0000000b0000000b200002000000000b "
	for what, vector := range map[string]string{
		"no descriptors":          probe,
		"no name":                 probe + mac + port,
		"no port":                 probe + mac + name,
		"two MACs":                probe + mac + mac + name + port,
		"two names":               probe + mac + name + name + port,
		"two ports":               probe + mac + name + port + port,
		"two sizes":               probe + mac + name + port + "a:0601086e b:0601086e",
		"unknown critical 16":     probe + mac + name + port + "x:10010000",
		"unknown critical 0":      probe + mac + name + port + "x:00010000",
		"unknown 127":             probe + mac + name + port + "x:7f010000",
		"no length":               probe + mac + name + port + "x:80000000",
		"beyond the list":         probe + mac + name + port + "x:80020000",
		"a MAC of one word":       probe + "x:02010200 " + mac + name + port,
		"a MAC of three words":    probe + "x:02030200000000000b000000 " + name + port,
		"a link service behind":   probe + mac + name + port + "x:07080000+00*28",
		"a short link service":    probe + "x:07070000+00*24 " + mac + name + port,
		"an operation not known":  "ver:1000 fipop:0006 r:00 sub:01 dlw:%LEN flags:0000 " + mac,
		"a subcode not known":     "ver:1000 fipop:0001 r:00 sub:03 dlw:%LEN flags:0000 " + mac,
		"no link service":         "ver:1000 fipop:0002 r:00 sub:01 dlw:%LEN flags:0000 " + mac,
		"a request without a MAC": "ver:1000 fipop:0002 r:00 sub:01 dlw:%LEN flags:0000 x:07080000+00*28",
		"three MACs":              "ver:1000 fipop:0002 r:00 sub:02 dlw:%LEN flags:0000 x:07080000+00*28 " + mac + mac + mac,
		"two link services":       "ver:1000 fipop:0002 r:00 sub:02 dlw:%LEN flags:0000 x:07080000+00*28 x:08080000+00*28 " + mac,
		"an advertisement's lack": "ver:1000 fipop:0001 r:00 sub:02 dlw:%LEN flags:8007 " + mac + name,
	} {
		n := (len(golden.Bytes(t, strings.Replace(vector, "%LEN", "0000", 1))) - HeaderLen) / 4
		b := golden.Bytes(t, strings.Replace(vector, "%LEN", hex.EncodeToString([]byte{byte(n >> 8), byte(n)}), 1))
		var x Frame
		err := x.Parse(b)
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	b := golden.Bytes(t, seenBeacon)
	b[7]++
	var x Frame
	if err := x.Parse(b); !errors.Is(err, ErrMalformed) {
		t.Errorf("a list beyond the frame: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	m := PortMAC(DefaultMap, 0x010203)
	if m != (ethernet.MAC{0x0e, 0xfc, 0, 1, 2, 3}) {
		t.Errorf("%x", m)
	}
	if fcMap, id := MACID(m); fcMap != DefaultMap || id != 0x010203 {
		t.Errorf("%x %v", fcMap, id)
	}
	for size, want := range map[int]int{2158: 2112, 9000: 2112, 2500: 2112, 1500: 1452, 2157: 2108, 302: 256, 301: 252, 46: 0, 45: -4} {
		if got := PayloadOf(size); got != want {
			t.Errorf("%d bytes of payload in %d, want %d", got, size, want)
		}
	}
	if MaxSizeOf(2112) != 2158 {
		t.Error(MaxSizeOf(2112))
	}
}

func TestWords(t *testing.T) {
	for i := range 256 {
		if DescriptorType(i).String() == "" {
			t.Errorf("%d has no name", i)
		}
	}
	if s := SetOf(TypeMAC, TypeFC4).String(); s != "MAC address descriptor, FC-4 attributes descriptor" {
		t.Error(s)
	}
	if (Kind{9, 9}).String() != "operation 0009h/09h" {
		t.Error(Kind{9, 9})
	}
	a := Advertise{Period: 8000}
	if a.Time() != 8*time.Second || MakeAdvertise(a.Time()) != a {
		t.Errorf("%+v", a)
	}
	var x FC4
	for i := range 256 {
		x.Set(fc.Type(i), fc.Features(i&15))
		if f, ok := x.Get(fc.Type(i)); !ok || f != fc.Features(i&15) {
			t.Errorf("%d: %v", i, f)
		}
	}
	long := Frame{Kind: LinkReply, Has: SetOf(TypeFLOGI), Link: Link{Payload: make([]byte, 2000)}}
	if err := new(Frame).Parse(long.Append(nil)); err != nil {
		t.Error(err)
	}
}

// TestNoAllocation: a frame that is well formed costs nothing, so that floods of them do not.
func TestNoAllocation(t *testing.T) {
	claim, clear := golden.Bytes(t, seenClaim), golden.Bytes(t, madeClear)
	x := Frame{VNPorts: make([]VNPort, 0, 8)}
	out := make([]byte, 0, 2158)
	if n := testing.AllocsPerRun(100, func() {
		if x.Parse(claim) != nil || x.Parse(clear) != nil {
			panic("malformed")
		}
		out = x.Append(out[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzFrame(f *testing.F) {
	for vector := range frames(f) {
		f.Add(golden.Bytes(f, vector))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var x, y Frame
		if x.Parse(b) != nil {
			return
		}
		out := x.Append(nil)
		if len(out) > len(b) {
			t.Fatalf("%x became longer: %x", b, out)
		}
		if err := y.Parse(out); err != nil || !same(x, y) {
			t.Fatalf("%x is %+v, and that is %+v, %v", b, x, y, err)
		}
	})
}
