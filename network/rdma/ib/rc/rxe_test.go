package rc

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// A ratchet is what rxe's responder remembers of a Read (Linux up to 6.12 at the least): when a part of it is asked for again, what is before that part cannot be asked for any more.
type ratchet struct {
	first, end ib.PSN
	reth       ib.RETH
}

// ratchets drop the requests that rxe would drop. q is who receives them.
func ratchets(q *QP, serves int) func(h ib.BTH, b []byte) bool {
	var all []ratchet
	return func(h ib.BTH, b []byte) bool {
		if h.Opcode != ib.ReadRequest {
			return false
		}
		e, _ := ib.ParseRETH(b[ib.BTHLen:])
		switch d := h.PSN.Sub(q.resp.expected); {
		case d > 0:
			return false
		case d == 0:
			if all = append(all, ratchet{h.PSN, h.PSN.Add(packets(e.Length, q.conf.MTU)), e}); len(all) > serves {
				all = all[1:]
			}
			return false
		}
		for i := range all {
			r := &all[i]
			if h.PSN.Sub(r.first) >= 0 && h.PSN.Sub(r.end) < 0 {
				if e.Address < r.reth.Address || e.Length > r.reth.Length || e.Address+uint64(e.Length) > r.reth.Address+uint64(r.reth.Length) {
					return true
				}
				r.reth.Address = e.Address
				return false
			}
		}
		return true
	}
}

// TestReadsOfRxe has Reads that lose responses answered by a responder that is as forgetful as rxe's.
func TestReadsOfRxe(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, y := faults{lose: 0.01, seed: 2 * seed}, faults{lose: 0.05, late: 0.02, double: 0.01, seed: 2*seed + 1}
				p := newPair(t, x, y, 50*time.Microsecond, 1e9, nil)
				defer p.stop()
				p.ab.drops = ratchets(p.b, 8)
				ua, ub := newUser(), newUser()
				p.a.Start(ua)
				p.b.Start(ub)
				data := random(200<<10, seed)
				r, err := p.b.Expose(buffer.Of(data), rdma.RemoteRead)
				if err != nil {
					t.Fatal(err)
				}
				var works []*rdma.Work
				var into [][]byte
				for i := range 30 {
					n := []int{200 << 10, 64 << 10, 4096, 128 << 10}[i%4]
					into = append(into, make([]byte, n))
					works = append(works, &rdma.Work{Op: rdma.Read, Data: buffer.Of(into[i]), Len: int64(n), Remote: r})
					if !p.a.Post(works[i]) {
						t.Fatal("a work was not taken")
					}
				}
				begin := time.Now()
				p.a.Flush()
				if err := ua.wait(works...); err != nil {
					t.Fatal(err, p.a.Losses())
				}
				for i := range into {
					if !bytes.Equal(into[i], data[:len(into[i])]) {
						t.Errorf("Read %d is wrong", i)
					}
				}
				t.Log(time.Since(begin), p.a.Losses())
				p.a.Close(nil)
				ua.until(func() bool { return ua.closed })
				ub.until(func() bool { return ub.closed })
			})
		})
	}
}
