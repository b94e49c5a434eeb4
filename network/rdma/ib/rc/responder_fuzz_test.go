package rc

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// secret is what memory has that no peer may see; nothing else has bytes that are as large.
const secret = 0xC3

// Flags of a step of FuzzResponder.
const (
	natural = 1 << iota // the payload is as long as the opcode and the length have it
	wantsAck
	endsBatch
)

// FuzzResponder has a queue pair receive whatever a peer may send: any opcodes in any order, PSNs around the one that is expected, keys and addresses
// right and wrong, lengths right and wrong, while windows come and go. A step is 8 bytes: opcode, flags, PSN, window, offset, length.
func FuzzResponder(f *testing.F) {
	step := func(op ib.Opcode, flags, psn, win byte, off, n uint16) []byte {
		b := []byte{byte(op), flags, psn, win}
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, off), n)
	}
	seed := func(steps ...[]byte) { f.Add(byte(0), bytes.Join(steps, nil)) }
	seed(step(ib.SendOnly, natural|wantsAck, 0, 0, 0, 10), step(ib.SendFirst, natural, 0, 0, 0, 0), step(ib.SendMiddle, natural, 0, 0, 0, 0), step(ib.SendLast, natural|endsBatch, 0, 0, 0, 5))
	seed(step(ib.WriteFirst, natural, 0, 0, 10, 600), step(ib.WriteMiddle, natural, 0, 0, 0, 256), step(ib.WriteLast, natural|wantsAck, 0, 0, 0, 88), step(ib.WriteOnly, natural|endsBatch, 0, 2, 0, 100))
	seed(step(ib.ReadRequest, natural, 0, 1, 0, 700), step(ib.ReadRequest, natural|endsBatch, 0xFD, 1, 0, 700), step(ib.ReadRequest, natural, 0xFE, 1, 256, 300), step(ib.ReadRequest, natural, 0, 2, 0, 1))
	seed(step(ib.SendOnlyInvalidate, natural|wantsAck, 0, 1, 0, 3), step(ib.ReadRequest, natural|endsBatch, 0, 1, 0, 1))
	seed(step(ib.SendOnly, natural|wantsAck, 2, 0, 0, 1), step(ib.SendOnly, natural|wantsAck, 0, 0, 0, 1), step(ib.SendOnly, natural|wantsAck|endsBatch, 0xFF, 0, 0, 1))
	seed(step(ib.WriteFirst, natural, 0, 0, 0, 900), step(0xF1, 0, 0, 0, 0, 0), step(ib.WriteMiddle, natural|endsBatch, 0, 0, 0, 256))
	f.Add(byte(1), step(ib.SendOnly, natural, 0, 0, 0, 3))
	f.Fuzz(func(t *testing.T, how byte, in []byte) {
		if len(in) > 8000 {
			return
		}
		fuzzResponder(t, how, in)
	})
}

func fuzzResponder(t *testing.T, how byte, in []byte) {
	c := deskConf()
	c.Serves = int(how >> 4)
	d := newDesk(t, c)
	if how&1 == 0 {
		d.q.Start(d.h)
	}
	if how&2 != 0 {
		d.out.room = 3
	}
	var yards []*yard
	var gone []bool
	var rights []rdma.Access
	show := func(a rdma.Access) {
		y := d.expose(1000, a)
		if a&rdma.RemoteRead == 0 {
			for i := range y.mem {
				y.mem[i] = secret
			}
		} else {
			for i := range y.mem {
				y.mem[i] &= 0x7F
			}
		}
		for i := range fence {
			y.whole[i], y.whole[len(y.whole)-1-i] = secret, secret
		}
		y.before = bytes.Clone(y.whole)
		yards, gone, rights = append(yards, y), append(gone, false), append(rights, a)
	}
	access := []rdma.Access{rdma.RemoteWrite, rdma.RemoteRead, rdma.RemoteRead | rdma.RemoteWrite}
	for _, a := range access {
		show(a)
	}
	for ; len(in) >= 8 && len(d.ended) == 0; in = in[8:] {
		op, flags, win := in[0], in[1], int(in[3])%len(yards)
		off, n := int(int16(binary.BigEndian.Uint16(in[4:]))), int(binary.BigEndian.Uint16(in[6:]))
		y := yards[win]
		switch {
		case op == 0xF1: // our side takes a window back, and uses the memory
			if d.q.Revoke(y.at.Key) && gone[win] {
				t.Fatal("revoked twice")
			}
			for i := range y.mem {
				y.mem[i] = secret
			}
			gone[win] = true
			continue
		case op == 0xF2:
			if len(yards) < 20 {
				show(access[win%3])
			}
			continue
		case op == 0xF3:
			d.q.Batch()
			continue
		}
		p := pkt{op: ib.Opcode(op), psn: d.q.resp.expected.Add(int(int8(in[2]))).Sub(d.psn), ack: flags&wantsAck != 0, key: uint32(y.at.Key), reth: y.reth(off, n)}
		if flags&0x80 != 0 {
			p.reth.Address, p.reth.Key = uint64(off), uint32(win)
		}
		if flags&0x40 != 0 {
			p.reth.Length <<= 16
		}
		size := n % 300
		if flags&natural != 0 {
			switch {
			case p.op.Is(ib.First | ib.Middle):
				size = 256
			case p.op.Is(ib.Read):
				size = 0
			case p.op.Is(ib.Write | ib.Send):
				size = min(n, 256)
			}
		}
		p.data = count(size, op)
		for i := range p.data {
			p.data[i] &= 0x7F
		}
		h, b := d.wire(p)
		if flags&0x20 != 0 {
			b = b[:len(b)-len(b)%(1+n%len(b))]
		}
		d.q.Received(h, b)
		if flags&endsBatch != 0 {
			d.q.Batch()
		}
		if len(d.q.resp.ring) > c.Serves || d.q.resp.in.msg != nil && (len(*d.q.resp.in.msg) > c.MaxMessage || cap(*d.q.resp.in.msg) > 4*c.MaxMessage) {
			t.Fatal("too much is kept")
		}
	}
	d.q.Batch()
	d.q.Disconnected(nil)
	d.q.Batch()
	if len(d.ended) != 1 || how&1 == 0 && len(d.h.closed) != 1 || how&1 != 0 && len(d.h.closed)+len(d.h.messages) != 0 {
		t.Fatalf("it has ended %d times, and said so %d times", len(d.ended), len(d.h.closed))
	}
	for _, m := range d.h.messages {
		if len(m.Data) > c.MaxMessage {
			t.Fatalf("a message of %d bytes", len(m.Data))
		}
	}
	for _, b := range d.take() {
		h, _ := ib.ParseBTH(b)
		if !h.Opcode.Is(ib.Response) {
			t.Fatalf("a packet with opcode %#x", byte(h.Opcode))
		}
		if bytes.IndexByte(b[h.Opcode.HeaderLen():], secret) >= 0 {
			t.Fatal("memory has left that was not to be read")
		}
	}
	for i, y := range yards {
		inside := len(y.mem)
		switch {
		case gone[i] && !bytes.Equal(y.mem, bytes.Repeat([]byte{secret}, inside)):
			t.Fatal("memory was touched after Revoke")
		case rights[i]&rdma.RemoteWrite == 0 && !gone[i]:
			inside = 0
		}
		y.untouched(0, inside)
	}
	if d.q.mem.windows.Len() != 0 || d.q.resp.in.msg != nil || d.q.resp.ring != nil || len(d.q.resp.using) != 0 {
		t.Fatal("something is kept")
	}
	if _, err := d.q.Expose(nil, rdma.RemoteRead); err == nil {
		t.Fatal("a window after the end")
	}
}
