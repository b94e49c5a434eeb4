package rc

import (
	"errors"
	"math"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// TestViolations: what a peer may not do ends the connection, with a NAK that says what it was; no memory is touched, and nothing is delivered.
func TestViolations(t *testing.T) {
	full := count(256, 1)
	type scene struct{ write, read *yard }
	for name, c := range map[string]struct {
		feed func(s scene) []pkt
		want string
		is   error
	}{
		"a key of nothing": {func(s scene) []pkt {
			e := s.write.reth(0, 1)
			e.Key++
			return []pkt{{op: ib.WriteOnly, reth: e, data: full[:1]}}
		}, "nak 0x62 0 msn 0", rdma.ErrAccess},
		"key 0": {func(s scene) []pkt {
			return []pkt{{op: ib.WriteOnly, reth: ib.RETH{Address: s.write.at.Addr, Length: 1}, data: full[:1]}}
		}, "nak 0x62 0 msn 0", rdma.ErrAccess},
		"a Write where it may read": {func(s scene) []pkt {
			return []pkt{{op: ib.WriteOnly, reth: s.read.reth(0, 1), data: full[:1]}}
		}, "nak 0x62 0 msn 0", rdma.ErrAccess},
		"a Write past the end": {func(s scene) []pkt {
			return []pkt{{op: ib.WriteOnly, reth: s.write.reth(999, 2), data: full[:2]}}
		}, "nak 0x62 0 msn 0", rdma.ErrAccess},
		"a long Write past the end": {func(s scene) []pkt {
			return []pkt{{op: ib.WriteFirst, reth: s.write.reth(0, 1001), data: full}}
		}, "nak 0x62 0 msn 0", rdma.ErrAccess},
		"a Write before the begin": {func(s scene) []pkt {
			return []pkt{{op: ib.WriteOnly, reth: s.write.reth(-1, 2), data: full[:2]}}
		}, "nak 0x62 0 msn 0", rdma.ErrAccess},
		"a Write that wraps": {func(s scene) []pkt {
			return []pkt{{op: ib.WriteOnly, reth: ib.RETH{Key: uint32(s.write.at.Key), Address: math.MaxUint64 - 3, Length: 8}, data: full[:8]}}
		}, "nak 0x62 0 msn 0", rdma.ErrAccess},
		"a Write of 4 GiB": {func(s scene) []pkt {
			return []pkt{{op: ib.WriteFirst, reth: s.write.reth(0, math.MaxUint32), data: full}}
		}, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"a Read of no key": {func(s scene) []pkt {
			return []pkt{{op: ib.ReadRequest, reth: ib.RETH{Key: 1, Address: s.read.at.Addr, Length: 1}}}
		}, "nak 0x62 0 msn 0", rdma.ErrAccess},
		"a Read where it may write": {func(s scene) []pkt {
			return []pkt{{op: ib.ReadRequest, reth: s.write.reth(0, 1)}}
		}, "nak 0x62 0 msn 0", rdma.ErrAccess},
		"a Read past the end": {func(s scene) []pkt {
			return []pkt{{op: ib.ReadRequest, reth: s.read.reth(1, 1000)}}
		}, "nak 0x62 0 msn 0", rdma.ErrAccess},
		"a Read that wraps": {func(s scene) []pkt {
			return []pkt{{op: ib.ReadRequest, reth: ib.RETH{Key: uint32(s.read.at.Key), Address: math.MaxUint64, Length: 2}}}
		}, "nak 0x62 0 msn 0", rdma.ErrAccess},
		"a Read of 4 GiB": {func(s scene) []pkt {
			return []pkt{{op: ib.ReadRequest, reth: s.read.reth(0, math.MaxUint32)}}
		}, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"a Read with payload": {func(s scene) []pkt {
			return []pkt{{op: ib.ReadRequest, reth: s.read.reth(0, 1), data: full[:4]}}
		}, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"too many Reads": {func(s scene) []pkt {
			return []pkt{{op: ib.ReadRequest, reth: s.read.reth(0, 1)}, {op: ib.ReadRequest, psn: 1, reth: s.read.reth(0, 1)}, {op: ib.ReadRequest, psn: 2, reth: s.read.reth(0, 1)}}
		}, "nak 0x61 2 msn 2", rdma.ErrProtocol},
		"a Read inside of a message": {func(s scene) []pkt {
			return []pkt{{op: ib.SendFirst, data: full}, {op: ib.ReadRequest, psn: 1, reth: s.read.reth(0, 1)}}
		}, "nak 0x61 1 msn 0", rdma.ErrProtocol},
		"a message inside of a Write": {func(s scene) []pkt {
			return []pkt{{op: ib.WriteFirst, reth: s.write.reth(0, 300), data: full}, {op: ib.SendLast, psn: 1, data: full[:44]}}
		}, "nak 0x61 1 msn 0", rdma.ErrProtocol},
		"a message inside of a message": {func(scene) []pkt {
			return []pkt{{op: ib.SendFirst, data: full}, {op: ib.SendOnly, psn: 1, data: full}}
		}, "nak 0x61 1 msn 0", rdma.ErrProtocol},
		"a middle without a first":     {func(scene) []pkt { return []pkt{{op: ib.SendMiddle, data: full}} }, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"a last without a first":       {func(scene) []pkt { return []pkt{{op: ib.WriteLast, data: full}} }, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"a short first":                {func(scene) []pkt { return []pkt{{op: ib.SendFirst, data: full[:255]}} }, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"a long first":                 {func(scene) []pkt { return []pkt{{op: ib.SendFirst, data: count(257, 1)}} }, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"a long message of one packet": {func(scene) []pkt { return []pkt{{op: ib.SendOnly, data: count(257, 1)}} }, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"a last of nothing":            {func(scene) []pkt { return []pkt{{op: ib.SendFirst, data: full}, {op: ib.SendLast, psn: 1}} }, "nak 0x61 1 msn 0", rdma.ErrProtocol},
		"a last of too much": {func(scene) []pkt {
			return []pkt{{op: ib.SendFirst, data: full}, {op: ib.SendLast, psn: 1, data: count(257, 1)}}
		}, "nak 0x61 1 msn 0", rdma.ErrProtocol},
		"a short middle": {func(scene) []pkt {
			return []pkt{{op: ib.SendFirst, data: full}, {op: ib.SendMiddle, psn: 1, data: full[:1]}}
		}, "nak 0x61 1 msn 0", rdma.ErrProtocol},
		"a Write shorter than it says":  {func(s scene) []pkt { return []pkt{{op: ib.WriteOnly, reth: s.write.reth(0, 2), data: full[:1]}} }, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"a Write longer than it says":   {func(s scene) []pkt { return []pkt{{op: ib.WriteOnly, reth: s.write.reth(0, 1), data: full[:2]}} }, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"a Write of one packet for all": {func(s scene) []pkt { return []pkt{{op: ib.WriteFirst, reth: s.write.reth(0, 256), data: full}} }, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"a last before the end": {func(s scene) []pkt {
			return []pkt{{op: ib.WriteFirst, reth: s.write.reth(0, 600), data: full}, {op: ib.WriteLast, psn: 1, data: full}}
		}, "nak 0x61 1 msn 0", rdma.ErrProtocol},
		"a middle at the end": {func(s scene) []pkt {
			return []pkt{{op: ib.WriteFirst, reth: s.write.reth(0, 512), data: full}, {op: ib.WriteMiddle, psn: 1, data: full}}
		}, "nak 0x61 1 msn 0", rdma.ErrProtocol},
		"a message that is too long": {func(scene) []pkt {
			ps := []pkt{{op: ib.SendFirst, data: full}}
			for i := 1; i < 8; i++ {
				ps = append(ps, pkt{op: ib.SendMiddle, psn: i, data: full})
			}
			return ps // 2048 bytes
		}, "nak 0x61 7 msn 0", rdma.ErrLength},
		"immediate data": {func(scene) []pkt { return []pkt{{op: ib.SendOnlyImmediate, data: full}} }, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"immediate data with a Write": {func(s scene) []pkt {
			return []pkt{{op: ib.WriteOnlyImmediate, reth: s.write.reth(0, 1), data: full[:1]}}
		}, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"an atomic operation": {func(scene) []pkt { return []pkt{{op: ib.CompareSwap}} }, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"opcode 15":           {func(scene) []pkt { return []pkt{{op: 0x15}} }, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"a flush":             {func(scene) []pkt { return []pkt{{op: 0x1C, data: full[:20]}} }, "nak 0x61 0 msn 0", rdma.ErrProtocol},
		"Invalidate of nothing": {func(s scene) []pkt {
			return []pkt{{op: ib.SendOnlyInvalidate, key: uint32(s.write.at.Key) + 1}}
		}, "nak 0x62 0 msn 0", rdma.ErrAccess},
		"a Write to what was invalidated": {func(s scene) []pkt {
			return []pkt{{op: ib.SendOnlyInvalidate, key: uint32(s.write.at.Key), ack: true}, {op: ib.WriteOnly, psn: 1, reth: s.write.reth(0, 1), data: full[:1]}}
		}, "nak 0x62 1 msn 1", rdma.ErrAccess},
	} {
		t.Run(name, func(t *testing.T) {
			d := started(t, deskConf())
			s := scene{d.expose(1000, rdma.RemoteWrite), d.expose(1000, rdma.RemoteRead)}
			d.feed(append(c.feed(s), only(len(c.feed(s)), 1), pkt{op: ib.WriteOnly, psn: len(c.feed(s)) + 1, reth: s.write.reth(900, 9), data: full[:9]})...)
			d.answers(c.want)
			if len(d.h.closed) != 1 || !errors.Is(d.h.closed[0], c.is) || len(d.ended) != 1 || !errors.Is(d.ended[0], c.is) {
				t.Errorf("closed %v, ended %v", d.h.closed, d.ended)
			}
			s.read.untouched(0, 0)
			if name != "a message inside of a Write" && name != "a last before the end" && name != "a middle at the end" {
				s.write.untouched(0, 0)
			}
			for _, m := range d.h.messages {
				if !m.Invalidates || name == "Invalidate of nothing" {
					t.Error("a message was delivered")
				}
			}
			d.feed(only(0, 1), only(1, 1), pkt{op: ib.ReadRequest, reth: s.read.reth(0, 1)})
			d.answers()
			if len(d.h.closed) != 1 || len(d.ended) != 1 || d.q.mem.windows.Len() != 0 {
				t.Error("it has ended, and something is left")
			}
		})
	}
}
