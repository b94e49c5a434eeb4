package socket_test

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/udp"
)

// A tally lets so many datagrams stand open.
type tally struct {
	n    atomic.Int64
	wake chan struct{}
}

// Received counts.
func (c *tally) Received(_ int, batch []udp.Packet) {
	c.n.Add(int64(len(batch)))
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// BenchmarkDatagrams moves datagrams of RoCE from one end to the other, 256 of which are under way at most. One operation is one datagram; the processor's
// time is that of the sender, the receiver and the kernel for both.
func BenchmarkDatagrams(b *testing.B) {
	for _, way := range []struct {
		place place
		mtu   int
	}{{places[0], 0}, {places[2], 9000}, {places[3], 9000}} {
		for _, payload := range []int{1024 + 16, 4096 + 16} {
			for _, how := range []struct {
				name     string
				segments int
				options  func(p *pair, c *udp.Config)
				off      bool // no offload at the sender: datagrams cross one by one, as on a wire
				merges   bool
			}{
				{name: "one by one", segments: 1},
				{name: "cut by the kernel", segments: 64},
				{name: "one by one before the wire", segments: 1, off: true},
				{name: "one by one before the wire, whole packets", segments: 1, off: true, options: identifiedToo},
				{name: "cut before the wire", segments: 64, off: true},
				{name: "cut before the wire, whole packets", segments: 64, off: true, options: identifiedToo},
				{name: "cut before the wire, merged behind it", segments: 64, off: true, merges: true},
			} {
				if way.place.a == way.place.b && (how.off || how.merges) || how.options != nil && way.place.bits == 64 {
					continue
				}
				name := way.place.name + "/" + map[int]string{1040: "MTU 1024", 4112: "MTU 4096"}[payload] + "/" + how.name
				b.Run(name, func(b *testing.B) {
					x := way.place
					if way.mtu > 0 {
						x.mtu = way.mtu
					}
					p := x.make(b)
					if how.off {
						ethtool(b, p.at[0], "wire", setChecksums, false)
					}
					if how.merges {
						ethtool(b, p.at[1], "wire", setGRO, true)
					}
					move(b, p, payload, min(how.segments, udp.MaxPayload/payload), how.options)
				})
			}
		}
	}
}

func identifiedToo(_ *pair, c *udp.Config) { c.Identified = true }

// move moves b.N datagrams.
func move(b *testing.B, p *pair, payload, segments int, options func(p *pair, c *udp.Config)) {
	c := &tally{wake: make(chan struct{}, 1)}
	from := opened(b, p, 0, sink{}, func(c *udp.Config) { c.Longest = 4140 })
	to := opened(b, p, 1, c, func(c *udp.Config) {
		c.Longest = 4140
		if options != nil {
			options(p, c)
		}
	})
	head := make([]byte, 16)
	body := make([]byte, payload-16)
	var all []udp.Message
	for n := 0; n < 64; n += segments {
		m := udp.Message{Local: from.Local(), Remote: to.Local()}
		for range segments {
			m.Vec = append(m.Vec, head, body)
		}
		if segments > 1 {
			m.Segment = payload
		}
		all = append(all, m)
	}
	train := int64(len(all) * segments)
	before := used(b)
	b.SetBytes(int64(payload))
	b.ResetTimer()
	sent, lost := int64(0), int64(0)
	for sent < int64(b.N) {
		for sent-c.n.Load()-lost > 256-train {
			select {
			case <-c.wake:
			case <-time.After(100 * time.Millisecond):
				lost = sent - c.n.Load()
			}
		}
		if err := from.Send(all); err != nil {
			b.Fatal(err)
		}
		sent += train
	}
	b.StopTimer()
	spent := used(b) - before
	in, out := to.Stats(), from.Stats()
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "packets/s")
	b.ReportMetric(float64(spent.Nanoseconds())/float64(sent), "cpu-ns/packet")
	b.ReportMetric(float64(in.PacketsIn)/float64(max(in.Receives, 1)), "packets/receive")
	b.ReportMetric(float64(out.PacketsOut)/float64(max(out.Sends, 1)), "packets/send")
	if lost > 0 {
		b.ReportMetric(float64(lost), "lost")
	}
}

// used is how long processors have worked for the process.
func used(t testing.TB) time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
