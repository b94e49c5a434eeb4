//go:build scale

package scale

import (
	"testing"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
)

// TestSlowUnit: while commands wait for one unit, those of another go on as if nothing was, on
// other connections and on the same one.
func TestSlowUnit(t *testing.T) {
	for _, op := range []scsi.Opcode{scsi.OpRead10, scsi.OpWrite10} {
		t.Run(op.String(), func(t *testing.T) {
			s := start(t, "", ", read: 3s, write: 3s")
			same, other := s.customer(1), s.customer(2)
			// As many, and as large, as one connection may have on their way at a time, and more.
			for i := range 64 {
				s.must(same.Submit(command(slow, op, i*256, make([]byte, 1<<20))))
			}
			s.must(same.Flush())
			for _, c := range []*initiator.Conn{other, same} {
				for _, size := range []int{4 << 10, 64 << 10, 512 << 10} {
					n := 8 << 20 / size
					for _, fop := range []scsi.Opcode{scsi.OpRead10, scsi.OpWrite10} {
						goOn(t, c, fop, n, size)
					}
				}
			}
		})
	}
}

// goOn does n commands on the fast unit, of which none may wait for one on the slow unit.
func goOn(t *testing.T, c *initiator.Conn, op scsi.Opcode, n, size int) {
	t.Helper()
	for range 8 {
		if err := c.Submit(command(fast, op, 0, make([]byte, size))); err != nil {
			t.Fatal(err)
		}
	}
	for done, begun := 0, 8; done < n; {
		all, err := c.Wait()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			if k.LUN == slow {
				t.Fatalf("a command on the slow unit has ended after %d of %d on the fast one (%v, %d bytes)", done, n, op, size)
			}
			if k.Err != nil || k.Status != scsi.Good {
				t.Fatalf("%v of %d bytes: %v, status %v %v", op, size, k.Err, k.Status, k.Sense())
			}
			if done++; begun < n {
				begun++
				if err := c.Submit(k); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
