package rc

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// goodput is how many bytes a second of works of one kind pass a wire of 10 Gbit/s with packets lost, in virtual time; and the longest time without any that ended.
func goodput(t testing.TB, op rdma.Op, size, depth int, lose, late float64, delay time.Duration, plain bool, seed uint64) (rate float64, stall time.Duration, l Losses, sent float64) {
	p := newPair(t, faults{seed: 2 * seed, lose: lose, late: late}, faults{seed: 2*seed + 1, lose: lose, late: late}, delay, 1.25e9,
		func(a, b *Config) { a.Reads, b.Serves = depth, depth })
	if p.a.req.plain = plain; plain {
		p.a.req.limits.size = maxWindow
	}
	defer p.stop()
	ua, ub := newUser(), newUser()
	total, last, begin := 0, time.Now(), time.Now()
	ends := begin.Add(virtual)
	works := 0
	ua.done = func(w *rdma.Work) {
		ua.mu.Lock()
		delete(ua.back, w)
		total += size
		stall = max(stall, time.Since(last))
		last = time.Now()
		works--
		ua.changed.Broadcast()
		ua.mu.Unlock()
		if time.Now().Before(ends) {
			ua.mu.Lock()
			works++
			ua.mu.Unlock()
			p.a.Post(w)
		}
	}
	p.a.Start(ua)
	p.b.Start(ub)
	r, err := p.b.Expose(buffer.Of(make([]byte, size)), rdma.RemoteRead|rdma.RemoteWrite)
	if err != nil {
		t.Fatal(err)
	}
	works = depth
	for range depth {
		p.a.Post(&rdma.Work{Op: op, Data: buffer.Of(make([]byte, size)), Len: int64(size), Remote: r})
	}
	p.a.Flush()
	ua.until(func() bool { return works == 0 || ua.closed })
	if ua.closed {
		t.Fatal(ua.err)
	}
	took := time.Since(begin)
	l = p.a.Losses()
	sent = float64(p.ab.bytes+p.ba.bytes) / float64(total)
	p.a.Close(nil)
	ua.until(func() bool { return ua.closed })
	ub.until(func() bool { return ub.closed })
	return float64(total) / took.Seconds(), stall, l, sent
}

// virtual is how long works are posted.
const virtual = 100 * time.Millisecond

// A cable is how a wire loses packets, and how long they take.
type cable struct {
	name       string
	lose, late float64
	delay      time.Duration
}

var cables = []cable{
	{"clean, 50 us", 0, 0, 50 * time.Microsecond},
	{"1 % lost, 50 us", 0.01, 0, 50 * time.Microsecond},
	{"1 % lost, 500 us", 0.01, 0, 500 * time.Microsecond},
	{"1 % lost, 5 % late, 50 us", 0.01, 0.05, 50 * time.Microsecond},
	{"5 % lost, 50 us", 0.05, 0, 50 * time.Microsecond},
}

// On a wire that loses packets more gets through than by the letter of the protocol, and nothing waits for the long timer.
func TestGoodput(t *testing.T) {
	if raceEnabled {
		t.Skip("SKIPPED with the race detector: much is computed on two goroutines, and TestTransferFaults looks for races")
	}
	for _, c := range cables[1:2] {
		for _, op := range []rdma.Op{rdma.Write, rdma.Read} {
			var rates [2]float64
			for i, plain := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) {
					rate, stall, l, sent := goodput(t, op, 64<<10, 32, c.lose, c.late, c.delay, plain, 1)
					t.Logf("%s, plain %v: %.1f MB/s, longest stall %v, %.2f bytes sent for each; %+v", c.name, plain, rate/1e6, stall, sent, l)
					rates[i] = rate
					if !plain && stall > minTimeout/4 {
						t.Errorf("nothing ended for %v", stall)
					}
				})
			}
			if rates[1] < 5*rates[0] {
				t.Errorf("op %d: %.1f MB/s, and %.1f by the letter of the protocol", op, rates[1]/1e6, rates[0]/1e6)
			}
		}
	}
}

// BenchmarkGoodput reports what passes wires of 10 Gbit/s that lose packets, in virtual time: MB/s, the longest time in ms in which no work ended, and bytes on the wire for each byte of payload.
func BenchmarkGoodput(b *testing.B) {
	for _, c := range cables {
		for _, op := range []rdma.Op{rdma.Write, rdma.Read} {
			for _, plain := range []bool{true, false} {
				name := fmt.Sprintf("%s/%s/plain=%v", c.name, []string{"send", "", "write", "read"}[op], plain)
				if plain && c.late > 0 { // most of what passes was sent before
					continue
				}
				b.Run(name, func(b *testing.B) {
					for range b.N {
						var rate, sent float64
						var stall time.Duration
						synctest.Test(&testing.T{}, func(*testing.T) {
							rate, stall, _, sent = goodput(b, op, 64<<10, 32, c.lose, c.late, c.delay, plain, 1)
						})
						b.ReportMetric(rate/1e6, "MB/s")
						b.ReportMetric(float64(stall)/1e6, "ms-stall")
						b.ReportMetric(sent, "wire/payload")
					}
				})
			}
		}
	}
}
