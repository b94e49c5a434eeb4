package vhost

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Sleeping and being woken takes longer than many a request, for the driver as well: its kick is an exit of the virtual machine. So a thread looks at its ring for a while before it sleeps, where that is worth it.

// pollers are all threads of a host that look at rings. What they wait for needs a processor too, so one fewer than processors may look at a time.
type pollers struct {
	most time.Duration // that one looks before it sleeps; 0: nobody looks
	room int32
	now  atomic.Int32
}

func newPollers(most time.Duration) *pollers {
	return &pollers{most: max(most, 0), room: int32(runtime.GOMAXPROCS(0)) - 1}
}

// A poller decides for one thread. It looks as long as it has been worth it: the time grows when waits are as short as it may get, and shrinks when they are longer. If the thread lost its processor while it was looking
// the machine is full, and it sleeps at once for a number of times.
type poller struct {
	all    *pollers
	window time.Duration // that it looks now
	began  time.Time     // of the wait that there is; zero: there is none
	looks  bool
	last   time.Time // when it was asked last in this wait
	lost   bool      // the thread has lost its processor since it began to look
	skip   int       // how many times it sleeps at once
	back   int       // what skip was the last time
}

const (
	minWindow = 2 * time.Microsecond // it grows from here
	maxSkip   = 1024
	lostAfter = 50 * time.Microsecond // a thread that looks takes far less between two looks at the clock, but for who has taken its processor
)

// more reports, when there is no work, whether to look again. If not, the thread sleeps.
func (p *poller) more() bool {
	now := time.Now()
	if p.began.IsZero() {
		p.began, p.last = now, now
		return p.begin()
	}
	p.lost = p.lost || now.Sub(p.last) > lostAfter
	p.last = now
	if p.looks && now.Sub(p.began) >= p.window {
		p.end()
		if p.lost {
			p.back = min(2*p.back+1, maxSkip)
			p.skip = p.back
		}
	}
	return p.looks
}

func (p *poller) begin() bool {
	if p.window == 0 {
		return false
	}
	if p.skip > 0 {
		p.skip--
		return false
	}
	if p.all.now.Add(1) > p.all.room {
		p.all.now.Add(-1)
		return false
	}
	p.looks, p.lost = true, false
	return true
}

func (p *poller) end() {
	p.looks = false
	p.all.now.Add(-1)
}

// found ends a wait, because there is work, or because the thread ends. It reports that looking has found it.
func (p *poller) found() (polled bool) {
	if p.began.IsZero() {
		return false
	}
	polled = p.looks
	if polled {
		p.end()
		p.back = 0
	} else if wait := time.Since(p.began); wait <= p.all.most {
		p.window = min(max(2*p.window, minWindow), p.all.most)
	} else if p.window /= 2; p.window < minWindow {
		p.window = 0
	}
	p.began = time.Time{}
	return polled
}
