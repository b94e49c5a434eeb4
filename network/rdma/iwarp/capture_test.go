package iwarp

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
)

// A captured is a frame or FPDU of a session of Linux with itself.
type captured struct {
	conn      int
	initiator bool // has sent it
	mpa       bool
	wire      []byte
}

func capture(t *testing.T, name string) (all []captured) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	conn := 0
	s := bufio.NewScanner(z)
	for s.Scan() {
		line := s.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "connection"):
			conn++
		default:
			from, rest, _ := strings.Cut(line, " ")
			kind, wire, _ := strings.Cut(rest, " ")
			all = append(all, captured{conn, from == ">", kind == "mpa", golden(t, "x:"+wire)})
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

var captures = map[string]struct{ frames, fpdus, messages int }{
	"iser-siw.txt.gz": {2, 2535, 98},
	"srp-siw.txt.gz":  {4, 2030, 0},
}

// TestCaptureCodec: every frame and every FPDU is parsed, and comes out of that as it was.
func TestCaptureCodec(t *testing.T) {
	for name, want := range captures {
		frames, fpdus := 0, 0
		type stream struct {
			msn     [queues]uint32
			mo      uint32
			to      uint64
			tagged  header // of the last segment
			middle  bool
			pending []readRequest
		}
		streams := make(map[[2]int]*stream)
		of := func(c captured, initiator bool) *stream {
			k := [2]int{c.conn, 0}
			if initiator {
				k[1] = 1
			}
			if streams[k] == nil {
				streams[k] = &stream{msn: [queues]uint32{1, 1, 1}}
			}
			return streams[k]
		}
		for i, c := range capture(t, name) {
			if c.mpa {
				frames++
				f, err := parseWhole(c.wire, !c.initiator)
				if err != nil || f.rev != 2 || !f.enhanced || f.crc || f.markers || f.unusable() != nil {
					t.Errorf("%s %d: %+v, %v", name, i, f, err)
				}
				if got := f.append(nil); !bytes.Equal(got, c.wire) {
					t.Errorf("%s %d: %x became %x", name, i, c.wire, got)
				}
				continue
			}
			fpdus++
			h := parseHeader(append(bytes.Clone(c.wire), make([]byte, 4)...))
			if len(c.wire) != fpduLen(int(h.length)) || h.payload() < 0 {
				t.Fatalf("%s %d: %d bytes, %+v", name, i, len(c.wire), h)
			}
			p := c.wire[h.len() : h.len()+h.payload()]
			x := h
			x.length = 0
			if got := fpdu(x, p, false); !bytes.Equal(got, c.wire) {
				t.Fatalf("%s %d: %x became %x", name, i, c.wire, got)
			}
			s := of(c, c.initiator)
			if !h.tagged {
				if h.qn != h.op.queue() || h.msn != s.msn[h.qn] || h.mo != s.mo {
					t.Fatalf("%s %d: %+v", name, i, h)
				}
				if s.mo += uint32(len(p)); h.last {
					s.mo = 0
					s.msn[h.qn]++
				}
				if h.op == opReadRequest {
					r := parseReadRequest(p)
					var b [readRequestLen]byte
					if r.put(b[:]); !bytes.Equal(b[:], p) {
						t.Errorf("%s %d: %x became %x", name, i, p, b)
					}
					asked := of(c, !c.initiator)
					asked.pending = append(asked.pending, r)
				}
				continue
			}
			if s.middle && (h.stag != s.tagged.stag || h.to != s.to || h.op != s.tagged.op) {
				t.Fatalf("%s %d: %+v", name, i, h)
			}
			if h.op == opReadResponse {
				r := &s.pending[0]
				if h.stag != r.sink || !s.middle && h.to != r.sinkTO || h.last != (h.to+uint64(len(p)) == r.sinkTO+uint64(r.size)) {
					t.Fatalf("%s %d: %+v answers %+v", name, i, h, r)
				}
				if h.last {
					s.pending = s.pending[1:]
				}
			}
			s.tagged, s.middle, s.to = h, !h.last, h.to+uint64(len(p))
		}
		if frames != want.frames || fpdus != want.fpdus {
			t.Errorf("%s: %d frames, %d FPDUs", name, frames, fpdus)
		}
	}
}

// TestCaptureMessages: a connection takes all that Linux's initiator has sent of messages, and what the
// target has, in pieces of any size.
func TestCaptureMessages(t *testing.T) {
	for _, initiator := range []bool{true, false} {
		b := newBed(t, rdma.Options{MaxMessage: 16 << 10}, false)
		b.cut = 1001
		var wire []byte
		var want []int
		keys := make(map[uint32]uint32) // theirs, and ours
		for _, c := range capture(t, "iser-siw.txt.gz") {
			if c.mpa || c.initiator != initiator {
				continue
			}
			h := parseHeader(append(c.wire, make([]byte, 4)...))
			if h.tagged || h.qn != queueSend {
				continue
			}
			if h.op.invalidates() {
				r, err := b.c.Expose(cut(make([]byte, 10), 10), rdma.RemoteWrite)
				if err != nil {
					t.Fatal(err)
				}
				keys[uint32(r.Key)] = h.stag
				binary.BigEndian.PutUint32(c.wire[4:], uint32(r.Key))
			}
			wire = append(wire, c.wire...)
			if h.mo == 0 {
				want = append(want, 0)
			}
			want[len(want)-1] += h.payload()
		}
		b.feed(wire)
		b.hangUp()
		if err := b.h.ended(); err != nil {
			t.Fatal(err)
		}
		if len(b.h.messages) != 98 || len(want) != 98 {
			t.Fatalf("%d messages of %d", len(b.h.messages), len(want))
		}
		inv := 0
		for i, m := range b.h.messages {
			if len(m.Data) != want[i] {
				t.Errorf("message %d has %d bytes, want %d", i, len(m.Data), want[i])
			}
			if m.Invalidates {
				if inv++; keys[uint32(m.Invalidated)] == 0 {
					t.Error("a key that was not exposed")
				}
			}
		}
		if inv != len(keys) || inv == 0 != initiator {
			t.Errorf("%d keys invalidated, %d were exposed", inv, len(keys))
		}
	}
}
