package rc

import (
	"fmt"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// BenchmarkResponder measures what a packet costs the responder, without the network: of messages of 64 bytes, of Writes and of Reads of 64 KiB.
func BenchmarkResponder(b *testing.B) {
	for _, mtu := range []int{1024, 4096} {
		const size = 64 << 10
		setup := func(b *testing.B) (*desk, rdma.Remote) {
			c := deskConf()
			c.MTU, c.Outlet = mtu, blackHole{}
			q := New(c)
			q.Start(nobody{})
			r, err := q.Expose(buffer.Of(make([]byte, size)), rdma.RemoteRead|rdma.RemoteWrite)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			return &desk{t: b, q: q, psn: c.Expects}, r
		}
		b.Run(fmt.Sprintf("message/%d", mtu), func(b *testing.B) {
			d, _ := setup(b)
			h, p := d.wire(only(0, 64))
			for i := range b.N {
				h.PSN = d.psn.Add(i)
				d.q.Received(h, p)
				d.q.Batch()
			}
		})
		b.Run(fmt.Sprintf("write/%d", mtu), func(b *testing.B) {
			d, r := setup(b)
			h, first := d.wire(pkt{op: ib.WriteFirst, reth: ib.RETH{Address: r.Addr, Key: uint32(r.Key), Length: size}, data: make([]byte, mtu)})
			rest := make([]byte, ib.BTHLen+mtu)
			n := size / mtu
			b.SetBytes(int64(mtu))
			for i := range b.N {
				p := rest
				h.PSN, h.Opcode, h.AckReq = d.psn.Add(i), ib.WriteMiddle, false
				switch i % n {
				case 0:
					p, h.Opcode = first, ib.WriteFirst
				case n - 1:
					h.Opcode, h.AckReq = ib.WriteLast, true
				}
				d.q.Received(h, p)
				if i%16 == 15 {
					d.q.Batch()
				}
			}
		})
		b.Run(fmt.Sprintf("read/%d", mtu), func(b *testing.B) {
			d, r := setup(b)
			h, p := d.wire(pkt{op: ib.ReadRequest, reth: ib.RETH{Address: r.Addr, Key: uint32(r.Key), Length: size}})
			n := size / mtu
			b.SetBytes(int64(mtu))
			for i := 0; i < b.N; i += n {
				h.PSN = d.psn.Add(i)
				d.q.Received(h, p)
				d.q.Batch()
			}
		})
	}
}
