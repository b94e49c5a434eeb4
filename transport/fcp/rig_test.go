package fcp

import (
	"encoding/binary"
	"log/slog"
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// tb is what testing.TB and rapid.T have in common.
type tb interface {
	Helper()
	Error(...any)
	Errorf(string, ...any)
	Fatal(...any)
	Fatalf(string, ...any)
}

// A rig is a target with channels whose port and network are the test itself, which decides when sequences have been sent.
type rig struct {
	tb    tb
	arena *buffer.Arena
	unit  *fakeUnit // at LUN 0
	other *fakeUnit // at LUN 1
	tgt   *target.Target
	port  *target.Port
	asks  *asks
	chans []*fakeChannel

	mu    sync.Mutex
	queue []posted
	busy  bool
	hold  bool // Flush sends nothing
	down  bool // nothing is taken
	// frames looks at what is sent, if it is not nil, instead of the exchange's log.
	frames func(e *fakeExchange, h fc.Header, b []byte)
}

type posted struct {
	e *fakeExchange
	s *fc.Sequence
}

// A fakeChannel is a channel and the remote port of it.
type fakeChannel struct {
	*channel
	r      *rig
	open   map[*fakeExchange]bool
	last   *fakeExchange
	refuse bool
	ended  []error
	gone   bool
}

// A fakeExchange is the exchange of a task, at the target's end.
type fakeExchange struct {
	c        *fakeChannel
	k        *task
	posted   map[*fc.Sequence]bool // and whether it is cancelled
	finished bool
	closed   bool
	aborted  bool
	in       []sent // what the initiator has
}

// A sent is a sequence as the initiator has it.
type sent struct {
	fc.Header
	b []byte
}

func newRig(t tb) *rig {
	arena := buffer.NewArena(32 << 20)
	r := &rig{tb: t, arena: arena, unit: newFakeUnit(arena), other: newFakeUnit(arena), asks: newAsks()}
	var err error
	if r.tgt, err = target.NewTarget("t", target.Mapping{Unit: target.NewUnit("u", r.unit)}, target.Mapping{LUN: 1 << 48, Unit: target.NewUnit("o", r.other)}); err != nil {
		t.Fatal(err)
	}
	if r.port, err = r.tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolFCP, Name: "p"}); err != nil {
		t.Fatal(err)
	}
	return r
}

// agreed are the service parameters of an initiator like Linux.
const agreed = iu.ParamConfirm | iu.ParamRetry

// login is a channel of an initiator with a name and service parameters.
func (r *rig) login(name string, params uint32) *fakeChannel {
	nx, err := r.port.Login(target.Initiator{Name: name})
	if err != nil {
		r.tb.Fatal(err)
	}
	c := &fakeChannel{r: r, open: make(map[*fakeExchange]bool)}
	c.channel = newChannel(channelConfig{
		remote: c, port: r, nexus: nx, asks: r.asks, arena: r.arena, solicited: 16 << 20, params: params, log: slog.New(slog.DiscardHandler),
		owes: func(why error) { c.ended = append(c.ended, why) }, over: func() { c.gone = true },
	})
	r.chans = append(r.chans, c)
	return c
}

// close ends everything and checks that all was given back.
func (r *rig) close() {
	r.tb.Helper()
	for _, u := range []*fakeUnit{r.unit, r.other} {
		for range 3 {
			u.release()
		}
	}
	for _, c := range r.chans {
		c.lose()
	}
	r.mu.Lock()
	r.hold = false
	r.mu.Unlock()
	r.Flush()
	for _, u := range []*fakeUnit{r.unit, r.other} {
		u.release()
		if u.started != u.ended {
			r.tb.Errorf("%d tasks started, %d ended", u.started, u.ended)
		}
	}
	r.Flush()
	for _, c := range r.chans {
		if !c.gone || len(c.open) != 0 {
			r.tb.Errorf("a channel is left, with %d exchanges; gone %v", len(c.open), c.gone)
		}
		if n := c.held.Load(); n != 0 {
			r.tb.Errorf("%d bytes are held", n)
		}
	}
	if r.asks.out != 0 || len(r.asks.ring) != 0 || r.asks.active != nil || r.asks.channels != 0 {
		r.tb.Errorf("asks: %d bytes out, %d in line, active %v, %d channels", r.asks.out, len(r.asks.ring), r.asks.active, r.asks.channels)
	}
	r.asks.close()
	if n := r.arena.Outstanding(); n != 0 {
		r.tb.Errorf("%d bytes of the arena are out", n)
	}
	_ = r.arena.Close()
}

// Accept implements remote.
func (c *fakeChannel) Accept(_ *fc.Frame, x *nport.Exchange) bool {
	if c.refuse {
		return false
	}
	e := &fakeExchange{c: c, k: x.Owner.(*task), posted: make(map[*fc.Sequence]bool)}
	e.k.wire = e
	c.r.mu.Lock()
	c.open[e] = true
	c.last = e
	c.r.mu.Unlock()
	return true
}

// Logout implements remote.
func (c *fakeChannel) Logout(bool, error) { c.lose() }

func (e *fakeExchange) Post(s *fc.Sequence) bool {
	r := e.c.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, twice := e.posted[s]; twice || e.closed {
		panic("a sequence is posted twice, or after the end")
	}
	if r.down || e.c.lost.Load() || e.aborted {
		return false
	}
	e.posted[s] = false
	r.queue = append(r.queue, posted{e, s})
	return true
}

func (e *fakeExchange) Cancel(s *fc.Sequence) {
	e.c.r.mu.Lock()
	defer e.c.r.mu.Unlock()
	if _, is := e.posted[s]; is { // else Sent is just being called
		e.posted[s] = true
	}
}

func (e *fakeExchange) Finish() {
	e.c.r.mu.Lock()
	defer e.c.r.mu.Unlock()
	if e.finished || e.closed {
		panic("finished twice, or after the end")
	}
	e.finished = true
}

func (e *fakeExchange) Close() {
	e.c.r.mu.Lock()
	defer e.c.r.mu.Unlock()
	if e.closed || len(e.posted) > 0 {
		panic("closed twice, or with something posted")
	}
	e.closed = true
	delete(e.c.open, e)
}

// Flush implements flusher: what is posted is sent.
func (r *rig) Flush() {
	r.mu.Lock()
	if r.busy || r.hold {
		r.mu.Unlock()
		return
	}
	r.busy = true
	r.mu.Unlock()
	for r.send() {
	}
	r.mu.Lock()
	r.busy = false
	r.mu.Unlock()
}

// send sends the sequence that was posted first.
func (r *rig) send() bool {
	r.mu.Lock()
	if len(r.queue) == 0 {
		r.mu.Unlock()
		return false
	}
	p := r.queue[0]
	r.queue = r.queue[1:]
	cancelled := p.e.posted[p.s] || p.e.c.lost.Load()
	delete(p.e.posted, p.s)
	var b []byte
	if !cancelled {
		b = append(b, p.s.Head...)
		for at := p.s.At; at < p.s.At+p.s.Len; {
			m := p.s.Data.At(at)
			m = m[:min(int64(len(m)), p.s.At+p.s.Len-at)]
			b = append(b, m...)
			at += int64(len(m))
		}
	}
	look := r.frames
	if !cancelled && look == nil {
		p.e.in = append(p.e.in, sent{p.s.Header, b})
	}
	h := p.s.Header
	r.mu.Unlock()
	if !cancelled && look != nil {
		look(p.e, h, b)
	}
	var err error
	if cancelled {
		err = fc.ErrCancelled
	}
	p.s.Owner.(*sequence).returned(err)
	return true
}

// do brings a command.
func (c *fakeChannel) do(x iu.Command) *fakeExchange {
	c.command(&fc.Frame{Header: fc.Header{RCtl: fc.RCtlCommand, Type: fc.TypeFCP, FCtl: fc.FCtlRequest}, First: true, Last: true, Payload: x.Append(nil)})
	c.r.Flush()
	return c.last
}

// way says how the fake unit does a command: byte 9 of the CDB.
type way byte

const (
	pieces     way = 1 // data-in in pieces of 1000 bytes
	fails      way = 2 // CHECK CONDITION
	descriptor way = 4
	held       way = 8 // until release
)

func cdb10(op scsi.Opcode, blocks int, w way) (c [16]byte) {
	c[0] = byte(op)
	binary.BigEndian.PutUint16(c[7:], uint16(blocks))
	c[9] = byte(w)
	return c
}

func readOf(blocks int, w way) iu.Command {
	return iu.Command{Read: true, CDB: cdb10(scsi.OpRead10, blocks, w), Len: uint32(blocks * 512)}
}

func writeOf(blocks int, w way) iu.Command {
	return iu.Command{Write: true, CDB: cdb10(scsi.OpWrite10, blocks, w), Len: uint32(blocks * 512)}
}

// pattern is n bytes that say where they are from.
func pattern(n int) []byte {
	b := make([]byte, n)
	fillPattern(b, 0)
	return b
}

func fillPattern(b []byte, off int64) {
	for i := range b {
		o := off + int64(i)
		b[i] = byte(o*7 + o>>9*13 + o>>16)
	}
}

// dataFrames are the frames of a burst of write data.
func dataFrames(off, n, size int) (all []*fc.Frame) {
	for at := 0; at < n; at += size {
		b := make([]byte, min(size, n-at))
		fillPattern(b, int64(off+at))
		f := &fc.Frame{Header: fc.Header{RCtl: fc.RCtlData, Type: fc.TypeFCP, FCtl: fc.FCtlRelativeOffset, Parameter: uint32(off + at)}, First: at == 0, Payload: b}
		if at+size >= n {
			f.Last = true
			f.FCtl |= fc.FCtlEndSequence | fc.FCtlSequenceInitiative
		}
		all = append(all, f)
	}
	return all
}

// give brings a frame of the exchange.
func (e *fakeExchange) give(all ...*fc.Frame) {
	for _, f := range all {
		if !e.closed && !e.aborted && !e.c.lost.Load() {
			e.k.frame(f)
		}
	}
	e.c.r.Flush()
}

// abts brings an ABTS, and reports whether it has been answered.
func (e *fakeExchange) abts() *bool {
	answered := new(bool)
	e.c.r.mu.Lock()
	e.aborted = true
	e.c.r.mu.Unlock()
	e.k.abort(func() {
		if len(e.posted) > 0 || *answered {
			panic("answered twice, or with something posted")
		}
		*answered = true
	})
	e.c.r.Flush()
	return answered
}

// takes are the sequences that have come since it was called last.
func (e *fakeExchange) take() []sent {
	e.c.r.mu.Lock()
	defer e.c.r.mu.Unlock()
	all := e.in
	e.in = nil
	return all
}

// came is how many sequences have come.
func (e *fakeExchange) came() int {
	e.c.r.mu.Lock()
	defer e.c.r.mu.Unlock()
	return len(e.in)
}

// response takes the one sequence that has come, which is an FCP_RSP.
func (e *fakeExchange) response() iu.Response {
	e.c.r.tb.Helper()
	all := e.take()
	if len(all) != 1 || all[0].RCtl != fc.RCtlStatus {
		e.c.r.tb.Fatalf("%d sequences have come, not a response: %v", len(all), all)
	}
	x, err := iu.ParseResponse(all[0].b)
	if err != nil {
		e.c.r.tb.Fatal(err)
	}
	return x
}

// ready takes the one sequence that has come, which is an FCP_XFER_RDY.
func (e *fakeExchange) ready() iu.Ready {
	e.c.r.tb.Helper()
	all := e.take()
	if len(all) != 1 || all[0].RCtl != fc.RCtlDataDescriptor {
		e.c.r.tb.Fatalf("%d sequences have come, not FCP_XFER_RDY: %v", len(all), all)
	}
	x, err := iu.ParseReady(all[0].b)
	if err != nil {
		e.c.r.tb.Fatal(err)
	}
	return x
}
