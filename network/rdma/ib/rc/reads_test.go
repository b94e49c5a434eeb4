package rc

import (
	"bytes"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// TestReads: responses in packets, in the order of the requests, and the acknowledgements between them.
func TestReads(t *testing.T) {
	d := started(t, deskConf())
	y := d.expose(2000, rdma.RemoteRead)
	d.feed(only(0, 1), pkt{op: ib.ReadRequest, psn: 1, reth: y.reth(1, 600)}, only(4, 1), pkt{op: ib.ReadRequest, psn: 5, reth: y.reth(9, 256)}, only(6, 2))
	if got := d.data(); !bytes.Equal(got, slices.Concat(y.mem[1:601], y.mem[9:265])) {
		t.Errorf("%d bytes, or others", len(got))
	}
	d.lengths(1, 1, 2)
	d.feed(pkt{op: ib.ReadRequest, psn: 7, reth: y.reth(0, 512)}, pkt{op: ib.ReadRequest, psn: 9, reth: y.reth(0, 257)})
	d.answers("first 7 msn 6 256 bytes", "last 8 msn 6 256 bytes", "first 9 msn 7 256 bytes", "last 10 msn 7 1 bytes")
	// All of it again: a script of the same requests has the same responses.
	d.feed(only(0, 1), pkt{op: ib.ReadRequest, psn: 7, reth: y.reth(0, 512)}, pkt{op: ib.ReadRequest, psn: 9, reth: y.reth(0, 257)}, only(11, 3))
	d.answers("first 7 msn 6 256 bytes", "last 8 msn 6 256 bytes", "first 9 msn 7 256 bytes", "last 10 msn 7 1 bytes", "ack 11 msn 8")
	y.untouched(0, 0)
}

// TestRepeat: a Read that comes again is answered again, all of it or what is asked for, as long as it is remembered; else it is not.
func TestRepeat(t *testing.T) {
	d := started(t, deskConf())
	y := d.expose(2000, rdma.RemoteRead)
	read := func(psn, off, n int) pkt { return pkt{op: ib.ReadRequest, psn: psn, reth: y.reth(off, n)} }
	d.feed(read(0, 0, 1000))
	d.answers("first 0 msn 1 256 bytes", "middle 1 256 bytes", "middle 2 256 bytes", "last 3 msn 1 232 bytes")
	d.feed(read(2, 512, 488))
	d.answers("first 2 msn 1 256 bytes", "last 3 msn 1 232 bytes")
	d.feed(read(3, 768, 232))
	if got := d.data(); !bytes.Equal(got, y.mem[768:1000]) {
		t.Error("other bytes")
	}
	d.feed(read(1, 256, 100)) // a part of it
	d.answers("only 1 msn 1 100 bytes")
	for name, p := range map[string]pkt{
		"from before it": read(2, 511, 100), "from behind it": read(2, 513, 100), "further": read(2, 512, 489), "of nothing": read(2, 512, 0),
		"with another key": {op: ib.ReadRequest, psn: 2, reth: ib.RETH{Key: uint32(y.at.Key) + 1, Address: y.at.Addr + 512, Length: 1}},
		"that never was":   read(-1, 0, 100),
	} {
		d.feed(p)
		if got := d.sent(); len(got) != 0 {
			t.Errorf("a Read %s: %q", name, got)
		}
	}
	// A message before a Read is acknowledged up to that Read: the peer asks for the Read again, too.
	d.feed(only(4, 1), read(5, 0, 1), only(6, 1))
	d.answers("only 5 msn 3 1 bytes", "ack 6 msn 4")
	d.feed(only(4, 1))
	d.answers("ack 4 msn 2")
	d.feed(only(4, 1), read(5, 0, 1), only(6, 1))
	d.answers("only 5 msn 3 1 bytes", "ack 6 msn 4")
	// Two are remembered.
	d.feed(read(7, 0, 1))
	d.answers("only 7 msn 5 1 bytes")
	d.feed(read(0, 0, 1000))
	d.answers()
	d.feed(read(5, 0, 1))
	d.answers("only 5 msn 3 1 bytes")
	// After the window has gone nobody is told: the request may have been on its way for long.
	if !d.q.Revoke(y.at.Key) {
		t.Error("the key was not there")
	}
	d.feed(read(7, 0, 1), only(8, 1))
	d.answers("ack 8 msn 6")
	if d.h.closed != nil || d.ended != nil {
		t.Error("it has ended")
	}
}

// TestRepeatLate: what is asked for again while the first answer is being sent, what is behind that, and what is forgotten meanwhile.
func TestRepeatLate(t *testing.T) {
	d := started(t, deskConf())
	y := d.expose(2000, rdma.RemoteRead)
	read := func(psn, off, n int) pkt { return pkt{op: ib.ReadRequest, psn: psn, reth: y.reth(off, n)} }
	part := func(n int) { // the first packets of an answer have left
		var p packet
		d.q.mu.Lock()
		for range n {
			d.q.resp.next(&p)
		}
		d.q.resp.sent()
		d.q.mu.Unlock()
	}
	d.q.Received(d.wire(read(0, 0, 1200)))
	part(3)
	d.feed(read(0, 0, 300)) // a part that has left
	d.answers("first 0 msn 1 256 bytes", "last 1 msn 1 44 bytes", "middle 3 256 bytes", "last 4 msn 1 176 bytes")
	d.q.Received(d.wire(read(5, 0, 1200)))
	part(3)
	d.feed(read(6, 256, 944)) // all that is left of it
	d.answers("first 6 msn 2 256 bytes", "middle 7 256 bytes", "middle 8 256 bytes", "last 9 msn 2 176 bytes")
	d.q.Received(d.wire(read(10, 0, 1200)))
	part(2)
	d.feed(read(13, 768, 432)) // what has not left
	d.answers("middle 12 256 bytes", "middle 13 256 bytes", "last 14 msn 3 176 bytes")
	d.feed(only(15, 1), read(16, 0, 1))
	d.answers("only 16 msn 5 1 bytes")
	d.feed(only(15, 1), read(16, 0, 1)) // the response acknowledges the message
	d.answers("only 16 msn 5 1 bytes")
	d.feed(read(10, 0, 1200), read(17, 3, 1)) // which shows that the peer has what it asks for
	d.answers("only 17 msn 6 1 bytes")
	for range 3 {
		d.q.Received(d.wire(read(16, 0, 1))) // once is enough
	}
	for i := range 2 * maxRepetitions {
		d.q.Received(d.wire(pkt{op: ib.ReadRequest, psn: 17, reth: y.reth(3, 1)}))
		if n := len(d.q.resp.again); n > 2 {
			t.Fatalf("%d of %d are kept", n, i)
		}
	}
	d.feed()
	d.answers("only 16 msn 5 1 bytes", "only 17 msn 6 1 bytes")
	d.feed(pkt{op: ib.ReadRequest, psn: 18, reth: y.reth(0, 2000)})
	d.take()
	for i := range 2 * maxRepetitions {
		d.q.Received(d.wire(read(18+7-i%8, (7-i%8)*256, 1+i%200)))
	}
	if n := len(d.q.resp.again); n > maxRepetitions {
		t.Errorf("%d are kept", n)
	}
	d.feed()
}

// TestRepeatNever: a Read is forgotten before its PSNs come again.
func TestRepeatNever(t *testing.T) {
	d := started(t, deskConf())
	y := d.expose(2000, rdma.RemoteRead)
	read := pkt{op: ib.ReadRequest, psn: 0, reth: y.reth(0, 1000)}
	d.feed(read)
	d.take()
	for k := range 17 { // 16 million packets later; most of them are skipped
		d.q.resp.expected = ib.PSN(k<<forgets - 1).Add(0)
		p := only(d.q.resp.expected.Sub(d.psn), 1)
		d.feed(p)
		d.feed(p)
		if got := d.sent(); len(got) != 2 || got[0] != got[1] {
			t.Fatalf("after %d packets: %q", k<<forgets, got)
		}
	}
	d.q.resp.expected = d.psn.Add(100)
	d.feed(read)
	d.answers()
}
