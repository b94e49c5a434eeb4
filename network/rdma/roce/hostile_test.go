package roce

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/udp"
)

// FuzzDevice has a peer that sends anything, with the right checksum: to QP1, to queue pairs that it has connections with, and to others. Nothing outside the memory that was
// granted changes or is told, what it holds is bounded, and others are served.
//
// The input is a list of packets: what the packet is about, a length of two bytes, and the packet from the BTH on.
func FuzzDevice(f *testing.F) {
	add := func(packets ...[]byte) {
		var b []byte
		for i, p := range packets {
			b = append(binary.BigEndian.AppendUint16(append(b, byte(i)), uint16(len(p))), p...)
		}
		f.Add(b)
	}
	add(header(ib.SendOnly, 0), header(ib.ReadRequest, 1), header(ib.WriteOnly, 2))
	add(append(header(ib.WriteFirst, 0), make([]byte, 1024)...), append(header(ib.WriteMiddle, 1), make([]byte, 1024)...), header(ib.WriteLast, 2))
	add(header(ib.UDSendOnly, 0), append(header(ib.UDSendOnly, 0), make([]byte, 256)...), header(ib.CNP, 0))
	add(header(ib.ReadOnly, 0), header(ib.Acknowledge, 0), header(ib.SendOnlyInvalidate, 0))
	f.Fuzz(func(t *testing.T, input []byte) {
		synctest.Test(t, func(t *testing.T) {
			n, at, from := hosts(t, 1500, "10.0.0.1", "10.0.0.2")
			third := n.Host("c", 1500, netip.MustParseAddr("10.0.0.3"))
			d, dials, hostile := device(t, Config{Host: at}), device(t, Config{Host: from}), device(t, Config{Host: third})
			l := listen(t, d, "10.0.0.1:7")
			a, b := connect(t, l, dials)
			x, y := connect(t, l, hostile)

			memory := bytes.Repeat([]byte{0xa5}, 3000)
			r, err := y.Expose(buffer.Of(memory[1000:2000]), rdma.RemoteRead|rdma.RemoteWrite)
			if err != nil {
				t.Fatal(err)
			}
			secret := bytes.Repeat([]byte{0x5a}, 1000)
			if _, err := b.Expose(buffer.Of(secret), rdma.RemoteRead|rdma.RemoteWrite); err != nil {
				t.Fatal(err)
			}
			c, victim := x.Conn.(*Conn), a.Conn.(*Conn)
			p := c.port
			for len(input) >= 3 {
				about, size := input[0], int(binary.BigEndian.Uint16(input[1:]))
				input = input[3:]
				k := bytes.Clone(input[:min(size, len(input), 1400)])
				input = input[len(k):]
				if len(k) < ib.BTHLen {
					continue
				}
				k = append(k, make([]byte, -len(k)&3+ib.ICRCLen)...)
				binary.BigEndian.PutUint16(k[2:], ib.DefaultPKey)
				switch about % 4 { // to whom
				case 0, 1:
					copy(k[5:], []byte{byte(c.peer >> 16), byte(c.peer >> 8), byte(c.peer)})
				case 2:
					copy(k[5:], []byte{0, 0, 1})
				case 3:
					copy(k[5:], []byte{byte(victim.peer >> 16), byte(victim.peer >> 8), byte(victim.peer)})
				}
				if o := ib.Opcode(k[0]); o.Is(ib.HasRETH) && about&16 != 0 && len(k) >= o.HeaderLen() {
					h := k[o.Offset(ib.HasRETH):]
					binary.BigEndian.PutUint64(h, r.Addr+uint64(int8(about))*16)
					binary.BigEndian.PutUint32(h[8:], uint32(r.Key))
				}
				if l := p.d.sums.of(len(k)); l != nil {
					local, remote := netip.AddrPortFrom(c.path.Local, Port), netip.AddrPortFrom(c.path.Remote, Port)
					fl := newFlow(local, remote)
					fl.start(p.d.sums, l, 0).packet(k).put(k[len(k)-ib.ICRCLen:])
					_ = p.socket.Send([]udp.Message{{Local: local, Remote: remote, Vec: [][]byte{k}}}) // as in the network
				}
				synctest.Wait()
			}
			exchange(t, a, b, 2)
			if !bytes.Equal(secret, bytes.Repeat([]byte{0x5a}, 1000)) || !bytes.Equal(memory[:1000], bytes.Repeat([]byte{0xa5}, 1000)) || !bytes.Equal(memory[2000:], memory[:1000]) {
				t.Error("memory was written to that was not granted")
			}
			if s := d.Stats(); s.Connections > 2 {
				t.Errorf("%+v", s)
			}
			for _, u := range []*user{x, y, a, b} {
				u.Close(rdma.ErrFlushed)
				_ = u.closed()
			}
		})
	})
}
