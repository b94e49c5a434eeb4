package rc

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/internal/golden"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// TestCaptures has the queue pair receive what Linux's initiators and targets have sent each other over rxe: it gives exactly the answers that rxe gave, packet by packet, but
// for what is in memory.
func TestCaptures(t *testing.T) {
	for name, mtu := range map[string]int{"srp-rxe": 1024, "iser-rxe": 1024, "iser-rxe-9000": 4096} {
		t.Run(name, func(t *testing.T) {
			// A stream is what one side has sent to a queue pair of the other: its requests, and the responses to the other's.
			type stream struct {
				initiator bool
				to        ib.QPN
			}
			streams := make(map[stream][][]byte)
			for _, p := range golden.Capture(t, "../testdata/"+name+".txt.gz") {
				const ip, udp = 20, 8
				b := p.Bytes[ip+udp : len(p.Bytes)-ib.ICRCLen]
				h, ok := ib.ParseBTH(b)
				if !ok || h.Dest == ib.QP1 {
					continue
				}
				k := stream{p.Initiator, h.Dest}
				streams[k] = append(streams[k], b[:len(b)-int(h.Pad)])
			}
			// Both ends of a connection have the same number in these captures.
			for k, in := range streams {
				n := replay(t, mtu, in, streams[stream{!k.initiator, k.to}])
				t.Logf("initiator %v, to queue pair %#x: %d answers", k.initiator, k.to, n)
			}
		})
	}
}

// replay has a queue pair receive the requests of in, and compares its answers with those in out. It returns how many there were.
func replay(t *testing.T, mtu int, in, out [][]byte) (n int) {
	var want []string
	for _, b := range out {
		if h, _ := ib.ParseBTH(b); h.Opcode.Is(ib.Response) {
			want = append(want, gist(b))
		}
	}
	// The memory that the peer has had under each key.
	type extent struct{ from, to uint64 }
	extents := make(map[uint32]extent)
	var first *ib.PSN
	for _, b := range in {
		h, _ := ib.ParseBTH(b)
		if !h.Opcode.Is(ib.Request) {
			continue
		}
		if first == nil {
			first = &h.PSN
		}
		if e, _ := ib.ParseRETH(b[ib.BTHLen:]); h.Opcode.Is(ib.HasRETH) && e.Length > 0 {
			x, ok := extents[e.Key]
			if !ok {
				x.from = e.Address
			}
			extents[e.Key] = extent{min(x.from, e.Address), max(x.to, e.Address+uint64(e.Length))}
		}
		if key, _ := ib.ParseIETH(b[ib.BTHLen:]); h.Opcode.Is(ib.HasIETH) {
			if _, ok := extents[key]; !ok {
				extents[key] = extent{0, 1}
			}
		}
	}
	if first == nil {
		return 0
	}
	d := started(t, Config{Peer: 0x11, Expects: *first, MTU: mtu, Serves: 128, MaxMessage: 64 << 10, MaxWindows: len(extents)})
	ours := make(map[uint32]rdma.Remote)
	for _, key := range slices.Sorted(maps.Keys(extents)) {
		ours[key] = d.expose(int(extents[key].to-extents[key].from), rdma.RemoteRead|rdma.RemoteWrite).at
	}
	var got []string
	for _, b := range in {
		h, _ := ib.ParseBTH(b)
		if !h.Opcode.Is(ib.Request) {
			continue
		}
		if h.PSN != d.q.resp.expected {
			break // the capture lacks packets here
		}
		b = slices.Clone(b)
		if e, _ := ib.ParseRETH(b[ib.BTHLen:]); h.Opcode.Is(ib.HasRETH) && e.Length > 0 {
			e.Address += ours[e.Key].Addr - extents[e.Key].from
			e.Key = uint32(ours[e.Key].Key)
			e.Append(b[:ib.BTHLen])
		}
		if key, _ := ib.ParseIETH(b[ib.BTHLen:]); h.Opcode.Is(ib.HasIETH) {
			ib.AppendIETH(b[:ib.BTHLen], uint32(ours[key].Key))
		}
		d.q.Received(h, b)
		d.q.Batch()
		for _, b := range d.take() {
			got = append(got, gist(b))
		}
		if len(d.ended) > 0 {
			t.Fatal(d.ended)
		}
	}
	for i, g := range got {
		if i >= len(want) || g != want[i] {
			t.Fatalf("answer %d: %s, and rxe's: %s", i, g, want[min(i, len(want)-1)])
		}
	}
	return len(got)
}

// gist is what there is in an answer but for the payload, and for who gets it.
func gist(b []byte) string {
	h, _ := ib.ParseBTH(b)
	n := h.Opcode.HeaderLen()
	h.Dest, h.Pad = 0, 0 // the outlet says how much padding there is
	return fmt.Sprintf("%+v % x, %d bytes", h, b[ib.BTHLen:n], len(b)-n)
}
