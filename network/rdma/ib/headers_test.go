package ib

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/internal/golden"
)

// again parses all headers of a packet and makes them again; rest is what follows them. ok: they are all there.
func again(b []byte) (made, rest []byte, h BTH, ok bool) {
	if h, ok = ParseBTH(b); !ok {
		return nil, nil, h, false
	}
	made = h.Append(nil)
	rest = b[BTHLen:]
	take := func(t Traits, n int, parse func() ([]byte, bool)) {
		if !ok || !h.Opcode.Is(t) {
			return
		}
		if h.Opcode.Offset(t) != len(made) {
			panic("a header is somewhere else")
		}
		var add []byte
		if add, ok = parse(); ok {
			made, rest = append(made, add...), rest[n:]
		}
	}
	take(HasDETH, DETHLen, func() ([]byte, bool) { e, ok := ParseDETH(rest); return e.Append(nil), ok })
	take(HasRETH, RETHLen, func() ([]byte, bool) { e, ok := ParseRETH(rest); return e.Append(nil), ok })
	take(HasAtomicETH, AtomicETHLen, func() ([]byte, bool) { return rest[:min(AtomicETHLen, len(rest))], len(rest) >= AtomicETHLen })
	take(HasAETH, AETHLen, func() ([]byte, bool) { e, ok := ParseAETH(rest); return e.Append(nil), ok })
	take(HasAtomicAckETH, AtomicAckETHLen, func() ([]byte, bool) {
		return rest[:min(AtomicAckETHLen, len(rest))], len(rest) >= AtomicAckETHLen
	})
	take(HasImmediate, ImmediateLen, func() ([]byte, bool) { v, ok := ParseImmediate(rest); return AppendImmediate(nil, v), ok })
	take(HasIETH, IETHLen, func() ([]byte, bool) { v, ok := ParseIETH(rest); return AppendIETH(nil, v), ok })
	return made, rest, h, ok
}

// captures are sessions of Linux with itself, and how many packets they have.
var captures = map[string]int{"srp-rxe.txt.gz": 3720, "iser-rxe.txt.gz": 3583, "iser-rxe-9000.txt.gz": 1299}

// TestCapture: every packet is parsed, and comes out of that as it was; packets are as clause 9 wants them.
func TestCapture(t *testing.T) {
	for name, want := range captures {
		all := golden.Capture(t, "testdata/"+name)
		if len(all) != want {
			t.Errorf("%s: %d packets", name, len(all))
		}
		mtu := 1024
		if name == "iser-rxe-9000.txt.gz" {
			mtu = 4096
		}
		for i, p := range all {
			b := p.Bytes[28 : len(p.Bytes)-ICRCLen]
			made, rest, h, ok := again(b)
			if !ok || !bytes.Equal(made, b[:len(made)]) || len(made) != h.Opcode.HeaderLen() || len(made) > 12+28 {
				t.Fatalf("%s %d: %x became %x", name, i, b, made)
			}
			pay := len(rest) - int(h.Pad)
			o := h.Opcode
			switch {
			case pay < 0 || Padding(pay) != int(h.Pad) || h.Version != 0 || h.PKey != DefaultPKey || !o.Is(Known):
				t.Errorf("%s %d: %+v, %d bytes of payload", name, i, h, pay)
			case o.Is(First|Middle) && pay != mtu, pay > mtu, o.Is(Last) && pay == 0, !o.Is(Payload) && pay != 0:
				t.Errorf("%s %d: %d bytes of payload in %#x", name, i, pay, o)
			case o.Reliable() == (h.Dest == QP1):
				t.Errorf("%s %d: opcode %#x to %d", name, i, o, h.Dest)
			}
			if o.Is(HasAETH) {
				if a, _ := ParseAETH(b[BTHLen:]); !a.Syndrome.IsAck() || a.Syndrome != AckUnlimited {
					t.Errorf("%s %d: %+v", name, i, a)
				}
			}
			if o.Is(HasDETH) {
				if d, _ := ParseDETH(b[BTHLen:]); d.QKey != QKeyGSI || d.Source != QP1 {
					t.Errorf("%s %d: %+v", name, i, d)
				}
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	full := bytes.Repeat([]byte{0xFF}, 64)
	h, _ := ParseBTH(full)
	if want := (BTH{0xFF, true, true, 3, 15, 0xFFFF, true, true, 0xFFFFFF, true, 0xFFFFFF}); h != want {
		t.Errorf("%+v", h)
	}
	if got, want := h.Append(nil), golden.Bytes(t, "op:ff flags:ff pkey:ffff marks:c0 dest:ffffff ack:80 psn:ffffff"); !bytes.Equal(got, want) {
		t.Errorf("%x", got)
	}
	b := golden.Bytes(t, "bth:0a80ffff8000001200000102 reth:0102030405060708+11121314+00000203")
	h, _ = ParseBTH(b)
	if h != (BTH{Opcode: WriteOnly, Solicited: true, PKey: 0xFFFF, FECN: true, Dest: 0x12, PSN: 0x102}) {
		t.Errorf("%+v", h)
	}
	if r, ok := ParseRETH(b[BTHLen:]); !ok || r != (RETH{0x0102030405060708, 0x11121314, 0x203}) {
		t.Errorf("%+v", r)
	}
	for pad := range 4 {
		SetPad(b, pad)
		if h, _ := ParseBTH(b); int(h.Pad) != pad || !h.Solicited || h.Version != 0 {
			t.Errorf("padding %d became %+v", pad, h)
		}
		if (pad+Padding(pad))&3 != 0 || Padding(pad) > 3 {
			t.Errorf("%d bytes have %d bytes of padding", pad, Padding(pad))
		}
	}
	for n := range BTHLen {
		if _, ok := ParseBTH(full[:n]); ok {
			t.Errorf("%d bytes are a BTH", n)
		}
	}
	for o := range 256 {
		for n := range Opcode(o).HeaderLen() {
			b := bytes.Repeat([]byte{byte(o)}, n)
			if _, _, _, ok := again(b); ok {
				t.Errorf("opcode %#x in %d bytes", o, n)
			}
		}
	}
}

// Every opcode has one place in its message, and headers that go with it.
func TestOpcodes(t *testing.T) {
	known := 0
	for o := range 256 {
		o := Opcode(o)
		x := o.Traits()
		if x == 0 {
			if o.HeaderLen() != BTHLen {
				t.Errorf("%#x is unknown, and has %d bytes of headers", o, o.HeaderLen())
			}
			continue
		}
		known++
		places := 0
		for _, p := range []Traits{First, Middle, Last, Only} {
			if o.Is(p) {
				places++
			}
		}
		if places != 1 || x&Known == 0 || o.Starts() != o.Is(First|Only) || o.Ends() != o.Is(Last|Only) {
			t.Errorf("%#x: %b", o, x)
		}
		if o.Is(Request) == o.Is(Response) && o != CNP {
			t.Errorf("%#x is neither request nor response, or both", o)
		}
		if o.Is(HasRETH) != (o.Is(Write) && o.Starts() || o == ReadRequest) || o.Is(HasAETH) != (o.Is(Response) && !o.Is(Middle)) {
			t.Errorf("%#x: headers", o)
		}
	}
	if known != 26 {
		t.Errorf("%d opcodes are known", known)
	}
	lens := map[Opcode]int{SendOnly: 12, SendOnlyImmediate: 16, SendLastInvalidate: 16, WriteFirst: 28, WriteOnlyImmediate: MaxHeader, ReadRequest: 28, ReadMiddle: 12, ReadOnly: 16, Acknowledge: 16, AtomicAcknowledge: 24, FetchAdd: 40, UDSendOnly: 20, UDSendOnlyImmediate: 24, CNP: 12}
	for o, n := range lens {
		if o.HeaderLen() != n {
			t.Errorf("%#x has %d bytes of headers, want %d", o, o.HeaderLen(), n)
		}
	}
}

func TestHeadersAllocate(t *testing.T) {
	b := golden.Bytes(t, "bth:0a80ffff8000001200000102 reth:0102030405060708+11121314+00000203")
	out := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		h, _ := ParseBTH(b)
		r, _ := ParseRETH(b[h.Opcode.Offset(HasRETH):])
		a, _ := ParseAETH(b)
		d, _ := ParseDETH(b)
		_ = d.Append(a.Append(r.Append(h.Append(out))))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzHeaders(f *testing.F) {
	for name := range captures {
		for i, p := range golden.Capture(f, "testdata/"+name) {
			if i%50 == 0 {
				f.Add(p.Bytes[28:])
			}
		}
	}
	for o := range 256 {
		f.Add(bytes.Repeat([]byte{byte(o)}, 48))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		made, rest, h, ok := again(b)
		if !ok {
			return
		}
		if len(made)+len(rest) != len(b) || len(made) != h.Opcode.HeaderLen() {
			t.Fatalf("%d bytes of headers and %d behind them in %d", len(made), len(rest), len(b))
		}
		twice, _, g, ok := again(append(made, rest...))
		if !ok || g != h || !bytes.Equal(twice, made) {
			t.Fatalf("%+v became %+v", h, g)
		}
	})
}
