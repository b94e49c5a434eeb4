package ethertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
)

// patience is how long a test waits for what has to come; it is the end of a test that fails, and of no other.
const patience = 20 * time.Second

// A user is the handler of a wire. It keeps what comes.
type user struct {
	t    *testing.T
	wire ethernet.Wire
	mac  ethernet.MAC

	mu      sync.Mutex
	changed sync.Cond
	frames  [][]byte
	states  []ethernet.State
	batches int // calls of Batch
	open    int // frames that no Batch has followed yet
	writes  int // calls of Writable

	on      func(b []byte) // called in Received if it is set before Start
	calling atomic.Int32
	closed  atomic.Bool
}

func (u *user) enter() {
	if u.calling.Add(1) != 1 {
		u.t.Error("two calls of the handler at once")
	}
	if u.closed.Load() {
		u.t.Error("a call of the handler after Close")
	}
}

func (u *user) leave() { u.calling.Add(-1) }

// note changes what is known under the lock.
func (u *user) note(f func()) {
	u.mu.Lock()
	f()
	u.changed.Broadcast()
	u.mu.Unlock()
}

// Received keeps a frame.
func (u *user) Received(b []byte) {
	u.enter()
	defer u.leave()
	if u.on != nil {
		u.on(b)
	}
	u.note(func() {
		u.frames = append(u.frames, bytes.Clone(b))
		u.open++
	})
}

// Batch counts.
func (u *user) Batch() {
	u.enter()
	defer u.leave()
	u.note(func() { u.batches, u.open = u.batches+1, 0 })
}

// Writable counts.
func (u *user) Writable() {
	u.enter()
	defer u.leave()
	u.note(func() { u.writes++ })
}

// Changed keeps a state.
func (u *user) Changed(s ethernet.State) {
	u.enter()
	defer u.leave()
	u.note(func() { u.states = append(u.states, s) })
}

// use opens a side of the cable, with what f changes, and starts it.
func use(t *testing.T, c *Cable, side int, f func(*ethernet.Config, *user)) *user {
	t.Helper()
	u := &user{t: t, mac: c.MAC[side]}
	u.changed.L = &u.mu
	config := ethernet.Config{Interface: c.Name[side], Types: []ethernet.Type{mine, other}, Longest: Longest, Receives: 1 << 20}
	if f != nil {
		f(&config, u)
	}
	w, err := c.Host[side].Open(config)
	if err != nil {
		t.Fatal(err)
	}
	u.wire = w
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	w.Start(u)
	u.wait("the first state", func() bool { return len(u.states) > 0 })
	return u
}

// wait waits until is says that it is so.
func (u *user) wait(what string, is func() bool) {
	u.t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() { u.note(func() { late = true }) })
	defer timer.Stop()
	u.mu.Lock()
	defer u.mu.Unlock()
	for !is() {
		if late {
			u.t.Fatalf("%s: has not come; %d frames, states %+v, %d times writable; %+v", what, len(u.frames), u.states, u.writes, u.wire.Stats())
		}
		u.changed.Wait()
	}
}

// state waits until the last state that was told is as is says, and checks that the wire says the same.
func (u *user) state(what string, is func(s ethernet.State) bool) {
	u.t.Helper()
	u.wait(what, func() bool { return is(u.states[len(u.states)-1]) })
	if s := u.wire.State(); !is(s) {
		u.t.Fatalf("%s: State says %+v", what, s)
	}
}

// hello is the payload of frames that nobody minds.
const hello = "hello"

// reach sends until something arrives: an interface that is up may lose frames for a moment still.
func (u *user) reach(to *user) {
	u.t.Helper()
	to.wait("a frame of many", func() bool {
		if _, err := u.wire.Send([]ethernet.Frame{frame(to.mac, u.mac, mine, hello)}); err != nil && !errors.Is(err, ethernet.ErrDown) {
			u.t.Fatal(err)
		}
		return slices.ContainsFunc(to.frames, func(b []byte) bool { return bytes.HasPrefix(b[14:], []byte(hello)) }) || to.hint()
	})
}

// frame makes a frame.
func frame(dst, src ethernet.MAC, kind ethernet.Type, payload string) ethernet.Frame {
	h := append(dst[:], src[:]...)
	return ethernet.Frame{Head: binary.BigEndian.AppendUint16(h, uint16(kind)), Body: []byte(payload)}
}

// send sends frames, which the wire takes at once.
func (u *user) send(all ...ethernet.Frame) {
	u.t.Helper()
	if n, err := u.wire.Send(all); n != len(all) || err != nil {
		u.t.Fatalf("%d of %d frames are taken: %v", n, len(all), err)
	}
}

// expect waits for frames with these payloads, in order, and no others; a last one, which is sent by end, says that there are no more.
func (u *user) expect(end func(ethernet.Frame), from ethernet.MAC, payloads ...string) {
	u.t.Helper()
	const last = "the last frame of a step"
	end(frame(u.mac, from, other, last))
	u.wait("the last frame", func() bool { return len(u.frames) > 0 && bytes.HasPrefix(u.frames[len(u.frames)-1][14:], []byte(last)) })
	u.mu.Lock()
	defer u.mu.Unlock()
	got := u.frames[:len(u.frames)-1]
	u.frames = nil
	got = slices.DeleteFunc(got, func(b []byte) bool { return bytes.HasPrefix(b[14:], []byte(hello)) })
	for i, b := range got {
		if i >= len(payloads) || !bytes.HasPrefix(b[14:], []byte(payloads[i])) {
			u.t.Fatalf("frame %d is %q; %q were to come", i, b, payloads)
		}
	}
	if len(got) != len(payloads) {
		u.t.Fatalf("%d frames have come, not %q", len(got), payloads)
	}
}
