package fcoe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/sim"
	"github.com/lunette-io/lunette/network/fc"
)

// A dataEnd is one side of a wire: a sender, a receiver and what has come.
type dataEnd struct {
	wire ethernet.Wire
	port *sim.Interface
	x    *sender
	r    *receiver
	o    *outlet

	mu   sync.Mutex
	got  []keptFrame
	sent []returns
}

// A keptFrame is one that has come, kept.
type keptFrame struct {
	fc.Frame
	dst, src ethernet.MAC
}

func (e *dataEnd) Received(b []byte)      { e.x.receiving(); e.r.received(b) }
func (e *dataEnd) Batch()                 { e.x.batch() }
func (e *dataEnd) Writable()              { e.x.writable() }
func (e *dataEnd) Changed(ethernet.State) {}

// stationMAC is the address of a station by its N_Port_ID.
func stationMAC(id fc.ID) ethernet.MAC {
	return ethernet.MAC{0x0e, 0xfd, 0, byte(id >> 16), byte(id >> 8), byte(id)}
}

// newEnd makes an end with the address id.
func newEnd(t *testing.T, n *sim.Network, name string, id fc.ID) *dataEnd {
	t.Helper()
	h := n.Host(name)
	e := &dataEnd{port: h.Add("eth0", stationMAC(id), 2500)}
	w, err := h.Open(ethernet.Config{Interface: "eth0", Types: []ethernet.Type{typeFCoE}, Longest: longest, Receives: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	e.wire = w
	e.x = newSender(w, func(d, s fc.ID) (ethernet.MAC, ethernet.MAC, bool) { return stationMAC(d), stationMAC(s), d != 0xdead })
	e.r = newReceiver(func(dst, src ethernet.MAC, f *fc.Frame) bool {
		k := keptFrame{*f, dst, src}
		k.Payload = bytes.Clone(f.Payload)
		e.mu.Lock()
		e.got = append(e.got, k)
		e.mu.Unlock()
		return f.D == id
	})
	e.o = e.x.outlet(func(s *fc.Sequence, err error) {
		e.mu.Lock()
		e.sent = append(e.sent, returns{s: s, err: err})
		e.mu.Unlock()
	})
	w.Start(e)
	return e
}

// withEnds runs test under synctest with two ends, 1 and 2, of which the first one's outlet is up.
func withEnds(t *testing.T, test func(t *testing.T, n *sim.Network, a, b *dataEnd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := sim.New()
		a, b := newEnd(t, n, "a", 1), newEnd(t, n, "b", 2)
		a.o.up(fc.MaxPayload)
		defer func() { // also if the test has given up
			a.o.down(fc.ErrClosed)
			for _, e := range []*dataEnd{a, b} {
				if err := e.wire.Close(); err != nil {
					t.Error(err)
				}
			}
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(t, n, a, b)
		a.o.down(fc.ErrClosed)
		if len(a.x.lanes) != 0 || a.x.turn.first != nil || a.x.turn.last != nil || a.o.queued != 0 || a.o.taken != 0 {
			t.Errorf("something is left: %d lanes, %d bytes, %d sequences", len(a.x.lanes), a.o.queued, a.o.taken)
		}
	})
}

// leaseOf is n bytes that all differ in some way, in pieces of one lease.
func leaseOf(n int, pieces ...int) (*buffer.Lease, []byte) {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	all := make([]byte, n)
	for i := range all {
		all[i] = byte(r.Uint32())
	}
	var segs []buffer.Segment
	rest := bytes.Clone(all)
	for _, p := range pieces {
		p = min(p, len(rest))
		segs = append(segs, buffer.Segment{Mem: rest[:p:p]})
		rest = rest[p:]
	}
	return buffer.New(nil, append(segs, buffer.Segment{Mem: rest})...), all
}

// testSequence is one from s to d.
func testSequence(d, s fc.ID, id uint8, head []byte, l *buffer.Lease, at, n int64) *fc.Sequence {
	return &fc.Sequence{
		Header: fc.Header{RCtl: fc.RCtlData, D: d, S: s, Type: fc.TypeFCP, SeqID: id, OX: uint16(id), RX: 7,
			FCtl: fc.FCtlResponder | fc.FCtlEndSequence | fc.FCtlRelativeOffset, Parameter: 1000},
		Head: head, Data: l, At: at, Len: n,
	}
}

// Every length in every shape arrives whole, in frames as they have to be.
func TestSequences(t *testing.T) {
	withEnds(t, func(t *testing.T, n *sim.Network, a, b *dataEnd) {
		for _, size := range []int{0, 1, 3, 4, 100, 2047, 2048, 2112, 2113, 4096, 10_001, 100_000, 1 << 20} {
			for _, head := range []int{0, 24, 2112} {
				for _, pieces := range [][]int{nil, {1, 2, 511, 3000}, {2047, 1}} {
					l, all := leaseOf(size+5, pieces...)
					h := bytes.Repeat([]byte{9}, head)
					s := testSequence(2, 1, 3, h, l, 5, int64(size))
					if !a.o.post(s) {
						t.Fatal("not taken")
					}
					a.x.flush()
					synctest.Wait()
					if len(a.sent) != 1 || a.sent[0].s != s || a.sent[0].err != nil {
						t.Fatalf("%d+%d bytes: given back as %v", head, size, a.sent)
					}
					whole := append(h, all[5:]...)
					checkFrames(t, b.got, whole)
					a.sent, b.got = nil, nil
				}
			}
		}
		if s := n.Frames(); int64(s) != a.o.frames || b.r.frames.Load() != a.o.frames || b.r.bytes.Load() != a.o.bytes {
			t.Errorf("%d frames on the wire, %d and %d counted, %d and %d bytes", s, a.o.frames, b.r.frames.Load(), a.o.bytes, b.r.bytes.Load())
		}
	})
}

// checkFrames checks that frames are a sequence with that payload.
func checkFrames(t *testing.T, all []keptFrame, want []byte) {
	t.Helper()
	var got []byte
	for i, f := range all {
		last := i == len(all)-1
		if f.First != (i == 0) || f.Last != last || int(f.SeqCnt) != i || f.FCtl&fc.FCtlEndSequence != 0 != last || int(f.Parameter) != 1000+len(got) {
			t.Fatalf("frame %d of %d: %+v", i, len(all), f.Header)
		}
		if f.src != stationMAC(f.S) || f.dst != stationMAC(f.D) {
			t.Fatalf("from %v to %v: %+v", f.src, f.dst, f.Header)
		}
		got = append(got, f.Payload...)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes in %d frames, %d were sent", len(got), len(all), len(want))
	}
}

// Sequences to one address leave in order; those to several take turns.
func TestTurns(t *testing.T) {
	withEnds(t, func(t *testing.T, n *sim.Network, a, b *dataEnd) {
		l, _ := leaseOf(1 << 20)
		long, other := testSequence(2, 1, 1, nil, l, 0, 1<<20), testSequence(3, 1, 2, nil, l, 0, 1<<20)
		short := testSequence(4, 1, 3, []byte("response"), nil, 0, 0)
		behind := testSequence(2, 1, 4, []byte("response"), nil, 0, 0)
		var order []string
		n.Break(func(e sim.Event) sim.Fate {
			order = append(order, fmt.Sprint(e.Frame[29+2], e.Frame[28+12]))
			return sim.Fate{}
		})
		for _, s := range []*fc.Sequence{long, other, short, behind} {
			a.o.post(s)
		}
		a.x.flush()
		synctest.Wait()
		if at := slices.Index(order, "4 3"); at < 0 || at > 64 {
			t.Errorf("the short one was frame %d", at)
		}
		if at := slices.Index(order, "3 2"); at < 0 || at > 32 {
			t.Errorf("the other one began with frame %d", at)
		}
		if order[len(order)-1] != "2 4" && order[len(order)-1] != "3 2" || slices.Index(order, "2 4") < slices.Index(order, "2 1")+511 {
			t.Error("one overtook another to the same address")
		}
		if len(a.sent) != 4 || a.sent[0].s != short {
			t.Errorf("given back: %v", a.sent)
		}
	})
}

// Cancelled at each frame: no more of it leaves, the next one is whole.
func TestCancel(t *testing.T) {
	for takes := 1; takes < 12; takes++ {
		withEnds(t, func(t *testing.T, n *sim.Network, a, b *dataEnd) {
			l, all := leaseOf(20_000)
			s, next := testSequence(2, 1, 1, nil, l, 0, 20_000), testSequence(2, 1, 2, nil, l, 0, 20_000)
			a.o.post(s)
			a.o.post(next)
			// As pump does, up to a wire that takes so many and no more.
			x := a.x
			x.mu.Lock()
			x.build()
			x.mu.Unlock()
			x.finish()
			took, err := a.wire.Send(x.frames[:takes])
			if took != takes || err != nil {
				t.Fatal(took, err)
			}
			x.mu.Lock()
			x.took(took, nil)
			blocked := x.blocked
			x.mu.Unlock()
			a.o.cancel(s)
			a.x.flush() // gives it back although the wire takes nothing
			if !blocked || len(a.sent) != 1 || a.sent[0].s != s {
				t.Fatalf("blocked %v, given back %v", blocked, a.sent)
			}
			a.x.writable()
			synctest.Wait()
			if takes < 10 {
				if len(a.sent) != 2 || !errors.Is(a.sent[0].err, fc.ErrCancelled) || a.sent[1].err != nil {
					t.Fatalf("%d: %v", takes, a.sent)
				}
			} else if len(a.sent) != 2 || a.sent[0].err != nil {
				t.Fatalf("%d: %v", takes, a.sent)
			}
			of1 := slices.DeleteFunc(slices.Clone(b.got), func(f keptFrame) bool { return f.SeqID != 1 })
			if want := min(takes, 10); len(of1) != want {
				t.Errorf("%d frames of the cancelled one have left, %d before it was", len(of1), want)
			}
			checkFrames(t, slices.DeleteFunc(b.got, func(f keptFrame) bool { return f.SeqID != 2 }), all)
		})
	}
}

// A wire that takes a little at a time gets all of it, once.
func TestBlocked(t *testing.T) {
	for _, takes := range []int{1, 7, 63, 64} {
		withEnds(t, func(t *testing.T, n *sim.Network, a, b *dataEnd) {
			a.port.Takes(takes)
			l, all := leaseOf(300_000)
			a.o.post(testSequence(2, 1, 1, nil, l, 0, 300_000))
			a.x.flush()
			synctest.Wait()
			checkFrames(t, b.got, all)
			if len(a.sent) != 1 {
				t.Error("not given back")
			}
		})
	}
}

// When an outlet goes down all that is queued and half sent is given back before down returns, and nothing of it leaves; the sequences of
// another outlet do.
func TestDown(t *testing.T) {
	withEnds(t, func(t *testing.T, n *sim.Network, a, b *dataEnd) {
		other := a.x.outlet(a.o.sent)
		other.up(2048)
		l, all := leaseOf(200_000)
		a.port.Takes(3)
		a.o.post(testSequence(2, 1, 1, nil, l, 0, 200_000))
		a.o.post(testSequence(3, 1, 2, nil, l, 0, 200_000))
		kept := testSequence(2, 1, 9, nil, l, 0, 200_000)
		other.post(kept)
		a.port.Block(true)
		a.x.flush()
		why := errors.New("gone")
		a.o.down(why)
		if len(a.sent) != 2 || a.sent[0].err != why || a.sent[1].err != why {
			t.Fatal(a.sent)
		}
		if a.o.post(testSequence(2, 1, 3, nil, l, 0, 1)) {
			t.Error("taken by an outlet that is down")
		}
		a.port.Block(false)
		a.port.Takes(0)
		synctest.Wait()
		checkFrames(t, b.got, all)
		if len(a.sent) != 3 || a.sent[2].s != kept || a.sent[2].err != nil {
			t.Error(a.sent)
		}
		other.down(why)
		a.o.up(1000)
		b.got = nil
		a.o.post(testSequence(2, 1, 4, nil, l, 0, 5000))
		a.x.flush()
		synctest.Wait()
		if len(b.got) != 9 { // eight blocks, and the rest, which fits in one
			t.Errorf("%d frames", len(b.got))
		}
	})
}

// What is too long for the wire ends its sequence alone; a wire that is down ends all; nobody at an address ends what is for it.
func TestErrors(t *testing.T) {
	withEnds(t, func(t *testing.T, n *sim.Network, a, b *dataEnd) {
		l, all := leaseOf(5000)
		a.port.SetMTU(1500)
		a.o.post(testSequence(2, 1, 1, nil, l, 0, 5000))
		a.o.up(1024)
		a.o.post(testSequence(2, 1, 2, nil, l, 0, 5000))
		a.o.post(testSequence(0xdead, 1, 3, nil, l, 0, 5000))
		a.x.mu.Lock()
		a.x.lanes[laneKey{a.o, 2, 1}].limit = 2112
		a.x.mu.Unlock()
		a.o.up(2112)
		a.x.flush()
		synctest.Wait()
		a.o.up(1024)
		a.o.post(testSequence(2, 1, 4, nil, l, 0, 5000))
		a.x.flush()
		synctest.Wait()
		checkFrames(t, b.got, all)
		slices.SortStableFunc(a.sent, func(p, q returns) int { return int(p.s.Header.SeqID) - int(q.s.Header.SeqID) })
		if len(a.sent) != 4 || !errors.Is(a.sent[0].err, ethernet.ErrTooLong) || !errors.Is(a.sent[1].err, ethernet.ErrTooLong) ||
			!errors.Is(a.sent[2].err, fc.ErrDown) || a.sent[3].err != nil {
			t.Fatal(a.sent)
		}
		a.sent = nil
		a.port.SetUp(false)
		a.o.post(testSequence(2, 1, 1, nil, l, 0, 5000))
		a.o.post(testSequence(3, 1, 2, nil, l, 0, 5000))
		a.x.flush()
		if len(a.sent) != 2 || !errors.Is(a.sent[0].err, fc.ErrDown) || !errors.Is(a.sent[1].err, ethernet.ErrDown) {
			t.Fatal(a.sent)
		}
		if a.o.post(testSequence(2, 1, 1, nil, l, 1, 5000)) || a.o.post(testSequence(2, 1, 1, nil, nil, 0, 1)) || a.o.post(testSequence(2, 1, 1, nil, l, -1, 1)) {
			t.Error("data that is not there is taken")
		}
	})
}

// Who receives does not send all of what is much: another goroutine goes on, and ends.
func TestTurnOfReceiver(t *testing.T) {
	withEnds(t, func(t *testing.T, n *sim.Network, a, b *dataEnd) {
		const size = 3 << 20
		l, all := leaseOf(size)
		a.o.post(testSequence(2, 1, 1, nil, l, 0, size))
		a.x.receiving()
		a.x.flush()
		if n.Frames() != 0 {
			t.Error("sent while a batch is handed over")
		}
		returned := make(chan struct{})
		n.Break(func(e sim.Event) sim.Fate {
			if e.N == inTurn*batchFrames {
				<-returned // who has called batch would never get here
			}
			return sim.Fate{}
		})
		a.x.batch()
		close(returned)
		synctest.Wait()
		a.x.close()
		if len(a.sent) != 1 || n.Frames() != size/2048 {
			t.Errorf("%d frames, given back %v", n.Frames(), a.sent)
		}
		checkFrames(t, b.got, all)
	})
}

// Many who post, flush and cancel at once, with an outlet that comes and goes: each sequence that was taken is given back, once.
func TestSenderAtOnce(t *testing.T) {
	withEnds(t, func(t *testing.T, n *sim.Network, a, b *dataEnd) {
		a.port.Takes(5)
		l, _ := leaseOf(50_000)
		var taken, given [8]int
		seqs := make([][]*fc.Sequence, 8)
		a.o.sent = func(s *fc.Sequence, err error) { given[s.Owner.(int)]++ }
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				r := rand.New(rand.NewPCG(2, uint64(g)))
				for i := range 200 {
					s := testSequence(fc.ID(2+r.IntN(3)), 1, uint8(i), nil, l, 0, int64(r.IntN(50_000)))
					s.Owner = g
					if a.o.post(s) {
						taken[g]++
						seqs[g] = append(seqs[g], s)
					}
					switch r.IntN(4) {
					case 0:
						a.x.flush()
					case 1:
						a.x.control(make([]byte, 60))
					}
				}
			})
		}
		all.Go(func() {
			for range 20 {
				a.o.down(fc.ErrDown)
				a.o.up(2048)
			}
		})
		all.Wait()
		a.x.flush()
		synctest.Wait()
		if taken != given {
			t.Errorf("taken %v, given back %v", taken, given)
		}
	})
}

// Damaged, malformed and foreign frames are counted, and go nowhere.
func TestReceiver(t *testing.T) {
	x, y := fc.Part{Header: fc.Header{FCtl: fc.FCtlEndSequence, D: 2, S: 1}, First: true, Last: true}, 0
	make := func(n int, fill int) []byte {
		var m trimmings
		p := x
		p.FCtl |= fc.FCtl(fill)
		putHead(&m.head, stationMAC(2), stationMAC(1), &p)
		f := ethernet.Frame{Head: m.head[:], Body: bytes.Repeat([]byte{5}, n)}
		f.Tail = putTail(&m.tail, checksum(&f, fill), fill, true)
		return f.Append(nil)
	}
	r := newReceiver(func(_, _ ethernet.MAC, f *fc.Frame) bool { y++; return f.D == 2 })
	r.received(make(5, 3))
	if y != 1 || r.dropped() != 0 || r.bytes.Load() != 5 {
		t.Error("a good frame is dropped")
	}
	for i := range make(40, 0) {
		b := make(40, 0)
		b[i] ^= 0x10
		r.received(b)
	}
	for n := range 68 {
		r.received(make(40, 0)[:n])
	}
	// Wrong in the CRC's cover: 64 bytes and the CRC; addresses and what is reserved do not matter.
	if r.damaged.Load() != 68 || r.malformed.Load() != 68+2+1+2 {
		t.Errorf("%d damaged, %d malformed", r.damaged.Load(), r.malformed.Load())
	}
	x.D = 3
	r.received(make(4, 0))
	if r.unwanted.Load() != 1 {
		t.Error("somebody else's frame is taken")
	}
	b := make(2113, 3)
	r.received(b)
	if r.malformed.Load() != 68+2+1+2+1 {
		t.Error("a frame that is too long is taken")
	}
}

// FuzzDecode: any bytes; what is good is as it was encoded.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 80))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got fc.Frame
		decode(b, &got)
		// The same with what does not depend on luck made right.
		if len(b) < wholeHead+pduTail || len(b)&3 != (wholeHead+pduTail)&3 {
			return
		}
		b = bytes.Clone(b)
		binary.BigEndian.PutUint16(b[12:], uint16(typeFCoE))
		b[14] = 0
		fc.CRC(0).Add(b[28 : len(b)-8]).Put(b[len(b)-8:])
		if decode(b, &got) == good && len(got.Payload) > len(b)-wholeHead-pduTail {
			t.Fatal("a payload behind the frame")
		}
	})
}
