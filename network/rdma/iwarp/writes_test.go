package iwarp

import (
	"bytes"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// What the peer writes in large segments takes one receive for each, with the small ones and the
// messages behind it, and is hardly copied.
func TestWriteReceives(t *testing.T) {
	const answers, size = 20, 64 << 10
	for _, sums := range []bool{false, true} {
		for _, n := range []int{size - 76, size/2 - 60} {
			b := newBed(t, rdma.Options{MaxMessage: 4096}, sums)
			mem, want := make([]byte, answers*size), fill(answers*size, 7)
			r, err := b.c.Expose(buffer.Of(mem), rdma.RemoteWrite)
			if err != nil {
				t.Fatal(err)
			}
			var wire []byte
			segments := 0
			for i := range answers {
				for off := 0; off < size; off += n {
					k := min(n, size-off)
					h := header{tagged: true, last: off+k == size, op: opWrite, stag: uint32(r.Key), to: r.Addr + uint64(i*size+off)}
					wire = append(wire, fpdu(h, want[i*size+off:][:k], sums)...)
					if k > early {
						segments++
					}
				}
				wire = append(wire, fpdu(header{last: true, op: opSend, msn: uint32(i + 1)}, fill(76, uint64(i)), sums)...)
			}
			b.feed(wire)
			if !bytes.Equal(mem, want) || len(b.h.messages) != answers {
				t.Fatalf("CRCs %v, segments of %d: wrong data, or %d messages", sums, n, len(b.h.messages))
			}
			s := b.c.Stats()
			if most := int64(segments - batchSize/(n+100) + 3); s.Receives-s.ReceiveAgain > most {
				t.Errorf("CRCs %v, segments of %d: %d receives for %d large ones", sums, n, s.Receives-s.ReceiveAgain, segments)
			}
			if most := int64(batchSize + segments*narrow); s.CopiedPlaced > most { // the first batch, and what comes behind
				t.Errorf("CRCs %v, segments of %d: %d bytes were copied", sums, n, s.CopiedPlaced)
			}
			b.hangUp()
		}
	}
}

// Between two ends in one host FPDUs are as long as they can be, whatever TCP says of its segments.
func TestLongest(t *testing.T) {
	withEngines(t, func(t *testing.T, e tcp.Engine) {
		d := device(t, Config{Engine: e})
		a, b := pair(t, d, d)
		for _, s := range []*side{a, b} {
			if l := s.Conn.(*Conn).tx.limits; l.tagged != longestFPDU-8-taggedLen-crcLen || l.untagged != longestFPDU-8-untaggedLen-crcLen {
				t.Errorf("%+v", l)
			}
		}
	})
}

// While the peer's data is received into a window nobody waits for that but who revokes it.
func TestRevokeWhileFilling(t *testing.T) {
	b := newBed(t, rdma.Options{MaxMessage: 4096}, false)
	mem := make([]byte, 60_000)
	r, err := b.c.Expose(buffer.Of(mem), rdma.RemoteWrite)
	if err != nil {
		t.Fatal(err)
	}
	revoked := make(chan bool, 1)
	filled := false
	b.c.recvMsg = func(fd uintptr, iov []unix.Iovec) (int, error) {
		if b.c.recv.placing && !filled {
			if _, err := b.c.Expose(buffer.Of(make([]byte, 1)), rdma.RemoteWrite); err != nil {
				t.Error(err)
			}
			go func() { revoked <- b.c.Revoke(r.Key) }()
			for gone := false; !gone; runtime.Gosched() {
				b.c.mem.mu.Lock()
				gone = b.c.mem.windows.Find(uint32(r.Key)) == nil
				b.c.mem.mu.Unlock()
			}
			for range 10_000 { // it has nothing else to do any more
				runtime.Gosched()
			}
			if len(revoked) > 0 {
				t.Error("it was revoked while it was filled")
			}
			filled = true
		}
		return b.recv(fd, iov)
	}
	b.cut = 20_000
	wire := fpdu(header{tagged: true, last: true, op: opWrite, stag: uint32(r.Key), to: r.Addr}, fill(len(mem), 1), false)
	b.in = append(b.in, wire...)
	b.c.Receive(0) // the header, and what came with it
	b.c.Receive(0)
	if !filled {
		t.Fatal("nothing was received into the window")
	}
	if !<-revoked {
		t.Error("there was no such key")
	}
	b.feed(nil)
	b.terminated(causeKey, wire[:taggedLen])
}
