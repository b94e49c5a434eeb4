package tcp

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// vain spins until it is told to sleep, and returns for how long.
func vain(s *spinner) time.Duration {
	began := time.Now()
	for s.more() {
		time.Sleep(time.Microsecond)
	}
	return time.Since(began)
}

// A spinner that finds nothing looks less and less often; one that finds something looks
// every time again.
func TestSpinBacksOff(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("with one processor nobody spins by himself")
	}
	synctest.Test(t, func(t *testing.T) {
		all := &spinners{Spin: AutoSpin()}
		s := &spinner{all: all}
		spins := 0
		for range 1000 {
			switch d := vain(s); {
			case d >= all.Time && d < 2*all.Time:
				spins++
			case d != 0:
				t.Fatalf("it spins for %v", d)
			}
		}
		if spins < 5 || spins > 10 { // 1, 3, 7, 15 … sleeps in between
			t.Errorf("%d spins before 1000 sleeps in vain", spins)
		}
		s.skip = 0
		if !s.more() {
			t.Fatal("it does not spin")
		}
		s.found()
		if !s.more() {
			t.Error("it has found something, and does not look again")
		}
		s.found()
		if n := all.now.Load(); n != 0 {
			t.Errorf("%d spin on", n)
		}
	})
}

// Fewer spin than there are processors, unless they are told to.
func TestSpinLeavesAProcessor(t *testing.T) {
	n := runtime.GOMAXPROCS(0)
	auto, always := &spinners{Spin: AutoSpin()}, &spinners{Spin: Spin{Time: time.Second, Always: true}}
	spinning, told := 0, 0
	for range n + 2 {
		if (&spinner{all: auto}).more() {
			spinning++
		}
		if (&spinner{all: always}).more() {
			told++
		}
	}
	if spinning != n-1 || told != n+2 {
		t.Errorf("%d of %d processors spin, %d were told to", spinning, n, told)
	}
	if (&spinner{all: &spinners{}}).more() {
		t.Error("it spins for no time")
	}
}
