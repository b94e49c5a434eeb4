package fabric

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// Frames are carried where zoning lets them, and nowhere else.
func TestCarry(t *testing.T) {
	with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
		in, hidden := attach(t, f, target), attach(t, f, target+1)
		f.Zone(zoning{{target + 1, host}: true})
		id, other := login(t, f, host), login(t, f, host+1)
		for _, c := range []struct {
			d    fc.ID
			want int
		}{{in.id, 1}, {hidden.id, 0}, {other, 0}, {id, 0}, {0, 0}, {0xffffff, 0}, {0xfffff5, 0}, {0x020001, 0}} {
			f.Received(frame(id, c.d, []byte("abcd")))
			f.Batch()
			if n := len(in.take()) + len(hidden.take()) + len(y.take()); n != c.want {
				t.Errorf("a frame to %v: %d have come", c.d, n)
			}
		}
		f.Received(frame(0x010999, in.id, []byte("abcd"))) // nobody
		if n := len(in.take()); n != 0 {
			t.Error("a frame of nobody was carried")
		}
		for _, c := range []struct {
			s    *local
			d    fc.ID
			want int
		}{{in, id, 1}, {in, other, 1}, {hidden, id, 0}, {hidden, other, 1}, {in, hidden.id, 1}, {in, 0x010999, 0}, {in, 0, 0}, {in, 0xfffff5, 0}} {
			before := len(c.s.sent)
			if !c.s.Post(&fc.Sequence{Header: fc.Header{D: c.d, S: c.s.id}, Data: buffer.Of(make([]byte, 600)), Len: 600}) {
				t.Error("not taken")
			}
			c.s.Flush()
			n := len(hidden.take()) + len(y.take())
			if n != c.want || len(c.s.sent) != before+1 || c.s.sent[before] != nil {
				t.Errorf("from %v to %v: %d have come, %v", c.s.id, c.d, n, c.s.sent[before:])
			}
		}
		// The link is down: what is posted comes back.
		y.mu.Lock()
		y.down = true
		y.mu.Unlock()
		in.Post(&fc.Sequence{Header: fc.Header{D: id, S: in.id}})
		in.Flush()
		y.mu.Lock()
		y.down = false
		y.mu.Unlock()
		if s := in.Stats(); s.BytesQueued != 0 || s.FramesIn != 1 {
			t.Errorf("%+v", s)
		}
		// Close waits for what is on its way.
		y.mu.Lock()
		y.stuck = true
		y.mu.Unlock()
		in.Post(&fc.Sequence{Header: fc.Header{D: id, S: in.id}})
		closed := make(chan struct{})
		for range 2 {
			go func() {
				in.Close()
				closed <- struct{}{}
			}()
		}
		synctest.Wait()
		if len(closed) != 0 {
			t.Error("Close has not waited")
		}
		y.mu.Lock()
		y.stuck = false
		y.mu.Unlock()
		y.Flush()
		<-closed
		<-closed
		hidden.Close()
	})
}

// Frames get longer or shorter: ports inside are told.
func TestChange(t *testing.T) {
	with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
		in := attach(t, f, target)
		defer in.Close()
		f.Change(1452, 1<<20)
		f.Change(1452, 1<<20)
		synctest.Wait()
		if in.ups != 2 {
			t.Errorf("Up %d times", in.ups)
		}
		if i := f.Info(); i.State != "up" || len(i.Lines) != 1 || !strings.Contains(i.Lines[0], "inside") {
			t.Errorf("%+v", i)
		}
	})
}

// A flood of requests whose answers nobody takes is bounded.
func TestReplies(t *testing.T) {
	with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
		id := login(t, f, host)
		y.stuck = true
		for range 10 * maxReplies {
			f.Received(frame(id, fc.NameServer, els.AppendRTV(nil)))
		}
		f.Batch()
		if len(y.queue) != maxReplies {
			t.Errorf("%d answers wait", len(y.queue))
		}
		y.stuck = false
		y.Flush()
		y.take()
		link(t, f, y, id, fc.NameServer, els.AppendRTV(nil))
	})
}
