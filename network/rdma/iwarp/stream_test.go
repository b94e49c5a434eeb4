package iwarp

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// An exchange is a stream of everything that a peer may send, and what has to come of it.
type exchange struct {
	*bed
	wire         []byte
	window, sink []byte
	wantWindow   []byte
	wantSink     []byte
	reads        []*rdma.Work
	messages     [][]byte
}

// newExchange makes one: messages of one and of several segments, Writes small and large, answers
// to Reads small and large, in FPDUs of n bytes of payload.
func newExchange(t testing.TB, n int, sums bool) *exchange {
	e := &exchange{bed: newBed(t, rdma.Options{Reads: 8, Serves: 4, MaxMessage: 1 << 20}, sums)}
	e.window, e.sink = make([]byte, 30_000), make([]byte, 70_000)
	r, err := e.c.Expose(cut(e.window, 7000), rdma.RemoteWrite)
	if err != nil {
		t.Fatal(err)
	}
	msn := uint32(0)
	message := func(size int) {
		msn++
		data := fill(size, uint64(msn))
		e.messages = append(e.messages, data)
		for off := 0; off == 0 || off < size; off += n {
			e.wire = append(e.wire, fpdu(header{last: off+n >= size, op: opSend, msn: msn, mo: uint32(off)}, data[off:min(size, off+n)], sums)...)
		}
	}
	e.wantWindow = make([]byte, len(e.window))
	write := func(at, size int) {
		data := fill(size, uint64(at))
		copy(e.wantWindow[at:], data)
		for off := 0; off == 0 || off < size; off += n {
			e.wire = append(e.wire, fpdu(header{tagged: true, last: off+n >= size, op: opWrite, stag: uint32(r.Key), to: r.Addr + uint64(at+off)}, data[off:min(size, off+n)], sums)...)
		}
	}
	e.wantSink = make([]byte, len(e.sink))
	at := 0
	read := func(size int) {
		w := &rdma.Work{Op: rdma.Read, Data: cut(e.sink, 11_000), At: int64(at), Len: int64(size), Remote: rdma.Remote{Key: 1}}
		if !e.c.Post(w) {
			t.Fatal("not taken")
		}
		e.c.Flush()
		all := e.sentAll()
		q := parseReadRequest(all[len(all)-1].payload)
		data := fill(size, uint64(at))
		copy(e.wantSink[at:], data)
		at += size
		e.reads = append(e.reads, w)
		e.wire = append(e.wire, response(q.sink, data, n, sums)...)
	}
	message(10)
	write(0, 0)
	write(100, 300)
	message(0)
	read(100)
	read(20_000)
	message(3001)
	write(5000, 20_001)
	read(0)
	read(17_001)
	read(16 << 10)
	message(77)
	read(5000)
	e.wire = append(e.wire, fpdu(header{tagged: true, last: true, op: opWrite}, nil, sums)...) // of nothing
	message(100)
	return e
}

func (e *exchange) check(t testing.TB) {
	t.Helper()
	if e.h.closed != 0 {
		t.Fatalf("it has ended: %v", e.h.cause)
	}
	if len(e.h.messages) != len(e.messages) {
		t.Fatalf("%d messages, want %d", len(e.h.messages), len(e.messages))
	}
	for i, m := range e.h.messages {
		if !bytes.Equal(m.Data, e.messages[i]) {
			t.Fatalf("message %d is wrong", i)
		}
	}
	for i, w := range e.reads {
		if err, ok := e.h.back[w]; !ok || err != nil {
			t.Fatalf("read %d: %v, %v", i, ok, err)
		}
	}
	if !bytes.Equal(e.sink, e.wantSink) {
		t.Fatal("wrong data was read")
	}
	if !bytes.Equal(e.window, e.wantWindow) {
		t.Fatal("wrong data was written")
	}
	e.hangUp()
	if err := e.h.ended(); err != nil {
		t.Fatal(err)
	}
}

// segmentSizes are of FPDUs' payloads: also such as no receiver would guess well.
var segmentSizes = []int{600, 1428, 9001, 40_000}

// TestCut has the stream cut in two at every byte of what is not payload, and many others.
func TestCut(t *testing.T) {
	for _, n := range []int{1428, 40_000} {
		for _, sums := range []bool{false, true} {
			wire := newExchange(t, n, sums).wire
			for at, begin, end := 0, 0, 0; at <= len(wire); at++ {
				if at == end && at < len(wire) {
					begin, end = at, at+fpduLen(int(parseHeader(wire[at:]).length))
				}
				if at-begin > 25 && end-at > 10 && at%(n/3) != 0 || raceEnabled && at%37 != 0 {
					continue
				}
				e := newExchange(t, n, sums)
				e.feed(e.wire[:at])
				e.feed(e.wire[at:])
				e.check(t)
			}
		}
	}
}

// TestPieces has the stream in pieces of every size, so that guesses end anywhere.
func TestPieces(t *testing.T) {
	for _, n := range segmentSizes {
		for _, sums := range []bool{false, true} {
			for _, cut := range []int{1, 2, 3, 15, 16, 17, 19, 20, 21, 500, 1427, 1448, 1449, 4097, 16 << 10, 100_000} {
				if raceEnabled && cut < 500 {
					continue
				}
				e := newExchange(t, n, sums)
				e.cut = cut
				e.feed(e.wire)
				e.check(t)
			}
		}
	}
}

// TestBigReadNotCopied: the data of a large Read is received in place, however it is cut, and
// whatever comes before it.
func TestBigReadNotCopied(t *testing.T) {
	for _, n := range []int{100, 1428, 8192, 60_000} {
		for _, cut := range []int{0, 1, 7, 1448, 10_000} {
			if raceEnabled && cut > 0 && cut < 1000 { // there the pools keep little
				continue
			}
			for _, sums := range []bool{false, true} {
				b := newBed(t, rdma.Options{Reads: 8, MaxMessage: 4096}, sums)
				var sinks [4]uint32
				var mem [4][]byte
				for i, size := range []int{64 << 10, 16 << 10, 1000, 1 << 20} {
					mem[i] = make([]byte, size)
					_, sinks[i] = b.read(mem[i], 0)
				}
				var wire []byte
				for i := range mem {
					wire = append(wire, fpdu(header{last: true, op: opSend, msn: uint32(i + 1)}, fill(i*50, 1), sums)...)
					wire = append(wire, response(sinks[i], fill(len(mem[i]), uint64(i)), n, sums)...)
				}
				b.cut = cut
				b.feed(wire)
				for i := range mem {
					if !bytes.Equal(mem[i], fill(len(mem[i]), uint64(i))) {
						t.Fatalf("read %d: wrong data", i)
					}
				}
				s := b.c.Stats()
				if s.CopiedPlaced > 1000 || len(b.h.messages) != 4 {
					t.Errorf("FPDUs of %d, pieces of %d: %d bytes copied, %d messages", n, cut, s.CopiedPlaced, len(b.h.messages))
				}
				if cut == 0 {
					t.Logf("FPDUs of %d: %d receives for %d bytes", n, s.Receives, s.BytesIn)
				}
				b.hangUp()
			}
		}
	}
}

// TestGuessWrong: a message in the midst of an answer, and segments of other sizes, cost copies and
// nothing else; nothing is written behind the end of the sink.
func TestGuessWrong(t *testing.T) {
	for _, sums := range []bool{false, true} {
		b := newBed(t, rdma.Options{Reads: 8, MaxMessage: 4096}, sums)
		const guard = 3000
		mem := fill(1<<20+2*guard, 1)
		want := bytes.Clone(mem)
		data := fill(1<<20, 2)
		copy(want[guard:], data)
		w, sink := b.read(mem, guard)
		var wire []byte
		msn := uint32(1)
		for off, i := 0, 0; off < len(data); i++ {
			n := min([]int{1400, 1400, 1400, 1400, 800, 1400, 1404, 30_000, 1400, 1, 0}[i%11], len(data)-off)
			wire = append(wire, fpdu(header{tagged: true, last: off+n == len(data), op: opReadResponse, stag: sink, to: uint64(off)}, data[off:off+n], sums)...)
			off += n
			if i%7 == 3 {
				wire = append(wire, fpdu(header{last: true, op: opSend, msn: msn}, fill(40, uint64(msn)), sums)...)
				msn++
			}
		}
		b.feed(wire)
		if err, ok := b.h.back[w]; !ok || err != nil {
			t.Fatalf("%v, %v", ok, err)
		}
		if !bytes.Equal(mem, want) {
			t.Fatal("wrong data")
		}
		for i, m := range b.h.messages {
			if !bytes.Equal(m.Data, fill(40, uint64(i+1))) {
				t.Fatalf("message %d is wrong", i)
			}
		}
		if len(b.h.messages) != int(msn-1) {
			t.Errorf("%d messages", len(b.h.messages))
		}
		t.Logf("%+v", b.c.Stats())
		b.hangUp()
	}
}

// TestWrongCRC: every byte of the stream counts.
func TestWrongCRC(t *testing.T) {
	clean := newExchange(t, 1428, true)
	for at := 0; at < len(clean.wire); at += 997 {
		e := newExchange(t, 1428, true)
		wire := bytes.Clone(e.wire)
		wire[at] ^= 0x10
		e.feed(wire)
		if e.h.closed == 0 {
			e.hangUp() // it waits for more, because of a length
		}
		if err := e.h.ended(); err == nil || (!errors.Is(err, rdma.ErrProtocol) && !errors.Is(err, rdma.ErrLost) && !errors.Is(err, rdma.ErrAccess)) {
			t.Fatalf("byte %d: ended with %v", at, err)
		}
	}
	// A whole FPDU, and one that is placed.
	b := newBed(t, rdma.Options{MaxMessage: 100}, true)
	x := fpdu(header{last: true, op: opSend, msn: 1}, []byte("12345"), true)
	x[22] ^= 1
	b.feed(x)
	b.terminated(causeCRC, nil)
	b = newBed(t, rdma.Options{Reads: 1}, true)
	w, sink := b.read(make([]byte, 64<<10), 0)
	x = response(sink, make([]byte, 64<<10), 1428, true)
	x[40_000] ^= 1
	b.feed(x)
	b.terminated(causeCRC, nil)
	if err := b.h.gotBack(w); !errors.Is(err, rdma.ErrFlushed) {
		t.Error(err)
	}
}

// TestTold: what a peer's Terminate says, at any time, is what the user gets.
func TestTold(t *testing.T) {
	for wire, want := range map[string]error{
		"x:11010000": rdma.ErrRemoteAccess, "x:01020000": rdma.ErrRemoteAccess, "x:10010100002a": rdma.ErrRemoteAccess,
		"x:20020000": rdma.ErrRemote, "x:02070000": rdma.ErrRemote, "x:12050000": rdma.ErrRemote, "x:": rdma.ErrRemote,
	} {
		b := newBed(t, rdma.Options{Reads: 1, MaxMessage: 10}, false)
		w, sink := b.read(make([]byte, 100), 0)
		b.feed(response(sink, make([]byte, 100), 50, false)[:50+taggedLen+crcLen+2])
		b.feed(nil)
		b.in = nil
		b.c.recv.r, b.c.recv.w, b.c.recv.rest = 0, 0, nil // between two segments
		b.feed(fpdu(header{last: true, op: opTerminate, qn: queueTerminate, msn: 1}, golden(t, wire), false))
		err := b.h.ended()
		var e *TerminateError
		if !errors.Is(err, want) || !errors.As(err, &e) || !e.Peer {
			t.Errorf("%s: %v", wire, err)
		}
		if err := b.h.gotBack(w); !errors.Is(err, rdma.ErrFlushed) || !errors.Is(err, want) {
			t.Errorf("%s: %v", wire, err)
		}
		if all := b.sentAll(); len(all) != 0 {
			t.Errorf("an answer to a Terminate: %+v", all)
		}
		if b.c.Post(&rdma.Work{Op: rdma.Send}) {
			t.Error("a work is taken after the end")
		}
	}
}

// TestServe: a Read of the peer is answered from the window, also one of nothing.
func TestServe(t *testing.T) {
	b := newBed(t, rdma.Options{Serves: 4, MaxMessage: 10}, false)
	data := fill(10_000, 1)
	r, err := b.c.Expose(buffer.Of(data), rdma.RemoteRead)
	if err != nil {
		t.Fatal(err)
	}
	var wire []byte
	for i, q := range []readRequest{
		{sink: 5, sinkTO: 1 << 40, size: 9000, source: uint32(r.Key), sourceTO: r.Addr + 1000},
		{sink: 6, sinkTO: 7},
		{sink: 8, sinkTO: 9, size: 1, source: uint32(r.Key), sourceTO: r.Addr},
	} {
		var p [readRequestLen]byte
		q.put(p[:])
		wire = append(wire, fpdu(header{last: true, op: opReadRequest, qn: queueRead, msn: uint32(i + 1)}, p[:], false)...)
	}
	b.feed(wire)
	all := b.sentAll()
	if b.sends != 1 || len(all) != 7+2 {
		t.Fatalf("%d FPDUs in %d sends", len(all), b.sends)
	}
	to := uint64(1 << 40)
	for i, s := range all[:7] {
		off := to - 1<<40
		if s.op != opReadResponse || !s.tagged || s.stag != 5 || s.to != to || s.last != (i == 6) || !bytes.Equal(s.payload, data[1000+off:1000+off+uint64(len(s.payload))]) {
			t.Errorf("segment %d: %+v", i, s.header)
		}
		to += uint64(len(s.payload))
	}
	if to != 1<<40+9000 {
		t.Errorf("%d bytes", to-1<<40)
	}
	if s := all[7]; s.stag != 6 || s.to != 7 || !s.last || len(s.payload) != 0 {
		t.Errorf("%+v", s)
	}
	if s := all[8]; s.stag != 8 || s.to != 9 || !s.last || !bytes.Equal(s.payload, data[:1]) {
		t.Errorf("%+v", s)
	}
	b.hangUp()
}

// TestRevokeWhileSending: when Revoke returns the memory is not sent from any more, although the
// peer does not take what waits.
func TestRevokeWhileSending(t *testing.T) {
	b := newBed(t, rdma.Options{Serves: 1, MaxMessage: 10}, false)
	data := fill(3<<20, 1)
	kept := bytes.Clone(data)
	r, err := b.c.Expose(buffer.Of(data), rdma.RemoteRead)
	if err != nil {
		t.Fatal(err)
	}
	var p [readRequestLen]byte
	(&readRequest{sink: 5, size: uint32(len(data)), source: uint32(r.Key), sourceTO: r.Addr}).put(p[:])
	b.room = 5000
	b.feed(fpdu(header{last: true, op: opReadRequest, qn: queueRead, msn: 1}, p[:], false))
	if !b.awaits {
		t.Fatal("the socket is not full")
	}
	if !b.c.Revoke(r.Key) || b.c.Revoke(r.Key) {
		t.Error("the key")
	}
	clear(data)
	b.drain(-1)
	all := b.sentAll()
	n := 0
	for _, s := range all[:len(all)-1] {
		if !bytes.Equal(s.payload, kept[n:n+len(s.payload)]) {
			t.Fatal("the memory was used after Revoke")
		}
		n += len(s.payload)
	}
	if last := all[len(all)-1]; last.op != opTerminate || n == 0 || n == len(data) {
		t.Errorf("%v after %d bytes", last.op, n)
	}
	b.hangUp()
	if err := b.h.ended(); !errors.Is(err, rdma.ErrAccess) {
		t.Error(err)
	}
}
