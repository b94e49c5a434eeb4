package rc

import (
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// A long Read that waits for the window is not overtaken by short ones, which would keep it waiting; if it is cancelled they go on.
func TestReadsInTurn(t *testing.T) {
	scripted(t, func(c *Config) { c.Sends = 0x100 }, func(t *testing.T, s *script) {
		s.q.req.limits.reads = 4
		a, long, short := read(3<<10, 0), read(2<<10, 1), read(10, 2)
		s.post(a, long, short)
		s.sends("0c 000100 A 0+c00")
		for i, o := range []ib.Opcode{ib.ReadFirst, ib.ReadMiddle, ib.ReadLast} {
			s.gets(o, 0x100+ib.PSN(i), ib.AETH{Syndrome: ib.AckUnlimited}, make([]byte, 1024))
		}
		s.sends("0c 000103 A 1+800", "0c 000105 A 2+a")
		b, c := read(6<<10, 3), read(1, 4)
		s.post(b, c)
		s.sends()
		if !s.q.Cancel(b) {
			t.Error("a Read that waits cannot be cancelled")
		}
		s.q.Flush()
		s.sends("0c 000106 A 4+1")
	})
}

// A Read whose last packet has no room is not given back as if it were in place.
func TestReadWithoutRoom(t *testing.T) {
	scripted(t, func(c *Config) { c.Sends = 0x100 }, func(t *testing.T, s *script) {
		w := read(1<<10, 0)
		s.post(w)
		w.Data.Truncate(1000)
		s.gets(ib.ReadOnly, 0x100, ib.AETH{Syndrome: ib.AckUnlimited}, make([]byte, 1<<10))
		s.back(w, rdma.ErrFlushed)
	})
}

// A peer that is not ready for a message is left alone as long as it says, also while it answers Reads.
func TestNotReadyReads(t *testing.T) {
	scripted(t, func(c *Config) { c.Sends = 0x100 }, func(t *testing.T, s *script) {
		r, m := read(2<<10, 0), send(1)
		s.post(r, m)
		s.sends("0c 000100 A 0+800", "04 000102 A 1")
		s.nak(ib.RNR(10*time.Millisecond), 0x102)
		s.forget() // what is missing of the Read was asked for again
		s.gets(ib.ReadFirst, 0x100, ib.AETH{Syndrome: ib.AckUnlimited}, make([]byte, 1<<10))
		s.gets(ib.ReadLast, 0x101, ib.AETH{Syndrome: ib.AckUnlimited}, make([]byte, 1<<10))
		s.back(r, nil)
		time.Sleep(9 * time.Millisecond)
		s.sends()
		time.Sleep(1500 * time.Microsecond)
		s.sends("04 000102 A 1")
	})
}

// No more PSNs are outstanding than can be told from old ones, however long two works are together.
func TestManyPSNs(t *testing.T) {
	scripted(t, func(c *Config) { c.Sends, c.MTU = 0x100, 256 }, func(t *testing.T, s *script) {
		segments := make([]buffer.Segment, 1024)
		for i, mem := 0, make([]byte, 1<<20); i < len(segments); i++ {
			segments[i].Mem = mem
		}
		long := func(op rdma.Op) *rdma.Work {
			return &rdma.Work{Op: op, Data: buffer.New(nil, segments...), Len: maxPSNs << 8}
		}
		s.post(long(rdma.Read), long(rdma.Write))
		s.sends("0c 000100 A 0+40000000")
	})
}
