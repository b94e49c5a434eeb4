package mad

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/lunette-io/lunette/internal/golden"
)

// codecs parse the data of a datagram, and make it again.
var codecs = map[Attribute]struct {
	again func(b []byte) ([]byte, bool)
	bits  int // that mean something
}{
	AttrREQ: {func(b []byte) ([]byte, bool) { m, ok := ParseREQ(b); return m.Append(nil), ok },
		232*8 - 8 - 4*8 - 2*(6+3+3)},
	AttrREP:     {func(b []byte) ([]byte, bool) { m, ok := ParseREP(b); return m.Append(nil), ok }, 232*8 - 4},
	AttrRTU:     {func(b []byte) ([]byte, bool) { m, ok := ParseRTU(b); return m.Append(nil), ok }, 232 * 8},
	AttrMRA:     {func(b []byte) ([]byte, bool) { m, ok := ParseMRA(b); return m.Append(nil), ok }, 232*8 - 6 - 3},
	AttrREJ:     {func(b []byte) ([]byte, bool) { m, ok := ParseREJ(b); return m.Append(nil), ok }, 232*8 - 6 - 1},
	AttrDREQ:    {func(b []byte) ([]byte, bool) { m, ok := ParseDREQ(b); return m.Append(nil), ok }, 232*8 - 8},
	AttrDREP:    {func(b []byte) ([]byte, bool) { m, ok := ParseDREP(b); return m.Append(nil), ok }, 232 * 8},
	AttrSIDRREQ: {func(b []byte) ([]byte, bool) { m, ok := ParseSIDRREQ(b); return m.Append(nil), ok }, 232*8 - 16},
	AttrSIDRREP: {func(b []byte) ([]byte, bool) { m, ok := ParseSIDRREP(b); return m.Append(nil), ok }, 232 * 8},
	AttrLAP: {func(b []byte) ([]byte, bool) { m, ok := ParseLAP(b); return m.Append(nil), ok },
		232*8 - 32 - 3 - 32 - 4 - 2 - 3 - 3},
	AttrAPR: {func(b []byte) ([]byte, bool) { m, ok := ParseAPR(b); return m.Append(nil), ok }, 232*8 - 16},
	AttrClassPortInfo: {func(b []byte) ([]byte, bool) {
		if len(b) != DataLen {
			return nil, false
		}
		m, ok := ParseClassPortInfo(b)
		return m.Append(nil), ok
	}, 72 * 8},
}

// TestBits: every bit of a message is either reserved, or comes out where it was, whatever the others are.
func TestBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for a, c := range codecs {
		mask, ok := c.again(bytes.Repeat([]byte{0xFF}, DataLen))
		if !ok || len(mask) != DataLen {
			t.Fatalf("%#x: %d bytes", a, len(mask))
		}
		n := 0
		for _, b := range mask {
			n += bits.OnesCount8(b)
		}
		if n != c.bits {
			t.Errorf("%#x: %d bits mean something, want %d", a, n, c.bits)
		}
		for range 200 {
			in := make([]byte, DataLen)
			for i := range in {
				in[i] = byte(r.Uint32())
			}
			out, ok := c.again(in)
			if !ok {
				t.Fatalf("%#x: refused", a)
			}
			for i := range in {
				if out[i] != in[i]&mask[i] {
					t.Fatalf("%#x: byte %d is %#x and became %#x", a, i, in[i], out[i])
				}
			}
		}
		for _, n := range []int{0, 1, DataLen - 1, DataLen + 1} {
			if _, ok := c.again(make([]byte, n)); ok {
				t.Errorf("%#x: %d bytes are taken", a, n)
			}
		}
	}
}

// again parses a datagram and makes it again.
func again(b []byte) (Header, []byte, bool) {
	h, data, ok := Parse(b)
	if !ok || codecs[h.Attribute].again == nil {
		return h, nil, false
	}
	body, ok := codecs[h.Attribute].again(data)
	return h, append(h.Append(nil), body...), ok
}

// TestCapture: all messages of the captures are parsed, and come out of that as they were.
func TestCapture(t *testing.T) {
	for name, want := range map[string]int{"srp-rxe": 10, "iser-rxe": 6, "iser-rxe-9000": 5} {
		n := 0
		for i, p := range golden.Capture(t, "../testdata/"+name+".txt.gz") {
			if p.Bytes[28] != 0x64 {
				continue
			}
			n++
			b := p.Bytes[28+20 : len(p.Bytes)-4]
			h, made, ok := again(b)
			if !ok || !h.IsCM() || !bytes.Equal(made, b) {
				t.Errorf("%s %d: %+v %x became %x", name, i, h, b, made)
			}
		}
		if n != want {
			t.Errorf("%s: %d datagrams, want %d", name, n, want)
		}
	}
}

func TestHeader(t *testing.T) {
	b := append(golden.Bytes(t, "mad:0107020300000000 tid:00000003530ec5ca attr:0010 r:0000 mod:00000007"), make([]byte, DataLen)...)
	h, data, ok := Parse(b)
	want := CM(AttrREQ, 0x3530ec5ca)
	want.Modifier = 7
	if !ok || h != want || len(data) != DataLen || !h.IsCM() {
		t.Errorf("%+v, want %+v", h, want)
	}
	for _, i := range []int{0, 1, 2, 3} {
		b[i]++
		if h, _, _ := Parse(b); h.IsCM() {
			t.Errorf("%+v is of the communication manager", h)
		}
		b[i]--
	}
	if _, _, ok := Parse(b[:Size-1]); ok {
		t.Error("a short datagram is taken")
	}
}

func TestPrivateIsCut(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 500)
	for a, b := range map[Attribute][]byte{
		AttrREQ: (&REQ{Private: long}).Append(nil), AttrREP: (&REP{Private: long}).Append(nil), AttrRTU: (&RTU{Private: long}).Append(nil),
		AttrREJ: (&REJ{Info: long, Private: long[:3]}).Append(nil), AttrDREQ: (&DREQ{Private: long}).Append(nil), AttrMRA: (&MRA{Private: long}).Append(nil),
		AttrSIDRREQ: (&SIDRREQ{Private: long}).Append(nil), AttrSIDRREP: (&SIDRREP{Info: long, Private: long}).Append(nil), AttrLAP: (&LAP{Private: long}).Append(nil), AttrAPR: (&APR{Info: long}).Append(nil),
	} {
		if len(b) != DataLen {
			t.Errorf("%#x has %d bytes", a, len(b))
		}
	}
}

func TestAllocates(t *testing.T) {
	in, out := make([]byte, DataLen), make([]byte, 0, Size)
	if n := testing.AllocsPerRun(100, func() {
		h, _, _ := Parse(in)
		q, _ := ParseREQ(in)
		p, _ := ParseREP(in)
		j, _ := ParseREJ(in)
		_ = h.Append(out)
		_, _, _ = q.Append(out), p.Append(out), j.Append(out)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDatagram(f *testing.F) {
	for a := range codecs {
		h := CM(a, 7)
		f.Add(append(h.Append(nil), bytes.Repeat([]byte{0xFF}, DataLen)...))
	}
	for _, p := range golden.Capture(f, "../testdata/srp-rxe.txt.gz") {
		if p.Bytes[28] == 0x64 {
			f.Add(p.Bytes[28+20 : len(p.Bytes)-4])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, made, ok := again(b)
		if !ok {
			return
		}
		g, twice, ok := again(made)
		if !ok || g != h || !bytes.Equal(made, twice) {
			t.Fatalf("%x became %x, and then %x", b, made, twice)
		}
		if q, ok := ParseREQ(b[HeaderLen:]); ok {
			_, _, _ = ParseIPHeader(q.Private)
		}
	})
}
