package rc

import (
	"bytes"
	"encoding/hex"
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/golden"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// A copyist posts the works that one end of a captured connection has had, and expects the packets that were captured.
type copyist struct {
	s      *script
	next   ib.PSN
	parts  [][]byte // of a message that is not complete
	n      int
	reads  []*rdma.Work
	answer [][]byte // what the Reads have to bring
}

// TestCaptureRequests has the works posted that Linux's initiators and targets have had: exactly the packets are sent that rxe has sent, and what rxe has answered is
// understood.
func TestCaptureRequests(t *testing.T) {
	for name, mtu := range map[string]int{"srp-rxe": 1024, "iser-rxe": 1024, "iser-rxe-9000": 4096} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				type end struct {
					initiator bool
					peer      ib.QPN
				}
				ends := make(map[end]*copyist) // nil: the capture lacks packets from here on
				for _, p := range golden.Capture(t, "../testdata/"+name+".txt.gz") {
					const ip, udp = 20, 8
					b := p.Bytes[ip+udp : len(p.Bytes)-ib.ICRCLen]
					h, ok := ib.ParseBTH(b)
					if !ok || h.Dest == ib.QP1 {
						continue
					}
					b = b[:len(b)-int(h.Pad)]
					k := end{p.Initiator, h.Dest}
					if h.Opcode.Is(ib.Response) {
						k.initiator = !k.initiator
						if c := ends[k]; c != nil { // both ends have the same number in these captures
							c.answers(h, b)
						}
						continue
					}
					c, ok := ends[k]
					if !ok {
						c = &copyist{s: newScript(t, func(f *Config) {
							f.Sends, f.Peer, f.MTU, f.Reads, f.MaxMessage = h.PSN, h.Dest, mtu, 128, 1<<20
						}), next: h.PSN}
						c.s.q.req.limits.size = maxWindow // rxe's is always open
						ends[k] = c
					}
					if c == nil {
						continue
					}
					if h.PSN != c.next {
						t.Logf("from PSN %#x on the capture lacks packets, after %d messages", c.next, c.n)
						c.s.stop()
						ends[k] = nil
						continue
					}
					c.sends(h, b)
				}
				for k, c := range ends {
					if c != nil {
						t.Logf("%+v: %d messages", k, c.n)
						c.s.stop()
					}
				}
			})
		})
	}
}

// sends takes a packet that was captured. When the message is complete it is posted, and has to come out just so.
func (c *copyist) sends(h ib.BTH, b []byte) {
	t := c.s.t
	c.next = h.PSN.Add(1)
	c.parts = append(c.parts, b)
	if !h.Opcode.Ends() {
		return
	}
	parts := c.parts
	c.parts = nil
	c.n++
	o := ib.Opcode(parts[0][0])
	var data []byte
	for _, p := range parts {
		data = append(data, p[ib.Opcode(p[0]).HeaderLen():]...)
	}
	w := &rdma.Work{Op: rdma.Send, Solicited: h.Solicited}
	if o.Is(ib.HasRETH) {
		e, _ := ib.ParseRETH(parts[0][ib.BTHLen:])
		w.Op, w.Remote, w.Len = rdma.Write, rdma.Remote{Key: rdma.Key(e.Key), Addr: e.Address}, int64(e.Length)
	}
	switch {
	case o == ib.ReadRequest:
		w.Op, w.Data = rdma.Read, buffer.Of(make([]byte, w.Len))
		c.reads = append(c.reads, w)
		c.next = h.PSN.Add(max(1, (int(w.Len)+c.s.q.conf.MTU-1)/c.s.q.conf.MTU))
	case w.Op == rdma.Write:
		w.Data = buffer.Of(data)
	default:
		k := min(len(data), 48) // a header and data, as transports have them
		w.Head, w.Data, w.Len = data[:k], buffer.Of(data[k:]), int64(len(data)-k)
		if h.Opcode.Is(ib.HasIETH) {
			key, _ := ib.ParseIETH(b[ib.BTHLen:])
			w.Op, w.Invalidate = rdma.SendInvalidate, rdma.Key(key)
		}
	}
	c.s.post(w)
	c.s.out.mu.Lock()
	got := c.s.out.flushed
	c.s.out.flushed = nil
	c.s.out.mu.Unlock()
	if len(got) != len(parts) {
		t.Fatalf("%d packets were sent for message %d, and %d captured", len(got), c.n, len(parts))
	}
	for i, p := range parts {
		p = bytes.Clone(p)
		p[1] &^= 0x30                                  // the outlet says how much padding there is
		if i+1 < len(parts) && (p[8]|got[i][8]) != 0 { // rxe asks for acknowledgements in a long message more rarely
			p[8], got[i][8] = 0, 0
		}
		if !bytes.Equal(got[i], p) {
			t.Fatalf("message %d, packet %d: sent\n%s\n, captured\n%s", c.n, i, hex.EncodeToString(got[i]), hex.EncodeToString(p))
		}
	}
}

// answers takes a response that was captured.
func (c *copyist) answers(h ib.BTH, b []byte) {
	if h.Opcode.Is(ib.Read) && len(c.reads) > 0 {
		c.answer = append(c.answer, b[h.Opcode.HeaderLen():])
	}
	c.s.q.Received(h, b)
	c.s.q.Batch()
	if !h.Opcode.Is(ib.Read) || !h.Opcode.Ends() || len(c.reads) == 0 {
		return
	}
	w := c.reads[0]
	c.reads = c.reads[1:]
	c.s.back(w, nil)
	if !bytes.Equal(w.Data.At(0), bytes.Join(c.answer, nil)) {
		c.s.t.Errorf("a Read of %d bytes came wrong", w.Len)
	}
	c.answer = nil
}
