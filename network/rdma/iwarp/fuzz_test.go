package iwarp

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
)

// FuzzPeer has a whole connection, after the handshake, receive whatever a peer may send, in pieces
// of whatever size. The stream names keys and sinks by small numbers, which stand for the right
// ones, so that more than the first check is passed: what follows a header is data[0], FPDUs have
// right lengths unless the fuzzer finds that out itself.
func FuzzPeer(f *testing.F) {
	seed := func(flags byte, cut uint16, wire ...[]byte) {
		b := binary.BigEndian.AppendUint16([]byte{flags}, cut)
		f.Add(append(b, bytes.Join(wire, nil)...))
	}
	small := func(n int) []byte { return fill(n, uint64(n)) }
	tagged := func(op opcode, last bool, key uint32, to uint64, n int) []byte {
		return fpdu(header{tagged: true, last: last, op: op, stag: key, to: to}, small(n), false)
	}
	request := func(msn, key uint32, to uint64, n uint32) []byte {
		var p [readRequestLen]byte
		(&readRequest{sink: 9, size: n, source: key, sourceTO: to}).put(p[:])
		return fpdu(header{last: true, op: opReadRequest, qn: queueRead, msn: msn}, p[:], false)
	}
	seed(0, 0, send(1, small(10)), send(2, nil), send(3, small(1000)))
	seed(0, 7, fpdu(header{op: opSend, msn: 1}, small(100), false), fpdu(header{last: true, op: opSend, msn: 1, mo: 100}, small(1), false))
	seed(0, 0, tagged(opWrite, true, 1, 0, 100), tagged(opWrite, false, 1, 900, 100), tagged(opWrite, true, 1, 999, 2))
	seed(0, 100, tagged(opWrite, true, 1, 0, 20_000))
	seed(0, 0, request(1, 2, 0, 1000), request(2, 2, 10, 0), request(3, 2, 1, 1000))
	seed(0, 1000, tagged(opReadResponse, true, 3, 0, 500), tagged(opReadResponse, false, 4, 0, 8000), tagged(opReadResponse, false, 4, 8000, 8000), tagged(opReadResponse, false, 4, 16000, 8000), tagged(opReadResponse, true, 4, 24000, 1000))
	seed(0, 0, fpdu(header{last: true, op: opSendInvalidate, msn: 1, stag: 1}, nil, false), tagged(opWrite, true, 1, 0, 1))
	seed(1, 0, fpdu(header{last: true, op: opTerminate, qn: queueTerminate, msn: 1}, []byte{0x11, 0, 0, 0}, true))
	seed(1, 3, fpdu(header{last: true, op: opSend, msn: 1}, small(33), true))
	seed(2, 0, send(1, small(10)), request(1, 2, 0, 1000))
	f.Fuzz(fuzzPeer)
}

func fuzzPeer(t *testing.T, in []byte) {
	if len(in) < 3 || len(in) > 200_000 {
		return
	}
	flags, cutAt, wire := in[0], int(binary.BigEndian.Uint16(in[1:])), bytes.Clone(in[3:])
	sums := flags&1 != 0
	b := newBed(t, rdma.Options{Reads: 3, Serves: 2, MaxMessage: 1200}, sums)
	if flags&2 != 0 {
		b.room = 100 // the peer takes nothing
	}
	const guard = 64
	sizes := [4]int{1000, 1000, 500, 25_000}
	var mem, before [4][]byte
	var remote [2]rdma.Remote
	var works [3]*rdma.Work
	var sinks [2]uint32
	for i, n := range sizes {
		mem[i] = fill(n+2*guard, uint64(i))
		before[i] = bytes.Clone(mem[i])
		data := mem[i][guard : guard+n]
		if i < 2 {
			var err error
			if remote[i], err = b.c.Expose(cut(data, 300), []rdma.Access{rdma.RemoteWrite, rdma.RemoteRead}[i]); err != nil {
				t.Fatal(err)
			}
			continue
		}
		w := &rdma.Work{Op: rdma.Read, Data: cut(mem[i], 3000), At: guard, Len: int64(n)}
		works[i-2] = w
		if !b.c.Post(w) {
			t.Fatal("not taken")
		}
		b.c.Flush()
		sinks[i-2] = w.State
	}
	works[2] = &rdma.Work{Op: rdma.Send, Head: []byte("a message"), Data: cut(fill(4000, 1), 700), Len: 4000}
	if !b.c.Post(works[2]) {
		t.Fatal("not taken")
	}
	b.c.Flush()
	// Small numbers stand for keys, and offsets are from the base of windows.
	for p := wire; len(p) >= untaggedLen; {
		h := parseHeader(p)
		size := fpduLen(int(h.length))
		if size > len(p) {
			break
		}
		name := func(b []byte) {
			switch k := binary.BigEndian.Uint32(b); k {
			case 1, 2:
				binary.BigEndian.PutUint32(b, uint32(remote[k-1].Key))
				if len(b) >= 12 {
					binary.BigEndian.PutUint64(b[4:], remote[k-1].Addr+binary.BigEndian.Uint64(b[4:]))
				}
			case 3, 4:
				binary.BigEndian.PutUint32(b, sinks[k-3])
			}
		}
		switch {
		case h.tagged:
			name(p[4:])
		case h.op.invalidates():
			name(p[4:8])
		case h.op == opReadRequest && size >= 48+4:
			name(p[untaggedLen+16:])
		}
		if sums {
			crc(0).add(p[:size-4]).put(p[size-4:])
		}
		p = p[size:]
	}
	b.cut = cutAt
	b.feed(wire)
	b.drain(-1)
	b.run()
	b.hangUp()
	if !b.over {
		t.Fatal("it has not ended")
	}
	if b.h.closed != 1 {
		t.Fatal("closed is not told once")
	}
	for i, w := range works {
		if _, ok := b.h.back[w]; !ok {
			t.Fatalf("work %d has not come back", i)
		}
	}
	for i, n := range sizes {
		if i != 1 {
			copy(mem[i][guard:guard+n], before[i][guard:]) // it may be written
		}
		if !bytes.Equal(mem[i], before[i]) {
			t.Fatalf("memory %d was touched", i)
		}
	}
	for _, m := range b.h.messages {
		if len(m.Data) > 1200 {
			t.Fatalf("a message of %d bytes", len(m.Data))
		}
	}
	if b.c.recv.b != nil || b.c.recv.msg != nil || b.c.tx.b != nil || b.c.mem.windows.Len() != 0 {
		t.Fatal("something is kept")
	}
	if b.c.tx.build.using != nil && len(b.c.tx.build.using) > 0 {
		t.Fatal("a window is in use")
	}
	if _, err := b.c.Expose(cut(mem[0], 300), rdma.RemoteWrite); err == nil {
		t.Fatal("a window after the end")
	}
	if flags&2 == 0 { // else the last FPDU may be cut
		b.sentAll()
	}
}
