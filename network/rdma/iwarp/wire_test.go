package iwarp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
)

// golden makes bytes of name:hex fields, as they are on the wire: 00*N is N zeros, + joins.
func golden(t testing.TB, fields string) []byte {
	t.Helper()
	var out []byte
	for _, f := range strings.Fields(fields) {
		_, value, _ := strings.Cut(f, ":")
		for _, part := range strings.Split(value, "+") {
			digits, times, many := strings.Cut(part, "*")
			n := 1
			if many {
				n, _ = strconv.Atoi(times)
			}
			b, err := hex.DecodeString(digits)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, bytes.Repeat(b, n)...)
		}
	}
	return out
}

// Frames between Linux 6.1's initiator and its target, both on siw.
var frames = map[string]struct {
	wire  string
	reply bool
	frame frame
}{
	"iSER request": {"key:4d504120494420526571204672616d65 flags:10 rev:02 pdlen:0008 ird:0080 ord:0001 priv:80000000", false,
		frame{rev: 2, enhanced: true, ird: 128, ord: 1, private: []byte{0x80, 0, 0, 0}}},
	"iSER reply": {"key:4d504120494420526570204672616d65 flags:10 rev:02 pdlen:0008 ird:0001 ord:0080 priv:80000000", true,
		frame{reply: true, rev: 2, enhanced: true, ird: 1, ord: 128, private: []byte{0x80, 0, 0, 0}}},
	"revision 1, CRC": {"key:4d504120494420526571204672616d65 flags:40 rev:01 pdlen:0002 priv:abcd", false,
		frame{rev: 1, crc: true, private: []byte{0xab, 0xcd}}},
	"everything": {"key:4d504120494420526570204672616d65 flags:f0 rev:02 pdlen:0004 ird:ffff ord:fffe", true,
		frame{reply: true, markers: true, crc: true, reject: true, rev: 2, enhanced: true, peer: true, rtr: RTRSend | RTRWrite | RTRRead, ird: free, ord: free - 1, private: []byte{}}},
}

func parseWhole(b []byte, reply bool) (frame, error) {
	f, n, err := parseFrame((*[frameLen]byte)(b), reply)
	if err == nil {
		f.setPrivate(b[frameLen : frameLen+n])
	}
	return f, err
}

func equalFrames(a, b *frame) bool {
	x, y := *a, *b
	x.private, y.private = nil, nil
	return bytes.Equal(a.private, b.private) && string(x.append(nil)) == string(y.append(nil))
}

func TestFrame(t *testing.T) {
	for name, c := range frames {
		wire := golden(t, c.wire)
		f, err := parseWhole(wire, c.reply)
		if err != nil || !equalFrames(&f, &c.frame) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
		if got := c.frame.append(nil); !bytes.Equal(got, wire) {
			t.Errorf("%s: %x", name, got)
		}
		if _, err := parseWhole(wire, !c.reply); err == nil {
			t.Errorf("%s: taken for the other one", name)
		}
	}
	for name, wire := range map[string]string{
		"key":                   "key:4d504120494420526571204672616d66 flags:10 rev:02 pdlen:0004 x:00*4",
		"revision":              "key:4d504120494420526571204672616d65 flags:00 rev:03 pdlen:0000",
		"length":                "key:4d504120494420526571204672616d65 flags:00 rev:01 pdlen:0201 x:00*513",
		"enhanced revision 1":   "key:4d504120494420526571204672616d65 flags:10 rev:01 pdlen:0004 x:00*4",
		"enhanced without data": "key:4d504120494420526571204672616d65 flags:10 rev:02 pdlen:0003 x:00*3",
	} {
		if f, err := parseWhole(golden(t, wire), false); err == nil {
			t.Errorf("%s: taken as %+v", name, f)
		}
	}
}

// FPDUs between Linux 6.1's initiator and its target, and what they would have as CRC.
var fpdus = map[string]struct {
	wire, crc string
	header    header
}{
	"Send": {"len:005e ctrl:4143 inv:00000000 qn:00000000 msn:00000005 mo:00000000 payload:10+00*27+0181+00*14+04+00*10+038d116ee2+00*16 crc:00000000", "d59ff5ae",
		header{length: 94, last: true, ddp: 1, rdmap: 1, op: opSend, msn: 5}},
	"Send with Invalidate": {"len:005e ctrl:4144 inv:a360a001 qn:00000000 msn:00000002 mo:00000000 payload:10+00*27+2180+00*14+01+00*7+8d116edf0000000100000040+00*12 crc:00000000", "990c4711",
		header{length: 94, last: true, ddp: 1, rdmap: 1, op: opSendInvalidate, stag: 0xa360a001, msn: 2}},
	"Write": {"len:0032 ctrl:c140 stag:a360a001 to:ffff8880065c0900 payload:000006025bb800024c494f2d4f52472052414d4449534b2d4d43502020202020342e3020 crc:00000000", "dd01794e",
		header{length: 50, tagged: true, last: true, ddp: 1, rdmap: 1, op: opWrite, stag: 0xa360a001, to: 0xffff8880065c0900}},
	"Write with padding": {"len:010c ctrl:c140 stag:329eb112 to:ffff888013594000 payload:0083005d020100094c494f2d4f524720005194000400000001519500040000000001060004000000005398001c69716e2e323032342d30312e6c61623a742c742c307830303031000053a8001469716e2e323032342d30312e6c61623a74+00*160 pad:0000 crc:00000000", "76cbd2b8",
		header{length: 268, tagged: true, last: true, ddp: 1, rdmap: 1, op: opWrite, stag: 0x329eb112, to: 0xffff888013594000}},
	"Write of nothing": {"len:000e ctrl:c140 stag:00000000 to:00*8 crc:00000000", "a30572ab",
		header{length: 14, tagged: true, last: true, ddp: 1, rdmap: 1, op: opWrite}},
	"Read Request": {"len:002e ctrl:4141 inv:00000000 qn:00000001 msn:00000001 mo:00000000 sinkstag:144e5401 sinkto:ffff888012f80000 size:0003e000 srcstag:329eb10e srcto:ffff8880138ad000 crc:00000000", "a53bcdd4",
		header{length: 46, last: true, ddp: 1, rdmap: 1, op: opReadRequest, qn: 1, msn: 1}},
	"Send of RFC 5044": {"len:002a ctrl:4143 inv:00000000 qn:00000000 msn:00000001 mo:00000000 payload:00*24 crc:00000000", "b7243ec3",
		header{length: 42, last: true, ddp: 1, rdmap: 1, op: opSend, msn: 1}},
}

func TestFPDU(t *testing.T) {
	for name, c := range fpdus {
		wire := golden(t, c.wire)
		h := parseHeader(wire)
		if h != c.header {
			t.Errorf("%s: %+v", name, h)
		}
		if fpduLen(int(h.length)) != len(wire) {
			t.Errorf("%s: %d bytes, there are %d", name, fpduLen(int(h.length)), len(wire))
		}
		if h.len()+h.payload()+padLen(int(h.length))+crcLen != len(wire) {
			t.Errorf("%s: %d bytes of payload", name, h.payload())
		}
		b := make([]byte, h.len())
		if c.header.put(b); !bytes.Equal(b, wire[:len(b)]) {
			t.Errorf("%s: %x", name, b)
		}
		var sum [4]byte
		crc(0).add(wire[:len(wire)-4]).put(sum[:])
		if hex.EncodeToString(sum[:]) != c.crc {
			t.Errorf("%s: CRC %x, want %s", name, sum, c.crc)
		}
		if !crc(0).add(wire[:len(wire)-4]).matches(sum[:]) || crc(1).add(wire[:len(wire)-4]).matches(sum[:]) {
			t.Errorf("%s: CRC does not match itself, or another", name)
		}
	}
	// With a marker before it, of RFC 5044 figure 5.
	var sum [4]byte
	crc(0).add(make([]byte, 4)).add(golden(t, fpdus["Send of RFC 5044"].wire)[:44]).put(sum[:])
	if hex.EncodeToString(sum[:]) != "52239983" {
		t.Errorf("CRC %x", sum)
	}
}

func TestReadRequest(t *testing.T) {
	wire := golden(t, fpdus["Read Request"].wire)[untaggedLen : untaggedLen+readRequestLen]
	r := parseReadRequest(wire)
	want := readRequest{sink: 0x144e5401, sinkTO: 0xffff888012f80000, size: 0x3e000, source: 0x329eb10e, sourceTO: 0xffff8880138ad000}
	if r != want {
		t.Errorf("%+v", r)
	}
	var b [readRequestLen]byte
	if want.put(b[:]); !bytes.Equal(b[:], wire) {
		t.Errorf("%x", b)
	}
}

func TestTerminateWire(t *testing.T) {
	head := golden(t, fpdus["Read Request"].wire)
	c := terminate{cause: causeReadBounds, segment: true, length: 46, ddp: head[2:untaggedLen], rdmap: head[untaggedLen : untaggedLen+readRequestLen]}
	b := c.append(nil)
	want := append(golden(t, "layer,type:01 code:01 flags:e000 length:002e"), head[2:48]...)
	if !bytes.Equal(b, want) || len(b) != maxTerminate {
		t.Errorf("%x", b)
	}
	for wire, want := range map[string]cause{
		"x:01010000":     causeReadBounds,
		"x:11008000002a": causeKey,
		"x:1205c000002a": causeTooLong,
		"x:20024000":     causeCRC,
		// siw: the type first, and the flags at the low end.
		"x:10090700002a": {0, 1, 9},
		"x:02030100002a": {2, 0, 3},
	} {
		if got, ok := parseTerminate(golden(t, wire)); !ok || got != want {
			t.Errorf("%s: %v", wire, got)
		}
	}
	if _, ok := parseTerminate([]byte{1, 2, 3}); ok {
		t.Error("three bytes are enough")
	}
	for c := range causes {
		e := &TerminateError{Layer: c.layer, Type: c.kind, Code: c.code}
		if e.Unwrap() == nil || !strings.Contains(e.Error(), causes[c]) {
			t.Errorf("%v: %v", c, e)
		}
	}
}

func FuzzMPA(f *testing.F) {
	for _, c := range frames {
		f.Add(golden(f, c.wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < frameLen {
			return
		}
		for _, reply := range []bool{false, true} {
			q, n, err := parseFrame((*[frameLen]byte)(b), reply)
			if err != nil || len(b) < frameLen+n {
				continue
			}
			q.setPrivate(b[frameLen : frameLen+n])
			wire := q.append(nil)
			again, err := parseWhole(wire, reply)
			if err != nil || !equalFrames(&again, &q) || len(wire) != frameLen+n {
				t.Fatalf("%+v became %+v, %v", q, again, err)
			}
			// What is not reserved is the same byte for byte.
			norm := bytes.Clone(b[:frameLen+n])
			norm[16] &= 0xF0
			if !reply {
				norm[16] &^= flagReject
			}
			if !bytes.Equal(wire, norm) {
				t.Fatalf("%x became %x", norm, wire)
			}
		}
	})
}

func FuzzSegment(f *testing.F) {
	for _, c := range fpdus {
		f.Add(golden(f, c.wire))
	}
	f.Add(golden(f, "len:0020 ctrl:4147 inv:00*4 qn:00000002 msn:00000001 mo:00000000 layer:01010000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < untaggedLen {
			return
		}
		h := parseHeader(b)
		got := make([]byte, h.len())
		h.put(got)
		norm := bytes.Clone(b[:h.len()])
		norm[2] &= 0xC3
		norm[3] &= 0xCF
		if !bytes.Equal(got, norm) {
			t.Fatalf("%x became %x", norm, got)
		}
		if n := fpduLen(int(h.length)); n%4 != 0 || n < int(h.length)+6 || n > int(h.length)+9 {
			t.Fatalf("%d bytes for %d", n, h.length)
		}
		p := b[h.len():]
		if len(p) >= readRequestLen {
			var again [readRequestLen]byte
			r := parseReadRequest(p)
			if r.put(again[:]); !bytes.Equal(again[:], p[:readRequestLen]) {
				t.Fatalf("%x became %x", p[:readRequestLen], again)
			}
		}
		if c, ok := parseTerminate(p); ok {
			e := &TerminateError{Layer: c.layer, Type: c.kind, Code: c.code, Peer: true}
			if e.Error() == "" || e.Unwrap() == nil {
				t.Fatal(c)
			}
			w := terminate{cause: c, segment: true, length: binary.BigEndian.Uint16(b), ddp: norm[2:]}
			if again, ok := parseTerminate(w.append(nil)); !ok || again != (cause{c.layer & 15, c.kind & 15, c.code}) {
				t.Fatalf("%v became %v", c, again)
			}
		}
	})
}
