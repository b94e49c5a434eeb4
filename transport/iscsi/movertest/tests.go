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
	for g := range 4 {
		all.Go(func() {
			for i, n := range sizes {
				p := b.Mover.Control()
				if p.BHS != (pdu.BHS{}) && p.Data != nil {
					t.Error("a PDU that is not empty")
				}
				pdu.NOPIn{ITT: uint32(g<<8 | i), TTT: pdu.NoTag}.Put(&p.BHS)
				p.Data = numbered(n)
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
		if i != next[g] || !bytes.Equal(data, numbered(sizes[i])) || h.StatSN() != uint32(k+2) {
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
			x := &iscsi.Transfer{ITT: uint32(i), Data: scattered(data, piece), At: 7, Len: int64(n), Put: true, Status: true}
			if !b.Mover.PutData(x) {
				t.Fatal("refused")
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
				xs[i] = &iscsi.Transfer{ITT: uint32(round*8 + i), Data: scattered(mem[i], piece), At: 7, Len: int64(n)}
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
			for _, room := range []int{n, n / 2, 0} {
				mem := make([]byte, n)
				x := &iscsi.Transfer{Data: scattered(mem, 3000), Len: int64(room)}
				b.h.mu.Lock()
				b.h.accept = func(p *iscsi.Arrival) {
					if len(p.Data)+p.Pending != n {
						t.Errorf("%d and %d bytes", len(p.Data), p.Pending)
					}
					if room == 0 {
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
// peer still sends is thrown away.
func testCancel(t *testing.T, b *bench) {
	mem := make([]byte, 1000)
	x := &iscsi.Transfer{ITT: 1, Data: scattered(mem, 100), Len: 1000}
	y := &iscsi.Transfer{ITT: 2, Data: scattered(make([]byte, 1000), 100), Len: 1000}
	if !b.Mover.GetData(x) || !b.Mover.GetData(y) {
		t.Fatal("refused")
	}
	b.Mover.Flush()
	if !b.Mover.Cancel(x) || b.Mover.Cancel(x) {
		t.Error("a transfer can be taken back once")
	}
	must(t, b.Peer.Answer(1, numbered(1000)))
	must(t, b.Peer.Answer(2, numbered(1000)))
	must(t, b.gotBack(t, y))
	if b.Mover.Cancel(y) {
		t.Error("a transfer was taken back that had been given back")
	}
	if !bytes.Equal(mem, make([]byte, 1000)) {
		t.Error("memory was written after Cancel")
	}
	// In the middle of a data segment.
	big := make([]byte, 200_000)
	z := &iscsi.Transfer{Data: scattered(big, 50_000), Len: int64(len(big))}
	b.h.mu.Lock()
	b.h.accept = func(*iscsi.Arrival) { b.Mover.Accept(z) }
	b.h.mu.Unlock()
	rest, err := b.Peer.SendPart(write(3, len(big)), numbered(len(big)), 100_000)
	must(t, err)
	b.h.until(t, "the begin", func() bool { return len(b.h.arrived) == 2 })
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
	b.h.until(t, "the next PDU", func() bool { return len(b.h.arrived) == 3 })
	if !bytes.Equal(big, make([]byte, len(big))) {
		t.Error("memory was written after Cancel")
	}
	if _, ok := b.h.moved[z]; ok {
		t.Error("a transfer was given back after Cancel")
	}
}

// testTerminate sends last words and gives everything back.
func testTerminate(t *testing.T, b *bench) {
	x := &iscsi.Transfer{ITT: 1, Data: scattered(make([]byte, 1000), 1000), Len: 1000}
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
	if err := b.gotBack(t, x); !errors.Is(err, iscsi.ErrTerminated) {
		t.Error(err)
	}
	if b.h.cause != nil {
		t.Error(b.h.cause)
	}
	for name, ok := range map[string]bool{
		"GetData": b.Mover.GetData(&iscsi.Transfer{Data: scattered(make([]byte, 10), 10), Len: 10}),
		"PutData": b.Mover.PutData(&iscsi.Transfer{Data: scattered(make([]byte, 10), 10), Len: 10, Put: true}),
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
	big := make([]byte, 200_000)
	z := &iscsi.Transfer{Data: scattered(big, 50_000), Len: int64(len(big))}
	b.h.mu.Lock()
	b.h.accept = func(*iscsi.Arrival) { b.Mover.Accept(z) }
	b.h.mu.Unlock()
	x := &iscsi.Transfer{ITT: 1, Data: scattered(make([]byte, 1000), 1000), Len: 1000}
	if !b.Mover.GetData(x) {
		t.Fatal("refused")
	}
	var puts [20]*iscsi.Transfer
	for i := range puts {
		puts[i] = &iscsi.Transfer{ITT: uint32(10 + i), Data: scattered(make([]byte, 1<<20), 1<<20), Len: 1 << 20, Put: true}
		if !b.Mover.PutData(puts[i]) {
			t.Fatal("refused")
		}
	}
	b.Mover.Flush()
	if _, err := b.Peer.SendPart(write(3, len(big)), numbered(len(big)), 100_000); err != nil {
		t.Fatal(err)
	}
	b.h.until(t, "the begin", func() bool { return len(b.h.arrived) == 2 })
	_ = b.Peer.Close()
	b.h.until(t, "Terminated", func() bool { return b.h.ended == 1 })
	for _, x := range append(puts[:], x, z) {
		if _, ok := b.h.moved[x]; !ok {
			t.Error("a transfer was not given back before Terminated")
		}
	}
	if b.h.cause == nil {
		t.Error("no cause")
	}
}
