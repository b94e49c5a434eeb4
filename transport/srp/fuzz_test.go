package srp_test

import (
	"encoding/binary"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A place is memory that the peer has advertised with a command.
type place struct {
	tag       uint64
	op        rdma.Op
	key       uint32
	addr, len uint64
	table     bool
}

// A judge knows what the peer has advertised, by a reading of its own of what it sent.
type judge struct {
	t      *testing.T
	places []place
}

func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// sees takes a command that is sent.
func (j *judge) sees(b []byte) {
	if len(b) < 48 || b[0] != 2 {
		return
	}
	tag := binary.BigEndian.Uint64(b[8:])
	at := 48 + int(b[31])/4*4
	for _, d := range []struct {
		format, count byte
		op            rdma.Op
	}{{b[5] >> 4, b[6], rdma.Read}, {b[5] & 15, b[7], rdma.Write}} {
		switch d.format {
		case 1:
			j.entry(tag, d.op, b, at)
			at += 16
		case 2:
			j.entry(tag, rdma.Read, b, at)
			if n := len(j.places); n > 0 && at+16 <= len(b) {
				j.places[n-1].table = true
			}
			for i := range int(d.count) {
				j.entry(tag, d.op, b, at+20+16*i)
			}
			at += 20 + 16*int(d.count)
		case 3:
			at += 4
		}
	}
}

// entry notes the descriptor at b[at:].
func (j *judge) entry(tag uint64, op rdma.Op, b []byte, at int) {
	if at+16 > len(b) {
		return
	}
	j.places = append(j.places, place{tag: tag, op: op, addr: binary.BigEndian.Uint64(b[at:]), key: be32(b[at+8:]), len: uint64(be32(b[at+12:]))})
}

// judge looks at a work of the target.
func (j *judge) judge(w *rdma.Work) {
	if w.Op == rdma.Send {
		if len(w.Head) >= 16 && w.Head[0] == 0xc1 { // from here on the memory is the peer's again
			tag := binary.BigEndian.Uint64(w.Head[8:])
			keep := j.places[:0]
			for _, p := range j.places {
				if p.tag != tag {
					keep = append(keep, p)
				}
			}
			j.places = keep
		}
		return
	}
	if w.Data == nil || w.At < 0 || w.Len <= 0 || w.At+w.Len > w.Data.Len() {
		j.t.Errorf("a work outside of its data: %d at %d", w.Len, w.At)
		return
	}
	for _, p := range j.places {
		if p.op == w.Op && p.key == uint32(w.Remote.Key) && w.Remote.Addr >= p.addr && w.Remote.Addr-p.addr <= p.len &&
			uint64(w.Len) <= p.len-(w.Remote.Addr-p.addr) {
			return
		}
	}
	j.t.Errorf("operation %d of %d bytes at %#x, key %#x: nothing of the kind was advertised", w.Op, w.Len, w.Remote.Addr, w.Remote.Key)
}

// FuzzPeer has a peer that sends anything. Whatever it is, the target touches nothing that was not
// advertised, and in the end everything has been given back.
func FuzzPeer(f *testing.F) {
	script := func(steps ...[]byte) (all []byte) {
		for _, s := range steps {
			all = append(all, s...)
		}
		return all
	}
	send := func(b []byte) []byte { return append([]byte{0, byte(len(b) >> 8), byte(len(b))}, b...) }
	direct := iu.Buffer{Format: iu.Direct, List: iu.Descriptor{Addr: 4096, Key: 1, Len: 2048}.Append(nil)}
	list := iu.Descriptor{Addr: 4096, Key: 1, Len: 700}.Append(iu.Descriptor{Addr: 9000, Key: 2, Len: 900}.Append(nil))
	inline := iu.Buffer{Format: iu.Indirect, Len: 1600, Table: iu.Descriptor{Addr: 1, Key: 2, Len: 32}, List: list}
	table := iu.Buffer{Format: iu.Indirect, Len: 1600, Table: iu.Descriptor{Addr: 1, Key: 2, Len: 32}}
	cmd := func(tag uint64, op, way byte, out, in iu.Buffer) []byte {
		x := iu.Command{Tag: tag, Out: out, In: in}
		x.CDB = [16]byte{op, 8: 3, 9: way}
		return send(x.Append(nil, 68))
	}
	none := iu.Buffer{}
	done, all := []byte{1, 1}, []byte{1, 255}
	f.Add(script(cmd(1, 0x28, 0, none, direct), all, cmd(2, 0x2a, 0, direct, none), all, cmd(3, 0x28, 1, none, inline), done, all))
	f.Add(script(cmd(1, 0x28, 1, none, table), done, all, cmd(2, 0x2a, 0, table, none), all, append([]byte{6, 32}, list...), all))
	f.Add(script(cmd(1, 0x2a, 0, iu.Buffer{Format: iu.Immediate, Len: 600, Data: make([]byte, 600)}, none), cmd(2, 0x53, 0, direct, inline), all))
	f.Add(script(cmd(1, 0x2a, 8, table, none), cmd(2, 0x28, 9, none, inline), all, []byte{2}, send(iu.TaskManagement{Tag: 9, Function: iu.AbortTask, Managed: 1}.Append(nil)), []byte{2}, all))
	f.Add(script(cmd(1, 0x28, 8, none, direct), []byte{3}, cmd(1, 0x28, 0, none, direct), send(iu.TaskManagement{Tag: 9, Function: iu.LogicalUnitReset}.Append(nil)), []byte{2}, all, []byte{3}, all))
	f.Add(script(cmd(1, 0x28, 0, none, direct), []byte{4}, cmd(2, 0x28, 0, none, direct), send(iu.ILogout{}.Append(nil)), all))
	f.Fuzz(func(t *testing.T, b []byte) {
		x := newFake(t, srp.Config{Credits: 6, MaxIU: 4096, MaxDescriptors: 40, MaxTransfer: 1 << 20, Solicited: 4096})
		defer x.close()
		conns := []*fakeConn{x.dial(68, iu.Single), x.dial(0, iu.Multi)}
		fill := []byte(nil)
		var judges []*judge
		for _, c := range conns {
			j := &judge{t: t}
			judges = append(judges, j)
			c.check = j.judge
			c.fill = func(w *rdma.Work) { j.fetch(w, fill) }
		}
		at := 0
		next := func(n int) []byte {
			s := b[:min(n, len(b))]
			b = b[len(s):]
			return s
		}
		for steps := 0; len(b) > 0 && steps < 200; steps++ {
			c, j := conns[at], judges[at]
			switch op := next(1)[0]; op % 8 {
			case 0: // a message
				n := next(2)
				if len(n) < 2 {
					break
				}
				m := next(int(n[0])<<8&0xfff | int(n[1]))
				if c.isOver() {
					break
				}
				j.sees(m)
				c.h.Received(message(m[:len(m):len(m)]))
			case 1: // works are done
				if n := next(1); len(n) > 0 {
					for range n[0] {
						if !c.complete(nil) {
							break
						}
					}
				}
			case 2:
				x.unit.release()
			case 3: // the other channel
				at = 1 - at
			case 4: // the connection is lost
				c.Close(nil)
			case 5: // Reads have been asked for
				if n := next(1); len(n) > 0 {
					c.ask(int(n[0]))
				}
			case 6: // what descriptor tables say from here on
				if n := next(1); len(n) > 0 {
					fill = next(int(n[0]))
				}
			case 7:
				c.take()
			}
			for _, c := range conns {
				c.settle()
			}
		}
		for _, c := range conns {
			for range 1000 {
				x.unit.release()
				if !c.complete(nil) {
					break
				}
			}
		}
	})
}

// fetch fills what a Read brings, and notes what a table says.
func (j *judge) fetch(w *rdma.Work, fill []byte) {
	var mem []byte
	for off := int64(0); off < w.Len; {
		p := w.Data.At(w.At + off)
		p = p[:min(int64(len(p)), w.Len-off)]
		for i := range p {
			p[i] = 0
			if k := off + int64(i); len(fill) > 0 {
				p[i] = fill[k%int64(len(fill))]
			}
		}
		mem = append(mem, p...)
		off += int64(len(p))
	}
	for _, p := range j.places {
		if !p.table || p.key != uint32(w.Remote.Key) || p.addr != w.Remote.Addr || p.len != uint64(w.Len) {
			continue
		}
		for i := 0; i+16 <= len(mem); i += 16 { // for either direction: which one is not told
			j.entry(p.tag, rdma.Read, mem, i)
			j.entry(p.tag, rdma.Write, mem, i)
		}
		return
	}
}
