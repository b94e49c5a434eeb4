package movertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func nop(itt uint32) *pdu.BHS {
	h := new(pdu.BHS)
	pdu.NOPOut{Immediate: true, ITT: itt, TTT: pdu.NoTag}.Put(h)
	return h
}

func numbered(n int) []byte {
	b := make([]byte, n)
	for i := 0; i+4 <= n; i += 4 {
		binary.BigEndian.PutUint32(b[i:], uint32(i)*2654435761)
	}
	return b
}

// scattered is a lease of data in pieces.
func scattered(data []byte, piece int) *buffer.Lease {
	var segs []buffer.Segment
	for len(data) > 0 {
		n := min(piece, len(data))
		segs = append(segs, buffer.Segment{Mem: data[:n]})
		data = data[n:]
	}
	return buffer.New(nil, segs...)
}

// testControl sends PDUs both ways, with data of many lengths; order and numbers are kept.
func testControl(t *testing.T, b *bench) {
	sizes := []int{0, 1, 2, 3, 4, 5, 48, 288, 289, 4096, 60000}
	for i, n := range sizes {
		must(t, b.Peer.Send(nop(uint32(i)), numbered(n)))
	}
	b.h.until(t, "the PDUs", func() bool { return len(b.h.arrived) == len(sizes)+1 })
	for i, n := range sizes {
		if got := b.h.arrived[i+1]; got.ITT() != uint32(i) || !bytes.Equal(b.h.data[i+1], numbered(n)) {
			t.Fatalf("PDU %d: tag %d, %d bytes", i, got.ITT(), len(b.h.data[i+1]))
		}
	}
	var all sync.WaitGroup
	var owned uint32 // only Stamp counts it
	for g := range 4 {
		all.Go(func() {
			for i, n := range sizes {
				p := b.Mover.Control()
				if p.BHS != (pdu.BHS{}) && p.Data != nil {
					t.Error("a PDU that is not empty")
				}
				if p.Owner != nil {
					t.Error("a PDU that has an owner")
				}
				pdu.NOPIn{ITT: uint32(g<<8 | i), TTT: pdu.NoTag}.Put(&p.BHS)
				p.Data, p.Owner = numbered(n), &owned
				b.Mover.SendControl(p)
				b.Mover.Flush()
			}
		})
	}
	next := map[uint32]uint32{}
	for k := range 4 * len(sizes) {
		h, data, err := b.Peer.Receive()
		must(t, err)
		g, i := h.ITT()>>8, h.ITT()&255
		if i != next[g] || !bytes.Equal(data, numbered(sizes[i])) || h.StatSN() != uint32(k+2) || h.DataSN() != uint32(k) {
			t.Fatalf("PDU %d of %d: %d bytes, number %d", i, g, len(data), h.StatSN())
		}
		next[g]++
	}
	all.Wait()
	if s := b.Mover.Stats(); s.PDUsIn < int64(len(sizes)) || s.PDUsOut < int64(4*len(sizes)) || s.BytesIn == 0 || s.BytesOut == 0 {
		t.Errorf("%+v", s)
	}
}

// testPut moves data-in of many lengths and shapes.
func testPut(t *testing.T, b *bench) {
	for i, n := range []int{1, 3, 4, 512, 65536, 65537, 1 << 20, 3<<20 + 5} {
		for _, piece := range []int{n, 4096, 700} {
			data := numbered(n + 10)
			m := b.command(t, uint32(i), n, nil)
			x := &iscsi.Transfer{
				ITT: uint32(i), Data: scattered(data, piece), At: 7, Len: int64(n), Put: true, Window: m.In, Owner: new(uint32),
				Status: b.Mover.Traits().PhaseCollapse,
			}
			if !b.Mover.PutData(x) {
				t.Fatal("refused")
			}
			if !x.Status {
				p := b.Mover.Control()
				pdu.SCSIResponse{ITT: uint32(i)}.Put(&p.BHS)
				p.Memory = m
				b.Mover.SendControl(p)
			}
			go b.Mover.Flush()
			got, err := b.Peer.Data(uint32(i), n)
			must(t, err)
			if !bytes.Equal(got, data[7:7+n]) {
				t.Fatalf("%d bytes in pieces of %d came wrong", n, piece)
			}
			must(t, b.gotBack(t, x))
		}
	}
}

// testGet fetches data-out of many lengths and shapes, several at a time.
func testGet(t *testing.T, b *bench) {
	for round, n := range []int{1, 512, 8 << 10, 100_000, 262144} {
		for _, piece := range []int{n + 10, 4096, 700} {
			var xs [5]*iscsi.Transfer
			var mem [5][]byte
			for i := range xs {
				mem[i] = make([]byte, n+10)
				itt := uint32(round*8 + i)
				m := b.command(t, itt, 0, numbered(n))
				xs[i] = &iscsi.Transfer{ITT: itt, Data: scattered(mem[i], piece), At: 7, Len: int64(n), Window: m.Out}
				if !b.Mover.GetData(xs[i]) {
					t.Fatal("refused")
				}
			}
			b.Mover.Flush()
			for i := range xs {
				must(t, b.Peer.Answer(uint32(round*8+i), numbered(n)))
			}
			for i, x := range xs {
				must(t, b.gotBack(t, x))
				if !bytes.Equal(mem[i][7:7+n], numbered(n)) || !bytes.Equal(mem[i][:7], make([]byte, 7)) || !bytes.Equal(mem[i][7+n:], make([]byte, 3)) {
					t.Fatalf("%d bytes in pieces of %d came wrong", n, piece)
				}
				b.h.mu.Lock()
				delete(b.h.moved, x)
				b.h.mu.Unlock()
			}
		}
	}
}

// write is a SCSI Command that has its data with it.
func write(itt uint32, n int) *pdu.BHS {
	h := new(pdu.BHS)
	pdu.SCSICommand{Final: true, Write: true, ITT: itt, ExpectedDataLength: uint32(n)}.Put(h)
	return h
}

// testAccept places immediate data, whole and in parts, or less than comes, or nothing.
func testAccept(t *testing.T, b *bench) {
	for _, n := range []int{512, 8 << 10, 64 << 10, 250_000} {
		for _, part := range []int{0, n / 3, n} {
			for _, room := range []int{n, n / 2, 0, -1} { // -1: it is not accepted
				mem := make([]byte, n)
				x := &iscsi.Transfer{Data: scattered(mem, 3000), Len: int64(room)}
				if room <= 0 {
					x.Data, x.Len = nil, 0
				}
				b.h.mu.Lock()
				b.h.accept = func(p *iscsi.Arrival) {
					if len(p.Data)+p.Pending != n {
						t.Errorf("%d and %d bytes", len(p.Data), p.Pending)
					}
					if room < 0 {
						b.h.DataMoved(x, nil)
						return
					}
					ok, err := b.Mover.Accept(x)
					if ok != (p.Pending == 0) {
						t.Errorf("done %v with %d bytes pending", ok, p.Pending)
					}
					if ok {
						b.h.DataMoved(x, err)
					}
				}
				b.h.mu.Unlock()
				rest, err := b.Peer.SendPart(write(1, n), numbered(n), part)
				must(t, err)
				time.Sleep(time.Millisecond)
				must(t, rest())
				must(t, b.gotBack(t, x))
				room = max(room, 0)
				if !bytes.Equal(mem[:room], numbered(n)[:room]) || !bytes.Equal(mem[room:], make([]byte, n-room)) {
					t.Fatalf("%d of %d bytes, %d of them first, came wrong", room, n, part)
				}
			}
		}
	}
	b.h.mu.Lock()
	b.h.accept = nil
	n := len(b.h.arrived)
	b.h.mu.Unlock()
	must(t, b.Peer.Send(nop(9), []byte("behind")))
	b.h.until(t, "the next PDU", func() bool { return len(b.h.arrived) == n+1 && string(b.h.data[n]) == "behind" })
}

// testCancel takes transfers back: afterwards nothing touches their memory, and what the
// peer still sends is thrown away. What cannot be taken back any more is given back, once.
func testCancel(t *testing.T, b *bench) {
	out := numbered(1000)
	mem, asked := make([]byte, 1000), make([]byte, 1000)
	w := &iscsi.Transfer{ITT: 1, Data: scattered(mem, 100), Len: 1000, Window: b.command(t, 1, 0, out).Out}
	x := &iscsi.Transfer{ITT: 2, Data: scattered(asked, 100), Len: 1000, Window: b.command(t, 2, 0, out).Out}
	y := &iscsi.Transfer{ITT: 3, Data: scattered(make([]byte, 1000), 100), Len: 1000, Window: b.command(t, 3, 0, out).Out}
	if !b.Mover.GetData(w) || !b.Mover.GetData(x) || !b.Mover.GetData(y) {
		t.Fatal("refused")
	}
	if !b.Mover.Cancel(w) || b.Mover.Cancel(w) { // nobody has been asked for it
		t.Error("a transfer can be taken back once")
	}
	b.Mover.Flush()
	taken := b.Mover.Cancel(x)
	if taken && b.Mover.Cancel(x) || !taken && !b.rdma() {
		t.Error("a transfer that was asked for can be taken back once")
	}
	if !taken {
		must(t, b.gotBack(t, x))
		clear(asked) // it is ours again: the race detector watches
	}
	must(t, b.Peer.Answer(1, out))
	must(t, b.Peer.Answer(2, out))
	must(t, b.Peer.Answer(3, out))
	must(t, b.gotBack(t, y))
	if b.Mover.Cancel(y) {
		t.Error("a transfer was taken back that had been given back")
	}
	n := b.arrived()
	must(t, b.Peer.Send(nop(8), nil))
	b.h.until(t, "the next PDU", func() bool { return len(b.h.arrived) == n+1 })
	if !bytes.Equal(mem, make([]byte, 1000)) || !bytes.Equal(asked, make([]byte, 1000)) {
		t.Error("memory was written after Cancel")
	}
	if b.returned(w) {
		t.Error("a transfer was given back after Cancel")
	}
	if b.rdma() {
		return // a PDU has come, or not
	}
	// In the middle of a data segment.
	big := make([]byte, 200_000)
	z := &iscsi.Transfer{Data: scattered(big, 50_000), Len: int64(len(big))}
	b.h.mu.Lock()
	b.h.accept = func(*iscsi.Arrival) { b.Mover.Accept(z) }
	b.h.mu.Unlock()
	n++
	rest, err := b.Peer.SendPart(write(4, len(big)), numbered(len(big)), 100_000)
	must(t, err)
	b.h.until(t, "the begin", func() bool { return len(b.h.arrived) == n+1 })
	time.Sleep(5 * time.Millisecond)
	if !b.Mover.Cancel(z) {
		t.Fatal("not taken back")
	}
	clear(big) // it is ours again: the race detector watches
	b.h.mu.Lock()
	b.h.accept = nil
	b.h.mu.Unlock()
	must(t, rest())
	must(t, b.Peer.Send(nop(9), nil))
	b.h.until(t, "the next PDU", func() bool { return len(b.h.arrived) == n+2 })
	if !bytes.Equal(big, make([]byte, len(big))) {
		t.Error("memory was written after Cancel")
	}
	if b.returned(z) {
		t.Error("a transfer was given back after Cancel")
	}
}

// testTerminate sends last words and gives everything back.
func testTerminate(t *testing.T, b *bench) {
	m := b.command(t, 1, 0, numbered(1000))
	x := &iscsi.Transfer{ITT: 1, Data: scattered(make([]byte, 1000), 1000), Len: 1000, Window: m.Out}
	if !b.Mover.GetData(x) {
		t.Fatal("refused")
	}
	p := b.Mover.Control()
	pdu.NOPIn{ITT: 77, TTT: pdu.NoTag}.Put(&p.BHS)
	b.Mover.SendControl(p)
	b.Mover.Terminate(nil)
	for {
		h, _, err := b.Peer.Receive()
		must(t, err)
		if h.ITT() == 77 {
			break
		}
	}
	_ = b.Peer.Close()
	b.h.until(t, "Terminated", func() bool { return b.h.ended == 1 })
	// Memory of the peer may have been read before it has closed.
	if err := b.gotBack(t, x); !errors.Is(err, iscsi.ErrTerminated) && (err != nil || !b.rdma()) {
		t.Error(err)
	}
	if b.h.cause != nil {
		t.Error(b.h.cause)
	}
	for name, ok := range map[string]bool{
		"GetData": b.Mover.GetData(&iscsi.Transfer{Data: scattered(make([]byte, 10), 10), Len: 10, Window: m.Out}),
		"PutData": b.Mover.PutData(&iscsi.Transfer{Data: scattered(make([]byte, 10), 10), Len: 10, Put: true, Window: iscsi.Window{Valid: true, To: 10}}),
	} {
		if ok {
			t.Errorf("%s after the end", name)
		}
	}
	b.Mover.SendControl(b.Mover.Control()) // these do nothing
	b.Mover.Flush()
	b.Mover.Terminate(errors.New("again"))
}

// testPeerGoes loses the peer in the middle of everything.
func testPeerGoes(t *testing.T, b *bench) {
	out := numbered(1000)
	x := &iscsi.Transfer{ITT: 1, Data: scattered(make([]byte, 1000), 1000), Len: 1000, Window: b.command(t, 1, 0, out).Out}
	var all []*iscsi.Transfer
	for i := range uint32(20) {
		all = append(all, &iscsi.Transfer{
			ITT: 10 + i, Data: scattered(make([]byte, 1<<20), 1<<20), Len: 1 << 20, Put: true, Window: b.command(t, 10+i, 1<<20, nil).In,
		})
	}
	big := make([]byte, 200_000)
	z := &iscsi.Transfer{Data: scattered(big, 50_000), Len: int64(len(big))}
	b.h.mu.Lock()
	b.h.accept = func(*iscsi.Arrival) { b.Mover.Accept(z) }
	n := len(b.h.arrived)
	b.h.mu.Unlock()
	if !b.Mover.GetData(x) {
		t.Fatal("refused")
	}
	if _, err := b.Peer.SendPart(write(3, len(big)), numbered(len(big)), 100_000); err != nil {
		t.Fatal(err)
	}
	if !b.rdma() {
		b.h.until(t, "the begin", func() bool { return len(b.h.arrived) == n+1 })
	}
	for _, p := range all {
		if !b.Mover.PutData(p) {
			t.Fatal("refused")
		}
	}
	b.Mover.Flush()
	_ = b.Peer.Close()
	b.h.until(t, "Terminated", func() bool { return b.h.ended == 1 })
	if !b.rdma() {
		all = append(all, z)
	}
	for _, x := range append(all, x) {
		if !b.returned(x) {
			t.Error("a transfer was not given back before Terminated")
		}
	}
	if b.h.cause == nil {
		t.Error("no cause")
	}
}
