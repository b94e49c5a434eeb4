package fcp_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/initiator/fcp"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/network/fc/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

const (
	targetName    fc.Name = 0x2000_000000000002
	initiatorName fc.Name = 0x2000_000000000001
)

// A liar is a target that does what a test says with each command. Its frames are the test's own.
type liar struct {
	port   *nport.Port
	params uint32
	lies   func(x *deceit)

	mu  sync.Mutex
	got map[*nport.Exchange]*deceit
}

// A deceit is one command of it.
type deceit struct {
	nport.Exchange
	l       *liar
	command iu.Command
	frames  []fc.Frame // that came after the command
	status  nport.Status
	again   func(r fc.RCtl, offset uint32) bool
	frame   func(f *fc.Frame)
	lent    int
	ended   bool
}

// post sends one sequence of the exchange.
func (x *deceit) post(r fc.RCtl, f fc.FCtl, offset uint32, b []byte) {
	s := &fc.Sequence{Header: fc.Header{RCtl: r, Type: fc.TypeFCP, FCtl: f, Parameter: offset}}
	if len(b) > 0 {
		s.Data, s.Len = buffer.Of(bytes.Clone(b)), int64(len(b))
	}
	x.l.mu.Lock()
	x.lent++
	x.l.mu.Unlock()
	if !x.Post(s) {
		x.l.mu.Lock()
		x.lent--
		x.l.mu.Unlock()
	}
}

func (x *deceit) data(offset uint32, b []byte) {
	x.post(fc.RCtlData, fc.FCtlEndSequence|fc.FCtlRelativeOffset, offset, b)
}

func (x *deceit) ask(offset, n uint32) {
	x.post(fc.RCtlDataDescriptor, fc.FCtlEndSequence|fc.FCtlSequenceInitiative, 0, iu.Ready{Offset: offset, Len: n}.Append(nil))
}

func (x *deceit) respond(r iu.Response) {
	f := fc.FCtlEndSequence | fc.FCtlLastSequence
	if r.Confirm {
		f = fc.FCtlEndSequence | fc.FCtlSequenceInitiative
	}
	x.post(fc.RCtlStatus, f, 0, r.Append(nil))
}

func (l *liar) Login(*nport.Remote, uint32) (uint32, uint8) { return l.params, 1 }
func (l *liar) LoggedOut(*nport.Remote, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.got {
		x.ended = true
		x.close()
	}
}

// close closes what is over. l.mu is held.
func (x *deceit) close() {
	if x.ended && x.lent == 0 && x.l.got[&x.Exchange] != nil {
		delete(x.l.got, &x.Exchange)
		x.Close()
	}
}

func (l *liar) Command(r *nport.Remote, f *fc.Frame) {
	x := &deceit{l: l}
	x.Owner = x
	c, err := iu.ParseCommand(f.Payload)
	if err != nil || !r.Accept(f, &x.Exchange) {
		return
	}
	x.command = c
	l.mu.Lock()
	l.got[&x.Exchange] = x
	l.mu.Unlock()
	l.lies(x)
}

func (l *liar) Frame(e *nport.Exchange, f *fc.Frame) {
	x := e.Owner.(*deceit)
	g := *f
	g.Payload = bytes.Clone(f.Payload)
	l.mu.Lock()
	x.frames = append(x.frames, g)
	do := x.frame
	l.mu.Unlock()
	if do != nil {
		do(&g)
	}
}

func (l *liar) Abort(e *nport.Exchange, done func()) {
	l.mu.Lock()
	x := e.Owner.(*deceit)
	x.ended = true
	x.close()
	l.mu.Unlock()
	done()
}

func (l *liar) Status(e *nport.Exchange) nport.Status { return e.Owner.(*deceit).status }
func (l *liar) Retransmit(e *nport.Exchange, r fc.RCtl, offset uint32) bool {
	x := e.Owner.(*deceit)
	return x.again != nil && x.again(r, offset)
}
func (l *liar) Forgotten(*nport.Exchange) {}
func (l *liar) Sent(e *nport.Exchange, _ *fc.Sequence, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := e.Owner.(*deceit)
	x.lent--
	x.close()
}

// lie runs f with a login to a liar, in a bubble.
func lie(t *testing.T, params uint32, cfg fcp.Config, lies func(x *deceit), f func(c *fcp.Conn, n *sim.Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := sim.New()
		l := &liar{params: params, lies: lies, got: make(map[*nport.Exchange]*deceit)}
		port, err := nport.Open(n, nport.Config{Node: targetName - 0x1000_000000000000, Port: targetName, Protocol: fc.TypeFCP, Features: fc.FeatureTarget, Upper: l})
		if err != nil {
			t.Fatal(err)
		}
		l.port = port
		cfg.Node, cfg.Port = initiatorName-0x1000_000000000000, initiatorName
		p, err := fcp.Open(n, cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if c, err := p.Dial(ctx, targetName); err != nil {
			t.Error(err)
		} else {
			f(c, n)
		}
		_ = p.Close()
		port.Close(ctx)
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
}

const good = iu.ParamTarget | iu.ParamReadReadyDisabled | iu.ParamConfirm | iu.ParamRetry

// TestMistrust has targets that lie about data.
func TestMistrust(t *testing.T) {
	block := bytes.Repeat([]byte("0123456789abcdef"), 512) // 8 KiB
	other := bytes.Repeat([]byte("fedcba9876543210"), 512)
	read := func() *fcp.Command { return &fcp.Command{CDB: []byte{0x28, 9: 0}, In: make([]byte, len(block))} }
	write := func() *fcp.Command { return &fcp.Command{CDB: []byte{0x2a, 9: 0}, Out: block} }
	whole := uint32(len(block))
	for name, c := range map[string]struct {
		command *fcp.Command
		lies    func(x *deceit)
		want    error // nil: it is no lie
	}{
		"all in one":        {read(), func(x *deceit) { x.data(0, block); x.respond(iu.Response{}) }, nil},
		"in any order":      {read(), func(x *deceit) { x.data(4096, block[4096:]); x.data(0, block[:4096]); x.respond(iu.Response{}) }, nil},
		"behind the status": {read(), func(x *deceit) { x.respond(iu.Response{}); x.data(0, block) }, nil},
		"twice":             {read(), func(x *deceit) { x.data(0, block); x.data(512, block[512:4096]); x.respond(iu.Response{}) }, nil},
		"twice, and other":  {read(), func(x *deceit) { x.data(0, block); x.data(512, other[512:4096]); x.respond(iu.Response{}) }, fcp.ErrProtocol},
		"less":              {read(), func(x *deceit) { x.data(0, block[:4096]); x.respond(iu.Response{Residual: 4096}) }, nil},
		"less than it says": {read(), func(x *deceit) { x.data(0, block[:4096]); x.respond(iu.Response{Residual: 4095}) }, fcp.ErrLost},
		"more than it says": {read(), func(x *deceit) { x.data(0, block); x.respond(iu.Response{Residual: 1}) }, fcp.ErrProtocol},
		"a hole":            {read(), func(x *deceit) { x.data(4096, block[4096:]); x.respond(iu.Response{Residual: 4096}) }, fcp.ErrProtocol},
		"outside":           {read(), func(x *deceit) { x.data(4096, block); x.respond(iu.Response{}) }, fcp.ErrProtocol},
		"far outside":       {read(), func(x *deceit) { x.data(1<<32-4, block[:4]); x.respond(iu.Response{}) }, fcp.ErrProtocol},
		"no offset":         {read(), func(x *deceit) { x.post(fc.RCtlData, fc.FCtlEndSequence, 0, block); x.respond(iu.Response{}) }, fcp.ErrProtocol},
		"data for a write":  {write(), func(x *deceit) { x.data(0, block) }, fcp.ErrProtocol},
		"asked outside":     {write(), func(x *deceit) { x.ask(4096, whole) }, fcp.ErrProtocol},
		"asked for nothing": {write(), func(x *deceit) { x.ask(0, 0) }, fcp.ErrProtocol},
		"asked of a read":   {read(), func(x *deceit) { x.ask(0, 512) }, fcp.ErrProtocol},
		"a huge residual":   {read(), func(x *deceit) { x.respond(iu.Response{Residual: int64(whole) + 1}) }, fcp.ErrProtocol},
		"half a response":   {read(), func(x *deceit) { x.post(fc.RCtlStatus, fc.FCtlEndSequence|fc.FCtlLastSequence, 0, make([]byte, 20)) }, fcp.ErrProtocol},
		"something else":    {read(), func(x *deceit) { x.post(4, fc.FCtlEndSequence, 0, block[:16]) }, fcp.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			lie(t, good, fcp.Config{}, c.lies, func(conn *fcp.Conn, _ *sim.Network) {
				err := conn.Do(c.command)
				if !errors.Is(err, c.want) || (err == nil && c.command.Status != scsi.Good) {
					t.Errorf("%v, %v", err, c.command.Status)
				}
				if err == nil && !bytes.Equal(c.command.In[:c.command.Received], block[:c.command.Received]) {
					t.Error("wrong bytes")
				}
				if want := len(block) - int(c.command.Residual); err == nil && c.command.In != nil && c.command.Received != want {
					t.Errorf("%d bytes instead of %d", c.command.Received, want)
				}
			})
		})
	}
}

// TestAsked has a target ask for data in pieces of any order, several at a time, and again.
func TestAsked(t *testing.T) {
	out := make([]byte, 50000)
	for i := range out {
		out[i] = byte(i * 7)
	}
	got := make([]byte, len(out))
	lie(t, good, fcp.Config{}, func(x *deceit) {
		left := 0
		for _, p := range [][2]uint32{{40000, 10000}, {0, 3}, {3, 20001}, {15000, 9000}, {24000, 16000}} {
			left++
			x.ask(p[0], p[1])
		}
		x.frame = func(f *fc.Frame) {
			if f.RCtl == fc.RCtlData {
				copy(got[f.Parameter:], f.Payload)
				if f.FCtl&fc.FCtlSequenceInitiative != 0 {
					left--
				}
			}
			if left == 0 {
				left = -1
				x.respond(iu.Response{Confirm: true})
			}
		}
	}, func(c *fcp.Conn, _ *sim.Network) {
		k := &fcp.Command{CDB: make([]byte, 10), Out: out}
		for range 2 {
			clear(got)
			if err := c.Do(k); err != nil || k.Status != scsi.Good || !bytes.Equal(got, out) {
				t.Error(err, k.Status, bytes.Equal(got, out))
			}
		}
	})
}
