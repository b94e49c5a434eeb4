package rc

import (
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// TestOvertakes: Writes of one packet that may go first do, in their order; longer ones keep their place.
func TestOvertakes(t *testing.T) {
	scripted(t, nil, func(t *testing.T, s *script) {
		early := func(n int) *rdma.Work {
			w := write(n, 0)
			w.Overtakes = true
			return w
		}
		var ws []*rdma.Work
		for range 2 { // the second time begins with an empty queue again
			some := []*rdma.Work{send(1), early(2), write(3, 0), early(4), read(5, 0), early(2000), early(6)}
			s.post(some...)
			ws = append(ws, some...)
		}
		s.sends("0a fffff0 A 2", "0a fffff1 A 4", "0a fffff2 A 6", "04 fffff3 A 1", "0a fffff4 A 3", "0c fffff5 A 0+5", "06 fffff6 1024", "08 fffff7 A 976",
			"0a fffff8 A 2", "0a fffff9 A 4", "0a fffffa A 6", "04 fffffb A 1", "0a fffffc A 3", "0c fffffd A 0+5", "06 fffffe 1024", "08 ffffff A 976")
		s.gets(ib.ReadOnly, 0xFFFFF5, ib.AETH{Syndrome: ib.AckUnlimited}, make([]byte, 5))
		s.gets(ib.ReadOnly, 0xFFFFFD, ib.AETH{Syndrome: ib.AckUnlimited}, make([]byte, 5))
		s.ack(0xFFFFFF)
		for _, w := range ws {
			s.back(w, nil)
		}
	})
}
