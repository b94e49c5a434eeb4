package nport

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// A fake is a network of one port, whose other end is the test: any frame comes in any state, and what the port sends
// is there to be looked at. It gives sequences back when it is flushed.
type fake struct {
	handler fc.Handler

	mu      sync.Mutex
	queue   []*fc.Sequence
	held    bool // nothing is given back
	out     []fc.Frame
	quiet   bool // out is not kept
	handing bool
	down    bool
	closed  bool
	lost    int // sequences that are not given back
}

const (
	localID  fc.ID = 0x000002
	remoteID fc.ID = 0x000001
)

func (k *fake) Attach(_ fc.PortConfig, h fc.Handler) (fc.Link, error) {
	k.handler = h
	return k, nil
}
func (k *fake) Info() fc.NetworkInfo { return fc.NetworkInfo{} }

func (k *fake) Post(s *fc.Sequence) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.down || k.closed {
		return false
	}
	if s.Header.S != localID {
		panic("a sequence with the S_ID of somebody else")
	}
	if s.State != 0 {
		panic("a sequence was posted twice")
	}
	s.State = 1
	s.Queued()
	k.queue = append(k.queue, s)
	k.lost++
	return true
}

func (k *fake) Flush() {
	k.mu.Lock()
	if k.handing || k.held {
		k.mu.Unlock()
		return
	}
	k.give(nil)
}

// give gives back what is queued. k.mu is held on the way in, and not on the way out.
func (k *fake) give(err error) {
	for len(k.queue) > 0 {
		s := k.queue[0]
		k.queue = k.queue[:copy(k.queue, k.queue[1:])]
		if !k.quiet && err == nil {
			f := fc.Frame{Header: s.Header, First: true, Last: true, Payload: append([]byte(nil), s.Head...)}
			k.out = append(k.out, f)
		}
		if err == nil {
			s.Leaves()
		}
		s.State = 0
		k.lost--
		k.mu.Unlock()
		k.handler.Sent(s, err)
		k.mu.Lock()
	}
	k.mu.Unlock()
}

func (k *fake) Cancel(*fc.Sequence) {}
func (k *fake) Stats() fc.Stats     { return fc.Stats{} }

// Close is that of the link and of the network.
func (k *fake) Close() {
	k.mu.Lock()
	k.closed = true
	k.give(fc.ErrClosed)
}

type fakeNetwork struct{ *fake }

func (fakeNetwork) Close() error { return nil }

// come hands over a frame.
func (k *fake) come(f fc.Frame) {
	k.mu.Lock()
	k.handing = true
	k.mu.Unlock()
	k.handler.Received(&f)
	k.mu.Lock()
	k.handing = false
	k.mu.Unlock()
	k.Flush()
}

// sent takes what the port has sent.
func (k *fake) sent() []fc.Frame {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := k.out
	k.out = nil
	return out
}

// leave hands over what is queued, and does not give it back yet.
func (k *fake) leave() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.queue {
		s.Leaves()
	}
}

// hold keeps what is posted from being given back, or lets it.
func (k *fake) hold(yes bool) {
	k.mu.Lock()
	k.held = yes
	k.mu.Unlock()
	k.Flush()
}

// one is the one frame that the port has sent.
func (k *fake) one(t testing.TB) fc.Frame {
	t.Helper()
	out := k.sent()
	if len(out) != 1 {
		t.Fatalf("%d frames were sent, want 1: %v", len(out), out)
	}
	return out[0]
}

// elsFrame is a link service request of the other port.
func elsFrame(ox uint16, payload []byte) fc.Frame {
	return fc.Frame{Header: fc.Header{RCtl: fc.RCtlELSRequest, D: localID, S: remoteID, Type: fc.TypeELS, FCtl: fc.FCtlRequest, OX: ox, RX: fc.NoID},
		First: true, Last: true, Payload: payload}
}

// command is the first frame of an exchange of the other port.
func command(ox uint16) fc.Frame {
	return fc.Frame{Header: fc.Header{RCtl: fc.RCtlCommand, D: localID, S: remoteID, Type: fc.TypeFCP, FCtl: fc.FCtlRequest, OX: ox, RX: fc.NoID},
		First: true, Last: true, Payload: make([]byte, 32)}
}

// data is a frame of data of the other port.
func data(ox, rx uint16) fc.Frame {
	return fc.Frame{Header: fc.Header{RCtl: fc.RCtlData, D: localID, S: remoteID, Type: fc.TypeFCP, FCtl: fc.FCtlEndSequence | fc.FCtlSequenceInitiative, OX: ox, RX: rx, SeqID: 1},
		First: true, Last: true, Payload: make([]byte, 32)}
}

// abts is the other port's ABTS for one of its exchanges.
func abts(ox, rx uint16) fc.Frame {
	return fc.Frame{Header: fc.Header{RCtl: fc.RCtlABTS, D: localID, S: remoteID, FCtl: fc.FCtlEndSequence | fc.FCtlSequenceInitiative, OX: ox, RX: rx},
		First: true, Last: true}
}

const (
	localName  fc.Name = 0x2000000000000002
	remoteName fc.Name = 0x2000000000000001
)

func plogi(port fc.Name) []byte {
	l := els.PortLogin(els.PLOGI, port, port|1<<60, fc.MaxPayload, 2*time.Second)
	return l.Append(nil)
}

func prli() []byte {
	return els.Process{Command: els.PRLI, Pages: []els.Page{{Type: fc.TypeFCP, Flags: els.ImagePair, Params: 0x1a2}}}.Append(nil)
}

// openFake opens a port on a fake that is up; u is given defaults.
func openFake(t testing.TB, u *upper, change func(*Config)) (*fake, *Port) {
	t.Helper()
	k := &fake{}
	c := Config{Node: localName | 1<<60, Port: localName, Features: fc.FeatureTarget, Upper: u, MaxExchanges: 64, MaxRemotes: 8}
	if change != nil {
		change(&c)
	}
	p, err := Open(fakeNetwork{k}, c)
	if err != nil {
		t.Fatal(err)
	}
	u.port = p
	u.t = t
	k.handler.Up(fc.Attachment{ID: localID, MaxPayload: fc.MaxPayload, ErrorDetect: 2 * time.Second, ResourceAllocation: 4 * time.Second})
	return k, p
}

// logIn logs the other port in.
func (k *fake) logIn(t testing.TB) {
	t.Helper()
	k.come(elsFrame(0x100, plogi(remoteName)))
	k.come(elsFrame(0x101, prli()))
	for _, f := range k.sent() {
		if els.CommandOf(f.Payload) != els.LSAcc {
			t.Fatalf("the login was answered with %v", f)
		}
	}
}

func closePort(t testing.TB, p *Port) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	p.Close(ctx)
}

// sleep lets time pass, and all that is due be done.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
