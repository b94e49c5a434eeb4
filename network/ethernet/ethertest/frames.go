package ethertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/ethernet"
)

// frames: bytes arrive as they were sent, from all pieces of a frame, in order; what is lent is free when Send returns.
func frames(t *testing.T, c *Cable) {
	a, b := use(t, c, 0, nil), use(t, c, 1, nil)
	memory := make([]byte, 4000)
	for i := range memory {
		memory[i] = byte(i * 7)
	}
	var want [][]byte
	for i, l := range []*buffer.Lease{
		buffer.Of(memory),
		buffer.New(nil, buffer.Segment{Mem: memory[:1]}, buffer.Segment{Mem: memory[1:100]}, buffer.Segment{Mem: memory[100:]}),
	} {
		for _, n := range []int64{0, 1, 46, 99, 100, 1500, 2048, 2112} {
			for _, at := range []int64{0, 1, 99, 100, 1000} {
				f := frame(c.MAC[1], c.MAC[0], mine, "")
				f.Head = append(f.Head, byte(i), byte(n), byte(n>>8))
				f.Body = bytes.Repeat([]byte{byte(at)}, int(n%3))
				f.Data, f.At, f.Len = l, at, n
				f.Tail = []byte("the tail")
				want = append(want, f.Append(nil))
				lent := slices.Clone(f.Head)
				f.Head = lent
				a.send(f)
				clear(lent) // The wire has taken the frame: its memory is ours again.
			}
		}
	}
	b.wait("all frames", func() bool { return len(b.frames) >= len(want) })
	for i, f := range b.frames {
		if !bytes.HasPrefix(f, want[i]) || len(bytes.Trim(f[len(want[i]):], "\x00")) != 0 {
			t.Fatalf("frame %d of %d bytes is not that of %d that was sent", i, len(f), len(want[i]))
		}
	}
	b.wait("a Batch behind the last frame", func() bool { return b.open == 0 && b.batches > 0 })
	if s := a.wire.Stats(); s.FramesOut != int64(len(want)) || s.Sends == 0 {
		t.Errorf("%d frames were sent: %+v", len(want), s)
	}
	if s := b.wire.Stats(); s.FramesIn != int64(len(want)) || s.Lost != 0 || s.TooLong != 0 {
		t.Errorf("%d frames have come: %+v", len(want), s)
	}
}

// addresses: frames to the interface, to all, and to who was joined; of no others, and none of one's own.
func addresses(t *testing.T, c *Cable) {
	a, b := use(t, c, 0, nil), use(t, c, 1, nil)
	group, single := ethernet.MAC{1, 0x10, 0x18, 1, 0, 4}, ethernet.MAC{0x0e, 0xfd, 0, 0, 0, 9}
	all := func() {
		t.Helper()
		a.send(
			frame(c.MAC[1], c.MAC[0], mine, "own"),
			frame(group, c.MAC[0], mine, "group"),
			frame(single, c.MAC[0], mine, "single"),
			frame(ethernet.MAC{0x0e, 0xfd, 0, 0, 0, 8}, c.MAC[0], mine, "nobody"),
			frame(ethernet.MAC{1, 0x10, 0x18, 1, 0, 5}, c.MAC[0], mine, "no group"),
			frame(ethernet.MAC{255, 255, 255, 255, 255, 255}, c.MAC[0], mine, "everybody"),
		)
	}
	end := func(f ethernet.Frame) { a.send(f) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	all()
	b.expect(end, c.MAC[0], "own", "everybody")
	must(b.wire.Join(group))
	all()
	b.expect(end, c.MAC[0], "own", "group", "everybody")
	must(b.wire.Join(single))
	all()
	b.expect(end, c.MAC[0], "own", "group", "single", "everybody")
	must(b.wire.Leave(group))
	all()
	b.expect(end, c.MAC[0], "own", "single", "everybody")
	must(b.wire.Leave(single))
	all()
	b.expect(end, c.MAC[0], "own", "everybody")
	a.expect(func(f ethernet.Frame) { b.send(f) }, c.MAC[1]) // nothing of its own
}

// joinInHandler: an address that the handler joins counts at once, also for the frames of the batch that is being handed over.
func joinInHandler(t *testing.T, c *Cable) {
	single := ethernet.MAC{0x0e, 0xfd, 0, 0, 0, 9}
	joined, sent := make(chan struct{}), make(chan struct{})
	a := use(t, c, 0, nil)
	b := use(t, c, 1, func(_ *ethernet.Config, u *user) {
		first := true
		u.on = func([]byte) {
			if first {
				first = false
				if err := u.wire.Join(single); err != nil {
					t.Error(err)
				}
				close(joined)
				<-sent
			}
		}
	})
	a.send(frame(c.MAC[1], c.MAC[0], mine, "1"))
	<-joined
	a.send(frame(single, c.MAC[0], mine, "2"))
	close(sent)
	b.expect(func(f ethernet.Frame) { a.send(f) }, c.MAC[0], "1", "2")
}

// types: those that were asked for alone; what the payload is does not matter.
func types(t *testing.T, c *Cable) {
	a, b := use(t, c, 0, nil), use(t, c, 1, nil)
	a.send(
		frame(c.MAC[1], c.MAC[0], mine, "1"),
		frame(c.MAC[1], c.MAC[0], alien, "2"),
		frame(c.MAC[1], c.MAC[0], other, "3"),
		frame(c.MAC[1], c.MAC[0], mine, "\x89\x14"),
	)
	b.expect(func(f ethernet.Frame) { a.send(f) }, c.MAC[0], "1", "3", "\x89\x14")
}

// lengths: what is too long to send is said, and about that frame alone; what comes and is too long is counted.
func lengths(t *testing.T, c *Cable) {
	c.SetMTU(1, 9000)
	a := use(t, c, 0, nil)
	b := use(t, c, 1, func(e *ethernet.Config, _ *user) { e.Longest = 1000 })
	long := strings.Repeat("x", MTU+1)
	n, err := a.wire.Send([]ethernet.Frame{
		frame(c.MAC[1], c.MAC[0], mine, "1"), frame(c.MAC[1], c.MAC[0], mine, long), frame(c.MAC[1], c.MAC[0], mine, "2"),
	})
	if n != 1 || !errors.Is(err, ethernet.ErrTooLong) {
		t.Fatalf("%d taken, %v", n, err)
	}
	a.send(frame(c.MAC[1], c.MAC[0], mine, long[:1001]), frame(c.MAC[1], c.MAC[0], mine, long[:1000]))
	b.expect(func(f ethernet.Frame) { a.send(f) }, c.MAC[0], "1", long[:1000])
	if s := b.wire.Stats(); s.TooLong != 1 {
		t.Errorf("%+v: one was too long", s)
	}
}

// numbered is a frame with a number.
func numbered(dst, src ethernet.MAC, n, size int) ethernet.Frame {
	f := frame(dst, src, mine, "")
	f.Body = binary.BigEndian.AppendUint32(nil, uint32(n))
	f.Tail = make([]byte, size)
	return f
}

// all sends all frames; what is not taken comes again when the wire says so.
func (u *user) all(frames []ethernet.Frame) {
	u.t.Helper()
	for len(frames) > 0 {
		u.mu.Lock()
		before := u.writes
		u.mu.Unlock()
		n, err := u.wire.Send(frames[:min(64, len(frames))])
		if err != nil {
			u.t.Fatal(err)
		}
		full := n < min(64, len(frames))
		if frames = frames[n:]; full {
			u.wait("Writable", func() bool { return u.writes > before })
		}
	}
}

// order checks that frames that have come are numbered from first on, without gaps.
func (u *user) order(first, n int) {
	u.t.Helper()
	u.wait("all frames", func() bool { return len(u.frames) >= n })
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, f := range u.frames[:n] {
		if k := int(binary.BigEndian.Uint32(f[14:])); k != first+i {
			u.t.Fatalf("frame %d comes as number %d", k, first+i)
		}
	}
	u.frames = u.frames[n:]
}

// burst: as many as there is room for are not lost, though nobody takes them at first, and come in order.
func burst(t *testing.T, c *Cable) {
	hold := make(chan struct{})
	entered := make(chan struct{}, 1)
	a := use(t, c, 0, nil)
	b := use(t, c, 1, func(e *ethernet.Config, u *user) {
		first := true
		u.on = func([]byte) {
			if first {
				first = false
				entered <- struct{}{}
				<-hold
			}
		}
	})
	room := b.wire.Room()
	if room < 1<<19 {
		t.Fatalf("room for %d bytes, where 1 MiB was asked for", room)
	}
	n := int(room / (Longest + ethernet.HeaderLen) * 9 / 10)
	all := make([]ethernet.Frame, n)
	for i := range all {
		all[i] = numbered(c.MAC[1], c.MAC[0], i, Longest-4)
	}
	a.send(all[0])
	<-entered
	a.all(all[1:])
	close(hold)
	b.order(0, n)
	if s := b.wire.Stats(); s.Lost != 0 {
		t.Errorf("lost: %+v", s)
	}
}

// overrun: more than there is room for is lost and counted, and it goes on afterwards.
func overrun(t *testing.T, c *Cable) {
	hold := make(chan struct{})
	entered := make(chan struct{}, 1)
	a := use(t, c, 0, nil)
	b := use(t, c, 1, func(e *ethernet.Config, u *user) {
		e.Receives = 64 << 10
		first := true
		u.on = func([]byte) {
			if first {
				first = false
				entered <- struct{}{}
				<-hold
			}
		}
	})
	const n = 1000
	all := make([]ethernet.Frame, n)
	for i := range all {
		all[i] = numbered(c.MAC[1], c.MAC[0], i, Longest-4)
	}
	a.send(all[0])
	<-entered
	a.all(all[1:])
	b.wait("frames to be lost", func() bool { return b.wire.Stats().Lost > 0 || b.hint() })
	close(hold)
	last := numbered(c.MAC[1], c.MAC[0], n, 10)
	for came := false; !came; { // until there is room for it
		a.all([]ethernet.Frame{last})
		b.mu.Lock()
		came = slices.ContainsFunc(b.frames, func(f []byte) bool { return binary.BigEndian.Uint32(f[14:]) == n })
		b.mu.Unlock()
	}
	b.wait("a Batch behind the last frame", func() bool { return b.open == 0 })
	if s := b.wire.Stats(); s.Lost == 0 || s.FramesIn+s.Lost < n {
		t.Errorf("%+v of %d", s, n)
	}
}

// hint lets a wait look again soon, at what tells nobody.
func (u *user) hint() bool {
	time.AfterFunc(time.Millisecond, func() { u.note(func() {}) })
	return false
}

// blocked: many more frames than a wire takes at a time all arrive, since Writable tells when it goes on.
func blocked(t *testing.T, c *Cable) {
	a, b := use(t, c, 0, nil), use(t, c, 1, nil)
	const n, window = 5000, 100
	for at := 0; at < n; at += window {
		all := make([]ethernet.Frame, window)
		for i := range all {
			all[i] = numbered(c.MAC[1], c.MAC[0], at+i, 2000)
		}
		a.all(all)
		b.order(at, window)
	}
}
