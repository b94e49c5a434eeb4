package fcp

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// TestStorm: initiators send commands, data, aborts and resets at once, while units let go of what they hold on other goroutines. What each of an initiator's
// exchanges gets is in order, and nothing is left.
func TestStorm(t *testing.T) {
	r := newRig(t)
	r.asks.set(64<<10, 0)
	stop := make(chan struct{})
	var units, hosts sync.WaitGroup
	for _, u := range []*fakeUnit{r.unit, r.other} {
		units.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					u.release()
				}
			}
		})
	}
	var chans []*fakeChannel
	for _, name := range []string{"a", "b", "c"} {
		chans = append(chans, r.login(name, agreed))
	}
	for i, c := range chans {
		hosts.Go(func() { storm(c, rand.New(rand.NewPCG(uint64(i), 1))) })
	}
	hosts.Wait()
	close(stop)
	units.Wait()
	r.close()
	if r.unit.wrong != 0 || r.other.wrong != 0 {
		t.Errorf("%d and %d bytes are wrong", r.unit.wrong, r.other.wrong)
	}
}

// storm is what one initiator does: all calls of its port come one at a time.
func storm(c *fakeChannel, rnd *rand.Rand) {
	var all []*fakeExchange
	steps := 3000
	if raceEnabled {
		steps = 1000
	}
	for range steps {
		var e *fakeExchange
		if len(all) > 0 {
			e = all[rnd.IntN(len(all))]
		}
		switch x := rnd.IntN(20); {
		case e == nil || x < 6 && len(all) < 50:
			w := way(rnd.IntN(16))
			cmd := []iu.Command{readOf(8, w), writeOf(8, w), readOf(100, w), writeOf(100, w), {}}[rnd.IntN(5)]
			cmd.LUN = uint64(rnd.IntN(2)) << 48
			if rnd.IntN(40) == 0 {
				cmd = iu.Command{LUN: cmd.LUN, TM: 1 << rnd.IntN(8)}
			}
			all = append(all, c.do(cmd))
		case x < 14:
			e.some(dataFrames(0, int(e.size()), 1024), rnd)
		case x < 16:
			e.some([]*fc.Frame{conf()}, rnd)
		case x < 17:
			if !e.isAborted() {
				e.abts()
			}
		case x < 18 && !e.isAborted():
			e.k.status()
			e.k.retransmit([]fc.RCtl{fc.RCtlData, fc.RCtlStatus, fc.RCtlDataDescriptor}[rnd.IntN(3)], uint32(rnd.IntN(1<<16)))
		case x < 19:
			e.forget()
		}
		kept := all[:0]
		for _, e := range all {
			if !e.isClosed() {
				kept = append(kept, e)
			}
		}
		all = kept
	}
}

func (e *fakeExchange) isClosed() bool {
	e.c.r.mu.Lock()
	defer e.c.r.mu.Unlock()
	return e.closed
}

func (e *fakeExchange) isAborted() bool {
	e.c.r.mu.Lock()
	defer e.c.r.mu.Unlock()
	return e.aborted || e.closed
}

// forget is nport's Forgotten, of an exchange that is finished.
func (e *fakeExchange) forget() {
	e.c.r.mu.Lock()
	does := e.finished && !e.closed && !e.aborted
	e.c.r.mu.Unlock()
	if does {
		e.k.forgotten()
	}
}

// size is how much data-out the command has. Nobody else takes the task for another command: its initiator is the caller.
func (e *fakeExchange) size() int64 {
	e.k.mu.Lock()
	defer e.k.mu.Unlock()
	return e.k.HaveOut
}

// some brings some of the frames, in any order.
func (e *fakeExchange) some(all []*fc.Frame, rnd *rand.Rand) {
	for _, i := range rnd.Perm(len(all)) {
		if rnd.IntN(8) > 0 && !e.isAborted() {
			e.k.frame(all[i])
		}
	}
	e.c.r.Flush()
}

// FuzzFrames brings an initiator's frames in any state, by a program of bytes: nothing is answered twice, posted after the end, or left.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	f.Add([]byte{1, 0, 0x21, 1, 0x22, 2, 0x33, 3, 0x44, 4, 0x55, 5})
	f.Add([]byte{0xff, 0x20, 0x80, 0x10, 0x41, 0x70, 0x71, 0x72})
	f.Fuzz(func(t *testing.T, program []byte) {
		r := newRig(t)
		r.asks.set(8<<10, 0)
		chans := []*fakeChannel{r.login("a", agreed), r.login("b", 0)}
		var all []*fakeExchange
		next := func() byte {
			if len(program) == 0 {
				return 0
			}
			b := program[0]
			program = program[1:]
			return b
		}
		for len(program) > 0 {
			op := next()
			var e *fakeExchange
			if len(all) > 0 {
				e = all[int(op>>4)%len(all)]
			}
			switch op & 15 {
			case 0, 1, 2:
				b := make([]byte, 32+int(next()&7))
				for i := range min(len(program), len(b)) {
					b[i] = next()
				}
				if b[10]&0xf0 != 0 {
					b[10] = 0
				}
				b[12] = []byte{0x28, 0x2a, 0}[int(op)%3]
				if op&15 == 2 {
					b = b[:int(next())%len(b)]
				}
				c := chans[int(op>>4)&1]
				if c.lost.Load() {
					break
				}
				c.command(&fc.Frame{Header: fc.Header{RCtl: fc.RCtlCommand, Type: fc.TypeFCP}, First: true, Last: true, Payload: b})
				all = append(all, c.last)
			case 3, 4, 5, 6:
				x := &fc.Frame{Header: fc.Header{
					RCtl: fc.RCtl(1 + next()&7), Type: fc.TypeFCP, FCtl: fc.FCtl(next())<<16 | fc.FCtl(next()&8), DFCtl: next() & 1,
					Parameter: uint32(next())<<8 | uint32(next()),
				}, First: next()&1 != 0, Last: next()&1 != 0, Payload: make([]byte, int(next())*8)}
				fillPattern(x.Payload, int64(x.Parameter))
				if e != nil {
					e.give(x)
				}
			case 7:
				if e != nil {
					e.give(dataFrames(0, int(min(e.size(), 1<<16)), 1024)...)
				}
			case 8:
				if e != nil && !e.isAborted() {
					e.abts()
				}
			case 9:
				if e != nil && !e.isAborted() {
					e.k.status()
					e.k.retransmit(fc.RCtl(next()&7), uint32(next())<<8)
				}
			case 10:
				if e != nil {
					e.forget()
				}
			case 11:
				r.unit.release()
			case 12:
				r.hold = !r.hold
			case 13:
				r.Flush()
			case 14:
				r.asks.tick()
			case 15:
				if op>>4 == 15 {
					chans[0].lose()
				}
			}
		}
		r.close()
		if r.unit.wrong != 0 || r.other.wrong != 0 {
			t.Errorf("%d bytes are wrong", r.unit.wrong)
		}
	})
}
