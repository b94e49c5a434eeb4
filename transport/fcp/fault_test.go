package fcp

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// A fault is what happens to one frame.
type fault int

const (
	drops fault = iota
	doubles
	delays // behind the next
	late   // for 50 ms
)

func (f fault) String() string { return [...]string{"drop", "double", "delay", "late"}[f] }

// A host is an initiator's end of one command on a wire with faults. It does what Linux does, with REC and SRR or without.
type host struct {
	c     *fakeChannel
	cmd   iu.Command
	retry bool
	e     *fakeExchange // the target's end, if the command has arrived

	data     []byte // of a read
	have     extents
	sent     int64 // of a write: as Linux counts it
	response *iu.Response
	failed   string
	heard    time.Time

	mu     sync.Mutex
	frames int // so many have passed
	at     int // the one that suffers
	what   fault
	rand   *rand.Rand // if not nil any frame may suffer anything, one of a number
	one    int
	queue  []func() // deliveries
	behind func()   // one that is delayed
	later  []func()
	due    time.Time
}

// pass takes a frame of either direction; deliver brings it to the other end.
func (h *host) pass(deliver func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frames++
	what, suffers := h.what, h.frames-1 == h.at
	if h.rand != nil {
		suffers, what = h.rand.IntN(h.one) == 0, fault(h.rand.IntN(4))
	}
	if !suffers {
		h.queue = append(h.queue, deliver)
		if h.behind != nil {
			h.queue = append(h.queue, h.behind)
			h.behind = nil
		}
		return
	}
	switch what {
	case doubles:
		h.queue = append(h.queue, deliver, deliver)
	case delays:
		if h.behind != nil {
			h.queue = append(h.queue, h.behind)
		}
		h.behind = deliver
	case late:
		h.later = append(h.later, deliver)
		h.due = time.Now().Add(50 * time.Millisecond)
	}
}

// deliver delivers what there is, and reports that there was something.
func (h *host) deliver() (did bool) {
	for {
		h.mu.Lock()
		if len(h.queue) == 0 && len(h.later) > 0 && time.Now().After(h.due) {
			h.queue, h.later = h.later, nil
		}
		if len(h.queue) == 0 {
			if h.behind != nil { // nothing follows
				h.later, h.behind = append(h.later, h.behind), nil
				h.due = time.Now()
			}
			h.mu.Unlock()
			h.c.r.Flush()
			return did
		}
		f := h.queue[0]
		h.queue = h.queue[1:]
		h.mu.Unlock()
		f()
		did = true
	}
}

// frameLen is how much payload the frames of the faulty wire have.
const frameLen = 512

// out takes a sequence of the target, and cuts it into frames.
func (h *host) out(e *fakeExchange, x fc.Header, b []byte) {
	for at := 0; at == 0 || at < len(b); at += frameLen {
		part, y := b[at:min(at+frameLen, len(b))], x
		if x.RCtl == fc.RCtlData {
			y.Parameter += uint32(at)
		}
		h.pass(func() { h.take(e, y, part) })
	}
}

// take takes a frame of the target.
func (h *host) take(_ *fakeExchange, x fc.Header, b []byte) {
	if h.failed != "" {
		return
	}
	h.heard = time.Now()
	switch x.RCtl {
	case fc.RCtlData:
		copy(h.data[x.Parameter:], b)
		if g := h.have.gap(int64(x.Parameter), int64(x.Parameter)+int64(len(b))); !g.empty() {
			h.have.add(g)
		}
	case fc.RCtlDataDescriptor:
		y, err := iu.ParseReady(b)
		if err != nil {
			panic(err)
		}
		h.sent += int64(y.Len)
		for _, f := range dataFrames(int(y.Offset), int(y.Len), frameLen) {
			h.in(f)
		}
	case fc.RCtlStatus:
		y, err := iu.ParseResponse(b)
		if err != nil {
			panic(err)
		}
		y.Sense = append([]byte(nil), y.Sense...)
		h.response = &y
		if y.Confirm && h.complete() {
			h.in(conf())
		}
	}
}

// in sends a frame of the exchange.
func (h *host) in(f *fc.Frame) {
	h.pass(func() {
		if h.e != nil {
			h.e.give(f)
		}
	})
}

// start sends the command. A second copy of it is nport's business.
func (h *host) start() {
	h.heard = time.Now()
	h.pass(func() {
		if h.e == nil {
			h.e = h.c.do(h.cmd)
		}
	})
}

// complete reports that the host is content: it has a response, and the data that belongs to it.
func (h *host) complete() bool {
	return h.response != nil && (h.response.Status != 0 || !h.cmd.Read || h.have.to == int64(h.cmd.Len)-h.response.Residual)
}

// run runs the command to its end.
func (h *host) run() {
	h.start()
	for tries := 0; ; {
		if h.deliver() {
			continue
		}
		if h.complete() {
			if h.cmd.Write && h.response.Status == 0 && h.sent != int64(h.cmd.Len) {
				h.failed = "more was sent than asked for"
			}
			return
		}
		quiet := time.Since(h.heard)
		limit := 3 * time.Second
		if h.response != nil {
			limit = 20 * time.Millisecond
		}
		if !h.retry {
			limit = 30 * time.Second
		}
		if quiet < limit {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		h.heard = time.Now()
		if tries++; tries > 8 || !h.retry || !h.recover() {
			h.failed = "given up"
			if h.e != nil && !*h.e.abts() {
				h.failed = "the abort is not answered"
			}
			h.deliver()
			return
		}
	}
}

// recover asks how far the exchange is (REC), and for what is missing (SRR).
func (h *host) recover() bool {
	if h.e == nil || h.e.closed {
		h.e = nil
		h.start()
		return true
	}
	s := h.e.k.status()
	offset := s.Transferred
	rctl := fc.RCtlStatus
	switch {
	case h.cmd.Read && int64(offset) != h.have.to:
		rctl, offset = fc.RCtlData, uint32(h.have.to)
	case !s.Complete && s.Initiative:
		return true
	case h.cmd.Write && !s.Complete && offset < h.cmd.Len:
		rctl = fc.RCtlDataDescriptor
	}
	h.response, h.sent = nil, int64(offset)
	return h.e.k.retransmit(rctl, offset)
}

// TestFaults: each frame of each kind of command is lost, doubled and delayed in turn. No byte is wrong, nothing is left, and the command
// is done; or it fails, where FCP has nothing better.
func TestFaults(t *testing.T) {
	for name, cmd := range map[string]iu.Command{
		"no data": {}, "read": readOf(4, 0), "pieces": readOf(7, pieces), "held": readOf(80, 0), "fails": readOf(3, fails),
		"write": writeOf(4, 0), "bursts": writeOf(300, 0), "write fails": writeOf(3, fails),
	} {
		for _, retry := range []bool{false, true} {
			for _, what := range []fault{drops, doubles, delays, late} {
				for at, last := 0, 1; at < last; at++ {
					synctest.Test(t, func(t *testing.T) {
						id := fmt.Sprintf("%s, SRR %v, %v of frame %d", name, retry, what, at)
						r := newRig(t)
						r.asks.set(64<<10, 0)
						params := uint32(0)
						if retry {
							params = agreed
						}
						h := &host{c: r.login("a", params), cmd: cmd, retry: retry, at: at, what: what, data: make([]byte, cmd.Len)}
						r.frames = h.out
						h.run()
						last = h.frames
						if len(h.queue) == 0 {
							h.deliver()
						}
						check(t, id, h)
						r.close()
						synctest.Wait()
					})
					if at > 40 && last > 80 { // the middle is like the rest
						at = max(at, last-at-2)
					}
				}
			}
		}
	}
}

// check looks at what has come of a command.
func check(t *testing.T, id string, h *host) {
	t.Helper()
	if n := h.c.r.unit.wrong; n != 0 {
		t.Errorf("%s: %d bytes of data-out are wrong", id, n)
	}
	want := pattern(len(h.data))
	for i, b := range h.data {
		if int64(i) < h.have.to && b != want[i] {
			t.Fatalf("%s: byte %d of data-in is wrong", id, i)
		}
	}
	fails := way(h.cmd.CDB[9])&fails != 0
	if h.failed == "" && (h.response.Status == uint8(scsi.CheckCondition)) != fails {
		t.Errorf("%s: %+v", id, h.response)
	}
	// What must not fail: all that is there late or twice, and what is lost where it can be asked for again.
	lost := h.what == drops
	switch {
	case h.failed == "":
	case h.failed == "more was sent than asked for" && (h.what != drops || !h.retry):
	case h.failed != "given up":
		t.Errorf("%s: %s", id, h.failed)
	case h.what == late && h.retry && h.cmd.Read && h.cmd.Len <= heldLeast: // it has given up too soon
	case !lost:
		t.Errorf("%s: %s", id, h.failed)
	case h.retry && (h.cmd.Write || h.cmd.Len == 0 || h.cmd.Len > heldLeast):
		t.Errorf("%s: %s", id, h.failed)
	case !h.retry && h.at > 0 && h.cmd.Write && h.e != nil && !h.e.k.answer:
		t.Errorf("%s: %s", id, h.failed)
	}
}

// TestManyFaults: many frames suffer something. Writes and reads that are held go on whatever happens, with SRR; all others go on or fail, and no
// byte is wrong.
func TestManyFaults(t *testing.T) {
	seeds := uint64(200)
	if raceEnabled {
		seeds = 40
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			r := newRig(t)
			r.asks.set(64<<10, 0)
			params := []uint32{0, agreed}[rnd.IntN(2)]
			cmd := []iu.Command{readOf(200, 0), writeOf(200, 0), readOf(20, pieces), writeOf(600, 0)}[rnd.IntN(4)]
			h := &host{c: r.login("a", params), cmd: cmd, retry: params != 0, rand: rnd, one: 20 + rnd.IntN(200), data: make([]byte, cmd.Len)}
			r.frames = h.out
			h.run()
			if n := r.unit.wrong; n != 0 {
				t.Errorf("seed %d: %d bytes of data-out are wrong", seed, n)
			}
			for i, b := range pattern(int(h.have.to)) {
				if h.data[i] != b {
					t.Fatalf("seed %d: byte %d of data-in is wrong", seed, i)
				}
			}
			if h.failed == "the abort is not answered" {
				t.Errorf("seed %d: %s", seed, h.failed)
			}
			if cmd.Write && h.failed == "" && h.response.Status == 0 && r.unit.ended == 0 {
				t.Errorf("seed %d: GOOD of nothing", seed)
			}
			r.close()
			synctest.Wait()
		})
	}
}
