package fctest

import (
	"errors"
	"testing"

	"github.com/lunette-io/lunette/network/fc"
)

// testCancelEarly cancels what was not flushed: nothing of it leaves, unless the network has flushed meanwhile, since something has come.
func testCancelEarly(t *testing.T, b *bed) {
	x, y := b.pair()
	all := []*fc.Sequence{x.sequence(y, 100, shape{}), x.sequence(y, 5000, shape{}), x.sequence(y, 101, shape{})}
	for _, q := range all {
		x.try(q)
	}
	x.cancel(all[1])
	x.Flush()
	if err := x.back(all[0], all[2]); err != nil {
		t.Error(err)
	}
	switch err := x.back(all[1]); {
	case err == nil:
		y.gets(all...)
	case errors.Is(err, fc.ErrCancelled):
		y.until("what is behind", func() bool { k := len(y.frames); return k > 0 && y.frames[k-1].OX == all[2].Header.OX })
		got := y.take(0)
		y.prefix(of(got, all[1]), all[1])
		if len(of(got, all[0])) != 1 || len(of(got, all[2])) != 1 {
			t.Error("what was not cancelled has not come")
		}
	default:
		t.Error(err)
	}
}

// testCancel cancels a sequence when each of its frames arrives: what has arrived is its beginning, and what is
// behind it arrives.
func testCancel(t *testing.T, b *bed) {
	x, y := b.pair()
	n := window(y)
	frames := len(expected(x.sequence(y, n, shape{}), y.place().MaxPayload))
	for at := 0; at < frames; at += 1 + at/4 {
		q, behind := x.sequence(y, n, shape{sizes: []int{4096}}), x.sequence(y, 100, shape{})
		q.Header.OX, behind.Header.OX = 1, 2
		came := 0
		y.set(func(f *fc.Frame) {
			if f.OX == 1 {
				if came == at {
					x.cancel(q)
				}
				came++
			}
		})
		x.post(q, behind)
		err := x.back(q)
		if err != nil && !errors.Is(err, fc.ErrCancelled) {
			t.Error(err)
		}
		if err := x.back(behind); err != nil {
			t.Error(err)
		}
		y.until("what is behind", func() bool { k := len(y.frames); return k > 0 && y.frames[k-1].OX == 2 })
		y.set(nil)
		got := y.take(0)
		y.prefix(of(got, q), q)
		if err == nil && len(of(got, q)) != frames {
			t.Errorf("%d frames of %d arrived, and it was not cancelled", len(of(got, q)), frames)
		}
	}
}

// cancel cancels q unless it is given back. Sent waits for mu, so that q is not given back as far as anybody can know.
func (s *side) cancel(q *fc.Sequence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.posted[q] {
		s.Cancel(q)
	}
}

// testCancelQueued cancels what waits behind a sequence that is long.
func testCancelQueued(t *testing.T, b *bed) {
	x, y := b.pair()
	long, q, last := x.sequence(y, window(y), shape{}), x.sequence(y, 5000, shape{}), x.sequence(y, 3, shape{})
	long.Header.OX, q.Header.OX, last.Header.OX = 1, 2, 3
	for _, s := range []*fc.Sequence{long, q, last} {
		x.try(s)
	}
	x.cancel(q)
	x.Flush()
	if err := x.back(long, last); err != nil {
		t.Error(err)
	}
	err := x.back(q)
	if err != nil && !errors.Is(err, fc.ErrCancelled) {
		t.Error(err)
	}
	y.until("the last", func() bool { k := len(y.frames); return k > 0 && y.frames[k-1].OX == 3 })
	got := y.take(0)
	y.prefix(of(got, q), q)
	if n := len(expected(long, y.place().MaxPayload)); len(of(got, long)) != n {
		t.Errorf("%d frames of %d have come of what was not cancelled", len(of(got, long)), n)
	}
}

// testDown takes the link down with sequences queued: they are given back, and all works again when it is up.
func testDown(t *testing.T, b *bed) {
	if b.Cut == nil {
		t.Skip("the link cannot be taken down")
	}
	x, y := b.pair()
	for range 2 {
		was := y.id()
		var queued []*fc.Sequence
		for n := range 5 {
			q := y.sequence(x, 100*n, shape{})
			queued = append(queued, q)
			y.try(q)
		}
		b.Cut()
		y.until("that the link is down", func() bool { return !y.up })
		y.Flush()
		if err := y.back(queued...); !errors.Is(err, fc.ErrDown) && (err != nil || !b.Eager) {
			t.Errorf("queued when the link went down: %v", err)
		}
		if y.try(y.sequence(x, 10, shape{})) {
			t.Error("a sequence was taken with the link down")
		}
		if !b.Fabric && !b.Inside {
			x.until("that the neighbour is gone", func() bool { _, ok := x.neighbours[was]; return !ok || !x.up })
		}
		b.Mend()
		b.meet(x, y)
		x.take(0)
		exchange(t, x, y)
	}
}

// testDownHalf takes the link down while a sequence is sent.
func testDownHalf(t *testing.T, b *bed) {
	if b.Cut == nil {
		t.Skip("the link cannot be taken down")
	}
	x, y := b.pair()
	for range 3 {
		q := y.sequence(x, window(x), shape{sizes: []int{4096}})
		behind := y.sequence(x, 5000, shape{})
		q.Header.OX, behind.Header.OX = 1, 2
		half := make(chan struct{}, 1)
		x.set(func(f *fc.Frame) {
			select {
			case half <- struct{}{}:
			default:
			}
		})
		y.post(q, behind)
		<-half
		b.Cut()
		if err := y.back(q, behind); err != nil && !errors.Is(err, fc.ErrDown) {
			t.Error(err)
		}
		y.until("that the link is down", func() bool { return !y.up })
		x.set(nil)
		b.Mend()
		b.meet(x, y)
		// What had left may still arrive.
		last := y.sequence(x, 1, shape{})
		last.Header.OX = 3
		y.post(last)
		x.until("the last", func() bool { k := len(x.frames); return k > 0 && x.frames[k-1].OX == 3 })
		got := x.take(0)
		x.prefix(of(got, q), q)
		x.prefix(of(got, behind), behind)
	}
}

// testClose closes a port with sequences queued, half sent and cancelled: all come back, and nothing is said afterwards.
func testClose(t *testing.T, b *bed) {
	x, y := b.pair()
	for i := range 4 {
		var all []*fc.Sequence
		for n := range 10 {
			all = append(all, y.sequence(x, n*window(x)/100, shape{head: n}))
		}
		for n, q := range all {
			y.try(q)
			if n == 4*i {
				y.Flush()
			}
		}
		if i == 2 {
			y.cancel(all[9])
		}
		y.close() // looks
		if y.Post(all[0]) {
			t.Error("a sequence was taken after Close")
		}
		y.Flush()
		_ = y.Stats()
		if i < 3 {
			y = b.attach(b.B, nameB)
			b.meet(x, y)
		}
	}
}

// testCloseTwice: a second call does nothing, also one at the same time.
func testCloseTwice(t *testing.T, b *bed) {
	_, y := b.pair()
	done := make(chan struct{})
	go func() {
		y.Close()
		close(done)
	}()
	y.Close()
	<-done
	y.close()
}

// testStats: what has gone one way is counted at both ends.
func testStats(t *testing.T, b *bed) {
	x, y := b.pair()
	exchange(t, x, y)
	out, in := x.Stats(), y.Stats()
	var all []*fc.Sequence
	var frames, bytes int64
	for n := range 20 {
		q := x.sequence(y, n*200, shapes[n%len(shapes)])
		all = append(all, q)
		frames += int64(len(expected(q, x.place().MaxPayload)))
		bytes += q.Size()
	}
	for _, q := range all {
		x.try(q)
	}
	x.until("that all is queued, or was sent since something has come", func() bool {
		s := x.Stats()
		return s.BytesQueued+s.BytesOut-out.BytesOut == bytes
	})
	x.Flush()
	y.gets(all...)
	if err := x.back(all...); err != nil {
		t.Error(err)
	}
	o, i := x.Stats(), y.Stats()
	if o.FramesOut-out.FramesOut != frames || o.BytesOut-out.BytesOut != bytes || o.BytesQueued != 0 {
		t.Errorf("%d frames, %d bytes were sent: before %+v, after %+v", frames, bytes, out, o)
	}
	if i.FramesIn-in.FramesIn != frames || i.BytesIn-in.BytesIn != bytes {
		t.Errorf("%d frames, %d bytes have come: before %+v, after %+v", frames, bytes, in, i)
	}
}
