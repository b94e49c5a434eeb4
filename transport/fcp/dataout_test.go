package fcp

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp/iu"
	"pgregory.net/rapid"
)

// TestExtents: what is there is what was added, and what is missing is the rest.
func TestExtents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 120
		var e extents
		var is [size]bool
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			from := rapid.IntRange(0, size-1).Draw(t, "from")
			to := rapid.IntRange(from, size).Draw(t, "to")
			for {
				x := e.gap(int64(from), int64(to))
				want := extent{int64(to), int64(to)}
				for i := from; i < to; i++ {
					if !is[i] {
						j := i
						for j < to && !is[j] {
							j++
						}
						want = extent{int64(i), int64(j)}
						break
					}
				}
				if x.empty() != want.empty() || !x.empty() && x != want {
					t.Fatalf("the gap of %d..%d is %v, not %v", from, to, x, want)
				}
				if x.empty() || !e.add(x) {
					break
				}
				for i := x.from; i < x.to; i++ {
					is[i] = true
				}
			}
			to = 0
			for to < size && is[to] {
				to++
			}
			if e.to != int64(to) {
				t.Fatalf("all up to %d is there, not %d", to, e.to)
			}
		}
	})
}

// good checks that a write has ended well.
func good(t *testing.T, e *fakeExchange) {
	t.Helper()
	if a := e.response(); a.Status != 0 || a.Residual != 0 || a.HasCode {
		t.Fatalf("%+v", a)
	}
	if n := e.c.r.unit.wrong; n != 0 {
		t.Fatalf("%d bytes are wrong", n)
	}
}

// TestFramesInAnyOrder: frames are put where they belong, whatever their order, and those that come twice once.
func TestFramesInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t)
		defer r.close()
		c := r.login("a", 0)
		n := rapid.IntRange(1, 30).Draw(t, "blocks")
		e := c.do(writeOf(n, 0))
		e.take()
		all := dataFrames(0, n*512, rapid.SampledFrom([]int{512, 1000, 2048}).Draw(t, "size"))
		for range rapid.IntRange(0, 5).Draw(t, "twice") {
			all = append(all, all[rapid.IntRange(0, len(all)-1).Draw(t, "which")])
		}
		e.give(rapid.Permutation(all).Draw(t, "order")...)
		if a := e.response(); a.Status != 0 || r.unit.wrong != 0 {
			t.Fatalf("%+v, %d bytes are wrong", a, r.unit.wrong)
		}
		if got := c.copied.Load(); got != int64(n*512) {
			t.Fatalf("%d bytes are copied", got)
		}
	})
}

// TestNotAskedFor: data that is not asked for, or has no place, is thrown away and counted.
func TestNotAskedFor(t *testing.T) {
	r := newRig(t)
	defer r.close()
	c := r.login("a", 0)
	e := c.do(writeOf(8, 0))
	e.ready()
	all := dataFrames(0, 4096, 1024)
	beyond := *all[0]
	beyond.Parameter = 4096 - 1023
	nowhere := *all[1]
	nowhere.FCtl = 0
	optional := *all[1]
	optional.DFCtl = 0x10
	other := *all[1]
	other.RCtl = fc.RCtlUnsolicitedData
	e.give(&beyond, &nowhere, &optional, &other)
	if n := c.ignored.Load(); n != 4 {
		t.Errorf("%d frames are ignored", n)
	}
	e.give(all...)
	good(t, e)
	e.give(all...)
	read := c.do(readOf(8, held))
	read.give(all...)
	r.unit.release()
	if len(read.take()) != 2 {
		t.Error("a read was disturbed")
	}
}

// TestBursts: what is asked for at a time is bounded, for one task and over all.
func TestBursts(t *testing.T) {
	r := newRig(t)
	defer r.close()
	r.asks.set(128<<10, 0)
	c := r.login("a", 0)
	e := c.do(writeOf(3000, 0)) // 1.5 MB: a piece of MaxPiece, and the rest
	at := 0
	for at < 3000*512 {
		y := e.ready()
		want := min(64<<10, 3000*512-at)
		if at < 1<<20 {
			want = min(want, 1<<20-at)
		}
		if int(y.Offset) != at || int(y.Len) != want {
			t.Fatalf("at %d: %+v, not %d bytes", at, y, want)
		}
		e.give(dataFrames(at, want, 2048)...)
		at += want
	}
	good(t, e)
}

// TestSlow: an initiator whose data has not come in E_D_TOV is asked for little at a time, until a burst has come whole.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.asks.set(4<<20, 2*time.Second)
		c := r.login("a", 0)
		e := c.do(writeOf(2000, 0))
		if y := e.ready(); y.Len != 512<<10 {
			t.Fatalf("%+v at first", y)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if y := e.ready(); y.Offset != 0 || y.Len != leastBurst {
			t.Fatalf("%+v when nothing has come", y)
		}
		e.give(dataFrames(0, leastBurst, 2048)...)
		if y := e.ready(); y.Offset != leastBurst || y.Len != 512<<10 {
			t.Fatalf("%+v when something has come", y)
		}
		e.give(dataFrames(leastBurst, 512<<10, 2048)...)
		for at := leastBurst + 512<<10; at < 2000*512; {
			y := e.ready()
			e.give(dataFrames(at, int(y.Len), 2048)...)
			at += int(y.Len)
		}
		good(t, e)
	})
}

// TestTurns: initiators have their turns, whatever number of commands each has, and one that sends nothing leaves the others
// a quarter.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.asks.set(256<<10, 2*time.Second)
		a, b := r.login("a", 0), r.login("b", 0)
		var lazy []*fakeExchange
		for range 6 {
			lazy = append(lazy, a.do(writeOf(128, 0))) // 64 KiB each: three are asked
		}
		asked := func(all []*fakeExchange) (n int) {
			for _, e := range all {
				if e.came() > 0 {
					n++
				}
			}
			return n
		}
		if n := asked(lazy); n != 3 {
			t.Errorf("%d of the first initiator are asked", n)
		}
		for i := range 5 {
			e := b.do(writeOf(128, 0))
			if asked([]*fakeExchange{e}) != 1 {
				t.Fatalf("command %d of the second initiator has to wait", i)
			}
			e.take()
			e.give(dataFrames(0, 64<<10, 2048)...)
			good(t, e)
		}
		// Both have commands in line: they take turns.
		var more []*fakeExchange
		for range 4 {
			more = append(more, b.do(writeOf(128, 0)))
		}
		if n := asked(more); n != 1 {
			t.Errorf("%d of the second initiator are asked", n)
		}
		lazy[0].take()
		lazy[0].give(dataFrames(0, 64<<10, 2048)...)
		// What was given back is left free for others: both have as much as there is free, or more.
		if x, y := asked(lazy[1:]), asked(more); x != 2 || y != 1 {
			t.Errorf("%d of the first, and %d of the second initiator are asked", x, y)
		}
		c := r.login("c", 0)
		if e := c.do(writeOf(128, 0)); e.came() != 1 {
			t.Error("a third initiator has to wait")
		} else {
			e.take()
			e.give(dataFrames(0, 64<<10, 2048)...)
			good(t, e)
		}
		// An aborted command gives back what it has, or leaves its line.
		for _, e := range append(lazy[1:], more...) {
			if !*e.abts() || !e.closed {
				t.Error("an abort is not answered")
			}
		}
		if r.asks.out != 0 {
			t.Errorf("%d bytes are out", r.asks.out)
		}
		synctest.Wait()
	})
}

// TestAskedAgain: what is lost is asked for again, that alone, and after a moment for frames which come late.
func TestAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		c := r.login("a", 0)
		e := c.do(writeOf(16, 0)) // 8 frames
		e.ready()
		all := dataFrames(0, 8192, 1024)
		e.give(all[0], all[2], all[3], all[5], all[7])
		time.Sleep(reorderTime / 2)
		e.give(all[4]) // late
		time.Sleep(reorderTime * 3)
		e.c.r.Flush()
		if y := e.ready(); y != (iu.Ready{Offset: 1024, Len: 1024}) {
			t.Errorf("%+v", y)
		}
		e.give(dataFrames(1024, 1024, 512)...)
		if y := e.ready(); y != (iu.Ready{Offset: 6144, Len: 1024}) {
			t.Errorf("%+v", y)
		}
		// The last frame is lost: nothing says so but time.
		start := time.Now()
		for e.came() == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		if d := time.Since(start); d < defaultErrorDetect || d > defaultErrorDetect*3/2 {
			t.Errorf("asked again after %v", d)
		}
		e.ready()
		e.give(dataFrames(6144, 1024, 1024)...)
		good(t, e)
	})
}

// TestOldInitiative: a second copy of the end of a burst says nothing of the next.
func TestOldInitiative(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.asks.set(128<<10, 0)
		c := r.login("a", 0)
		e := c.do(writeOf(256, 0))
		e.ready()
		first := dataFrames(0, 64<<10, 2048)
		e.give(first...)
		if y := e.ready(); y != (iu.Ready{Offset: 64 << 10, Len: 64 << 10}) {
			t.Fatalf("%+v", y)
		}
		e.give(first[len(first)-1])
		time.Sleep(reorderTime * 3)
		synctest.Wait()
		if n := e.came(); n != 0 {
			t.Errorf("it is asked for %d times more what is on its way", n)
		}
		e.give(dataFrames(64<<10, 64<<10, 2048)...)
		good(t, e)
	})
}

// TestNeverComes: a command ends whose data does not come, however often it is asked for; one of which a little comes each
// time does not, but its initiator is logged out in the end.
func TestNeverComes(t *testing.T) {
	for _, params := range []uint32{0, agreed} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			defer r.close()
			c := r.login("a", params)
			e := c.do(writeOf(16, 0))
			start := time.Now()
			for in := 0; in < 5; {
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				in = e.came()
				if time.Since(start) > time.Minute {
					t.Fatalf("%d sequences in a minute", in)
				}
			}
			synctest.Wait()
			all := e.take()
			a, err := iu.ParseResponse(all[len(all)-1].b)
			if len(all) != 5 || err != nil || a.Status != uint8(scsi.CheckCondition) || a.Sense[2] != 0xb || a.Sense[12] != 0x4b || a.Sense[13] != 6 {
				t.Errorf("%d sequences, %v, %+v", len(all), err, a)
			}
			if d, most := time.Since(start), 9500*time.Millisecond+time.Duration(params)/agreed*6*time.Second; d > most {
				t.Errorf("it took %v", d)
			}
			if r.asks.out != 0 {
				t.Errorf("%d bytes are out", r.asks.out)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		c := r.login("a", 0)
		e := c.do(writeOf(2000, 0))
		all := dataFrames(0, 2000*512, 512)
		for i := range 300 {
			if len(c.ended) == 0 {
				e.give(all[i])
				time.Sleep(time.Second)
				c.check()
			}
		}
		if !slices.Contains(c.ended, errGives) || len(c.ended) != 1 {
			t.Errorf("ended: %v", c.ended)
		}
	})
}

// TestLinuxRecovers: an initiator with REC and SRR finds out itself what is lost, and asks for FCP_XFER_RDY from there on: it does
// not take one that it has not asked for.
func TestLinuxRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		c := r.login("a", agreed)
		e := c.do(writeOf(16, 0))
		if s := e.k.status(); s.Complete || s.Initiative || s.Transferred != 0 {
			t.Errorf("%+v", s)
		}
		if !e.k.retransmit(fc.RCtlDataDescriptor, 0) { // the first was lost
			t.Error("SRR is rejected")
		}
		all := e.take()
		if len(all) != 2 {
			t.Fatalf("%d sequences", len(all))
		}
		frames := dataFrames(0, 8192, 1024)
		e.give(frames[:3]...)
		e.give(frames[4:]...)
		time.Sleep(3 * time.Second)
		if e.came() != 0 {
			t.Error("it was asked again")
		}
		if s := e.k.status(); s.Complete || s.Initiative || s.Transferred != 3072 {
			t.Errorf("%+v", s)
		}
		if e.k.retransmit(fc.RCtlDataDescriptor, 8192) || e.k.retransmit(fc.RCtlStatus, 0) || e.k.retransmit(fc.RCtlData, 0) {
			t.Error("what cannot be is sent")
		}
		if !e.k.retransmit(fc.RCtlDataDescriptor, 3072) {
			t.Error("SRR is rejected")
		}
		if y := e.ready(); y != (iu.Ready{Offset: 3072, Len: 5120}) {
			t.Errorf("%+v", y)
		}
		e.give(dataFrames(3072, 5120, 1024)...)
		good(t, e)
		if s := e.k.status(); !s.Complete || s.Initiative || s.Transferred != 8192 {
			t.Errorf("%+v", s)
		}
	})
}
