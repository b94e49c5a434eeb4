package rc

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// A lentRead is a Read of the fuzz target: its memory with guards around it, and what it was when it was given back.
type lentRead struct {
	mem    []byte
	n      int
	at     []byte
	failed bool
}

const guard = 64

// FuzzRequester has a requester whose peer answers what it likes: nothing but the memory of Reads is written, nor that after they were given back; every work is given back
// once; and what is held is bounded by what was posted.
//
// The input is a list of steps of four bytes: what is done, and with what.
func FuzzRequester(f *testing.F) {
	f.Add([]byte{0, 10, 0, 0, 2, 4, 0, 0, 1, 9, 0, 0, 4, 0, 0, 0x1f, 4, 1, 0, 0x1f, 5, 1, 1, 0, 5, 2, 2, 0, 5, 3, 3, 0, 5, 4, 4, 0, 7, 200, 0, 0})
	f.Add([]byte{2, 8, 0, 0, 2, 8, 0, 0, 2, 8, 0, 0, 0, 3, 0, 0, 4, 3, 0, 0x60, 5, 3, 1, 0, 5, 2, 1, 0, 4, 0, 0, 0x62, 6, 0, 0, 0})
	f.Add([]byte{0, 255, 1, 0, 4, 2, 0, 0x21, 7, 100, 0, 0, 4, 0, 0, 0x60, 7, 255, 3, 0, 7, 255, 255, 0, 3, 0, 0, 0})
	f.Add([]byte{2, 30, 0, 0, 5, 9, 1, 0, 5, 8, 1, 0, 5, 7, 1, 0, 5, 6, 1, 0, 5, 0, 0, 0, 7, 9, 0, 0, 5, 1, 1, 0, 5, 2, 1, 0, 5, 3, 1, 0, 5, 4, 1, 0, 5, 5, 1, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4000 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			var out deskOutlet
			u := newUser()
			c := pairConf()
			c.MTU, c.Outlet, c.Reads, c.Credits, c.Sends = 256, &out, 4, len(in)%2 == 0, 0xFFFF00
			q := New(c)
			q.Start(u)
			reads := make(map[*rdma.Work]*lentRead)
			u.done = func(w *rdma.Work) {
				if r := reads[w]; r != nil {
					r.at = bytes.Clone(r.mem)
				}
			}
			var all []*rdma.Work
			s := &script{t: t, q: q, u: u}
			for ; len(in) >= 4; in = in[4:] {
				op, x, y, z := in[0]%8, int(in[1]), int(in[2]), in[3]
				var w *rdma.Work
				switch op {
				case 0, 1, 2:
					n := x*97 + y
					w = &rdma.Work{Op: []rdma.Op{rdma.Send, rdma.Write, rdma.Read}[op], Len: int64(n), Remote: rdma.Remote{Key: 1, Addr: uint64(x) << 56}}
					mem := bytes.Repeat([]byte{0xAA}, n+2*guard)
					w.At, w.Data = guard, buffer.Of(mem)
					if op == 2 {
						reads[w] = &lentRead{mem: mem, n: n}
					}
					if q.Post(w) {
						all = append(all, w)
						q.Flush()
					}
				case 3:
					if len(all) > 0 {
						w = all[x%len(all)]
						if q.Cancel(w) {
							u.Done(w, nil)
						}
					}
				case 4, 5, 6: // a response: about the first that is not answered, or the next that is sent
					q.mu.Lock()
					base := q.req.oldest()
					if y&0x80 != 0 {
						base = q.req.sent
					}
					psn := base.Add(int(int8(x)))
					n := 256
					if r := q.req.reads.head; r != nil && y&0x40 == 0 { // as long as it has to be, if there is one
						if left := int(r.Len) - psn.Sub(first(r))*256; left >= 0 {
							n = min(n, left)
						}
					}
					q.mu.Unlock()
					o := ib.Acknowledge
					if op != 4 {
						o = ib.ReadFirst + ib.Opcode(y%4)
					}
					if op == 6 {
						n, o = int(z), ib.Opcode(y%0x20)
					}
					if op == 4 {
						n = 0
					}
					h, b := s.packet(o, psn, ib.AETH{Syndrome: ib.Syndrome(z), MSN: ib.MSN(x)}, bytes.Repeat([]byte{byte(x)}, n))
					if len(b) >= o.HeaderLen() {
						q.Received(h, b)
					}
					if z%3 != 0 {
						q.Batch()
					}
				case 7:
					q.Batch()
					time.Sleep(time.Duration(x+256*y) * 100 * time.Microsecond)
				}
				synctest.Wait()
				out.mu.Lock()
				out.flushed = nil
				out.mu.Unlock()
			}
			q.Batch()
			q.Close(errors.New("the end"))
			u.until(func() bool { return u.closed })
			synctest.Wait()
			for i, w := range all {
				u.mu.Lock()
				err, ok := u.back[w]
				u.mu.Unlock()
				if !ok {
					t.Errorf("work %d was not given back", i)
				}
				r := reads[w]
				if r == nil {
					continue
				}
				if err := besides(r.mem, r.n); err != nil {
					t.Error(err)
				}
				if ok && r.at != nil && !bytes.Equal(r.at, r.mem) {
					t.Error("a Read was written to after it was given back")
				}
				if ok && err == nil && r.n > 0 && r.at != nil && w.Moved != w.Len && w.Moved != 0 {
					t.Errorf("a Read was given back with %d bytes of %d", w.Moved, w.Len)
				}
			}
			u.check(t)
		})
	})
}

// besides checks that nothing but the n bytes in the middle of mem was touched.
func besides(mem []byte, n int) error {
	g := bytes.Repeat([]byte{0xAA}, guard)
	if !bytes.Equal(mem[:guard], g) || !bytes.Equal(mem[guard+n:], g) {
		return fmt.Errorf("memory beside a Read of %d bytes was touched", n)
	}
	return nil
}
