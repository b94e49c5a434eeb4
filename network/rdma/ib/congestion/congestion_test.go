package congestion

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const us = time.Microsecond

// near reports that a rate is within one part in a thousand of what it should be.
func near(got, want float64) bool { return math.Abs(got-want) <= want/1000 }

// The first notification halves the rate; recovery leads back halfway each period, then with what is added.
func TestRecovery(t *testing.T) {
	r := New(Parameters{Line: 1e9})
	if w := r.Sent(0, 1<<20); w != 0 || r.Limited() {
		t.Fatalf("it waits %v without a notification", w)
	}
	now := 1000 * us
	r.Notified(now)
	rate, limited := r.Now(now)
	if !limited || !near(rate, 5e8) {
		t.Fatalf("%v after the first notification", rate)
	}
	// One that follows at once is deaf to.
	r.Notified(now + 5*us)
	if rate, _ := r.Now(now + 5*us); !near(rate, 5e8) {
		t.Errorf("%v after one that came too soon", rate)
	}
	want := 5e8
	for range 5 {
		now += 300 * us
		want = (want + 1e9) / 2
		if rate, _ := r.Now(now); !near(rate, want) {
			t.Errorf("%v in recovery, want %v", rate, want)
		}
	}
	if now += 2 * 300 * us; r.Limited() {
		if rate, limited := r.Now(now); limited || rate != 1e9 {
			t.Errorf("%v at the end", rate)
		}
	}
	if w := r.Sent(now, 1<<20); w != 0 {
		t.Errorf("it waits %v after recovery", w)
	}
}

// Notifications that go on cut more than one that comes alone; alpha becomes less while there are none.
func TestAlpha(t *testing.T) {
	r := New(Parameters{Line: 1e9})
	r.Notified(0)
	r.Notified(50 * us)
	if rate, _ := r.Now(50 * us); !near(rate, 2.5e8) {
		t.Errorf("%v after two", rate)
	}
	for i := range 20 {
		r.Notified(time.Duration(i) * 50 * us)
	}
	now := 20 * time.Millisecond
	before, limited := r.Now(now)
	if !limited {
		t.Fatal("it is not limited any more")
	}
	r.Notified(now)
	if after, _ := r.Now(now); after < before*0.99 {
		t.Errorf("a notification after a long time cuts %v to %v", before, after)
	}
}

// Steps of time alone add little; with steps of bytes they add more and more.
func TestIncrease(t *testing.T) {
	slow, fast := New(Parameters{Line: 10e9, Bytes: 100e3}), New(Parameters{Line: 10e9, Bytes: 100e3})
	for i := range 20 {
		slow.Notified(time.Duration(i) * 50 * us)
		fast.Notified(time.Duration(i) * 50 * us)
	}
	at := 20 * 50 * us
	a, _ := slow.Now(at)
	for now := at; now < at+9*300*us; now += 100 * us {
		fast.Sent(now, 60e3)
	}
	at += 9 * 300 * us
	b, _ := slow.Now(at)
	c, _ := fast.Now(at)
	if b > a+30e6 || c < b+100e6 {
		t.Errorf("from %v to %v by time, to %v by bytes as well", a, b, c)
	}
}

// What is sent takes the time that the rate says, whatever the pieces, and who is woken late catches up.
func TestWait(t *testing.T) {
	for _, late := range []time.Duration{0, 100 * us} {
		r := New(Parameters{Line: 2e9, Period: time.Hour, Bytes: 1 << 60})
		r.Notified(0)
		now, sent := time.Duration(0), 0
		for now < 50*time.Millisecond {
			if w := r.Sent(now, 100e3); w > 0 {
				now += w + late
			}
			sent += 100e3
		}
		if got := float64(sent) / now.Seconds(); got < 0.97e9 || got > 1.03e9 {
			t.Errorf("%v too late each time: %v bytes a second", late, got)
		}
	}
}

func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := New(Parameters{Line: 1e9})
		now := time.Duration(0)
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 1e6).Draw(t, "time"))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				now += 10 * time.Hour
			case 1:
				r.Notified(now)
			default:
				if w := r.Sent(now, rapid.IntRange(0, 1<<24).Draw(t, "bytes")); w < 0 || w > longest || w > 0 && !r.Limited() {
					t.Fatalf("wait %v, limited %v", w, r.Limited())
				}
			}
			if rate, _ := r.Now(now); rate < 1e6 || rate > 1e9 || r.alpha < 0 || r.alpha > 1 {
				t.Fatalf("rate %v, alpha %v", rate, r.alpha)
			}
		}
	})
}

// Some queue pairs over one queue that marks packets when it is long: it is neither idle nor endless, and they have about the same.
func TestShare(t *testing.T) {
	const (
		bottleneck = 1.25e9 // bytes a second
		packet     = 4096
		flows      = 4
		end        = 400 * time.Millisecond
	)
	type flow struct {
		*Rate
		next, told time.Duration
		sent       float64
	}
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]flow, flows)
	for i := range all {
		all[i].Rate = New(Parameters{Line: 2 * bottleneck, Burst: 20 * us})
	}
	queue, longestQueue, drained := 0.0, 0.0, 0.0
	const tick = 2 * us
	for now := time.Duration(0); now < end; now += tick {
		out := min(queue, bottleneck*tick.Seconds())
		queue -= out
		if now > end/4 {
			drained += out
			longestQueue = max(longestQueue, queue)
		}
		for i := range all {
			f := &all[i]
			for f.next <= now {
				// A sender is never faster than its line: a packet takes it 1638 ns.
				f.next = now + max(f.Sent(now, packet), 1638)
				queue += packet
				if now > end/4 {
					f.sent += packet
				}
				mark := (queue - 100e3) / 900e3 // RED, from 100 kB on
				if (mark >= 1 || mark > 0 && random.Float64() < mark*0.1) && now-f.told >= 50*us {
					f.told = now
					f.Notified(now)
				}
			}
		}
	}
	if used := drained / (bottleneck * (end * 3 / 4).Seconds()); used < 0.8 {
		t.Errorf("%.2f of the bottleneck is used", used)
	}
	if longestQueue > 4e6 {
		t.Errorf("the queue had %v bytes", longestQueue)
	}
	for i := range all {
		if share := all[i].sent / drained; share < 0.5/flows || share > 2.0/flows {
			t.Errorf("%d has %.2f of it", i, share)
		}
	}
}

func TestAllocates(t *testing.T) {
	r, now := New(Parameters{}), time.Duration(0)
	if n := testing.AllocsPerRun(100, func() {
		now += 100 * us
		r.Notified(now)
		r.Sent(now, 1000)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSent(b *testing.B) {
	r := New(Parameters{})
	b.Run("free", func(b *testing.B) {
		for b.Loop() {
			r.Sent(0, 65536)
		}
	})
	now := time.Duration(0)
	b.Run("limited", func(b *testing.B) {
		for b.Loop() {
			if !r.Limited() {
				r.Notified(now)
			}
			now += 10 * us
			r.Sent(now, 65536)
		}
	})
}
