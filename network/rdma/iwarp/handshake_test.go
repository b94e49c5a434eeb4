package iwarp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// raw is a peer with nothing but a socket.
type raw struct {
	*net.TCPConn
	t testing.TB
}

func dialRaw(t testing.TB, addr string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { _ = c.Close() })
	return &raw{c.(*net.TCPConn), t}
}

func (r *raw) write(b []byte) {
	r.t.Helper()
	if _, err := r.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) read(n int) []byte {
	r.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		r.t.Fatal(err)
	}
	return b
}

// gone waits for the end of the peer's direction, and returns what came before.
func (r *raw) gone() []byte {
	r.t.Helper()
	b, err := io.ReadAll(r)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		r.t.Fatal("the connection does not end")
	}
	return b
}

func halfOpen(l rdma.Listener) int {
	n := l.(*Listener)
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open.Len()
}

func listen(t testing.TB, d *Device) rdma.Listener {
	t.Helper()
	l, err := d.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return l
}

// TestLinux plays siw's handshake and first exchange with a target, byte for byte.
func TestLinux(t *testing.T) {
	withEngines(t, func(t *testing.T, e tcp.Engine) {
		l := listen(t, device(t, Config{Engine: e}))
		c := dialRaw(t, l.Addr())
		c.write(golden(t, frames["iSER request"].wire))
		r, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if i := r.Info(); i.Reads != 128 || i.Provider != "iwarp" || i.Remote != c.LocalAddr().String() || i.Local != l.Addr() {
			t.Errorf("%+v", i)
		}
		conn, err := r.Accept(rdma.Options{Private: []byte{0x80, 0, 0, 0}, Reads: 128, Serves: 1, MaxMessage: 4096})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.read(28); !bytes.Equal(got, golden(t, frames["iSER reply"].wire)) {
			t.Errorf("%x", got)
		}
		h := newHandler(t)
		s := &side{conn, h}
		s.Start(h)
		// A responder does not speak before the initiator does.
		w := &rdma.Work{Op: rdma.Send, Head: []byte("early")}
		s.post(w)
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, error(nil)) && err == io.EOF {
			t.Errorf("%d bytes, %v", n, err)
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		c.write(golden(t, fpdus["Write of nothing"].wire)) // as an RTR message, or any other
		want := send(1, []byte("early"))
		if got := c.read(len(want)); !bytes.Equal(got, want) {
			t.Errorf("%x", got)
		}
		if err := h.gotBack(w); err != nil {
			t.Error(err)
		}
		c.write(send(1, []byte("hello")))
		if m := h.message(0); string(m.Data) != "hello" {
			t.Errorf("%q", m.Data)
		}
		_ = c.CloseWrite()
		if rest := c.gone(); len(rest) != 0 {
			t.Errorf("%x", rest)
		}
		if err := h.ended(); err != nil {
			t.Error(err)
		}
	})
}

// TestRTR: every kind of first message, between devices of ours.
func TestRTR(t *testing.T) {
	withEngines(t, func(t *testing.T, e tcp.Engine) {
		for _, rtr := range []RTR{RTRSend, RTRWrite, RTRRead, RTRSend | RTRRead | RTRWrite} {
			target := device(t, Config{Engine: e})
			a, b := pair(t, target, device(t, Config{Engine: e, RTR: rtr}))
			w := &rdma.Work{Op: rdma.Send, Head: []byte("back")}
			a.post(w)
			if m := b.h.message(0); string(m.Data) != "back" {
				t.Errorf("%q", m.Data)
			}
		}
		// The target speaks as soon as the RTR message has come, which nobody has sent by hand.
		x, y := dial(t, device(t, Config{Engine: e}), device(t, Config{Engine: e, RTR: RTRRead}), plenty, rdma.Options{MaxMessage: 100})
		a, b := &side{x, newHandler(t)}, &side{y, newHandler(t)}
		a.Start(a.h)
		a.post(&rdma.Work{Op: rdma.Send, Head: []byte("first")})
		b.Start(b.h)
		if m := b.h.message(0); string(m.Data) != "first" {
			t.Errorf("%q", m.Data)
		}
		b.Close(nil)
		if err := errors.Join(a.h.ended(), b.h.ended()); err != nil {
			t.Error(err)
		}
		if len(b.h.back) != 0 {
			t.Error("the RTR message was given back")
		}
	})
}

// TestRevisions: MPA revisions and CRCs between devices of ours.
func TestRevisions(t *testing.T) {
	withEngines(t, func(t *testing.T, e tcp.Engine) {
		for _, c := range []Config{{Revision: 1}, {Revision: 1, CRC: true}, {Revision: 2, CRC: true}, {}} {
			for _, crc := range []bool{false, true} {
				c.Engine = e
				a, b := pair(t, device(t, Config{Engine: e, CRC: crc}), device(t, c))
				want := 16
				if c.Revision == 1 {
					want = alone
				}
				if a.Info().Reads != want || b.Info().Reads != want {
					t.Errorf("revision %d: %d and %d Reads", c.Revision, a.Info().Reads, b.Info().Reads)
				}
				if want := crc || c.CRC; a.Conn.(*Conn).crc != want || b.Conn.(*Conn).crc != want {
					t.Errorf("CRC %v and %v, want %v", a.Conn.(*Conn).crc, b.Conn.(*Conn).crc, want)
				}
			}
		}
	})
}

func TestReject(t *testing.T) {
	e := tcp.NewGoroutines(tcp.Spin{})
	for _, revision := range []int{1, 2} {
		d := device(t, Config{Engine: e, Revision: revision})
		l := listen(t, d)
		result := make(chan error, 1)
		go func() {
			_, _, err := d.Dial(context.Background(), l.Addr(), rdma.Options{Private: []byte("let me in")})
			result <- err
		}()
		r, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if string(r.Private()) != "let me in" {
			t.Errorf("%q", r.Private())
		}
		if err := r.Reject([]byte("no")); err != nil {
			t.Error(err)
		}
		var rejected *rdma.RejectedError
		if err := <-result; !errors.As(err, &rejected) || string(rejected.Private) != "no" {
			t.Error(err)
		}
	}
}

// TestRubbish: what is no proper Request is not told to anybody, and ends at once.
func TestRubbish(t *testing.T) {
	d := device(t, Config{Engine: tcp.NewGoroutines(tcp.Spin{})})
	l := listen(t, d)
	request := golden(t, frames["iSER request"].wire)
	for name, c := range map[string]struct {
		wire  []byte
		reply string
	}{
		"nothing":           {nil, ""},
		"HTTP":              {[]byte("GET / HTTP/1.1\r\nHost: here\r\n\r\n"), ""},
		"a Reply":           {golden(t, frames["iSER reply"].wire), ""},
		"half of one":       {request[:10], ""},
		"without data":      {request[:24], ""},
		"an FPDU behind it": {append(bytes.Clone(request), send(1, nil)...), ""},
		"revision 9":        {append(append(bytes.Clone(request[:17]), 9), request[18:]...), ""},
		"much data":         {append(bytes.Clone(request[:18]), 0xff, 0xff), ""},
		"markers":           {append(append(bytes.Clone(request[:16]), 0x90), request[17:]...), "x:4d504120494420526570204672616d65 flags:30 rev:02 pdlen:0004 x:00*4"},
		"A without RTR":     {append(append(bytes.Clone(request[:20]), 0x80), request[21:]...), "x:4d504120494420526570204672616d65 flags:30 rev:02 pdlen:0004 x:00*4"},
	} {
		p := dialRaw(t, l.Addr())
		p.write(c.wire)
		if c.reply == "" { // else it waits for that
			_ = p.CloseWrite()
		}
		if got := p.gone(); !bytes.Equal(got, golden(t, c.reply)) {
			t.Errorf("%s: answered with %x", name, got)
		}
	}
	if n := halfOpen(l); n != 0 {
		t.Errorf("%d are still there", n)
	}
}

// TestTooSoon: an FPDU before the Reply ends the connection, whatever the user says.
func TestTooSoon(t *testing.T) {
	d := device(t, Config{Engine: tcp.NewGoroutines(tcp.Spin{})})
	l := listen(t, d)
	for _, accept := range []bool{true, false} {
		p := dialRaw(t, l.Addr())
		p.write(golden(t, frames["iSER request"].wire))
		r, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		p.write(send(1, nil))
		time.Sleep(50 * time.Millisecond) // until it is here: nothing waits for it
		if accept {
			_, err = r.Accept(plenty)
		} else {
			err = r.Reject(nil)
		}
		if !errors.Is(err, rdma.ErrProtocol) {
			t.Error(err)
		}
		if got := p.gone(); len(got) != 0 {
			t.Errorf("%x", got)
		}
	}
	// And a peer that has gone meanwhile.
	p := dialRaw(t, l.Addr())
	p.write(golden(t, frames["iSER request"].wire))
	r, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = p.CloseWrite()
	time.Sleep(50 * time.Millisecond)
	if _, err := r.Accept(plenty); !errors.Is(err, rdma.ErrLost) {
		t.Error(err)
	}
	if _, err := r.Accept(rdma.Options{Private: make([]byte, 197)}); err == nil {
		t.Error("197 bytes of private data")
	}
}

// TestFlood: peers that say nothing hold up no other, do not live for ever, and are not more than
// some.
func TestFlood(t *testing.T) {
	e := tcp.NewGoroutines(tcp.Spin{})
	d := device(t, Config{Engine: e, HalfOpen: 8, Handshake: 300 * time.Millisecond})
	l := listen(t, d)
	var all []*raw
	for i := range 30 {
		p := dialRaw(t, l.Addr())
		if i%2 == 0 {
			p.write([]byte("MPA ID"))
		}
		all = append(all, p)
	}
	done := make(chan error, 1)
	go func() {
		c, _, err := device(t, Config{Engine: e}).Dial(context.Background(), l.Addr(), plenty)
		if err == nil {
			c.Close(nil)
		}
		done <- err
	}()
	r, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if n := halfOpen(l); n > 8 {
		t.Errorf("%d are half open", n)
	}
	c, err := r.Accept(plenty)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	c.Close(nil)
	for _, p := range all {
		if got := p.gone(); len(got) != 0 {
			t.Errorf("%x", got)
		}
	}
}

// TestDialFails: a Reply that does not come, or is none.
func TestDialFails(t *testing.T) {
	e := tcp.NewGoroutines(tcp.Spin{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	answers := make(chan []byte, 1)
	var last net.Conn
	served := make(chan struct{})
	go func() {
		defer close(served)
		for b := range answers {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := io.ReadFull(c, make([]byte, 24)); err != nil {
				t.Error(err)
			}
			if b != nil {
				_, _ = c.Write(b)
				_ = c.Close()
			} else {
				last = c
			}
		}
	}()
	d := device(t, Config{Engine: e, Handshake: 200 * time.Millisecond})
	for want, b := range map[error][]byte{
		rdma.ErrProtocol: golden(t, frames["iSER request"].wire),
		rdma.ErrLost:     golden(t, frames["iSER reply"].wire)[:22],
		nil:              nil,
	} {
		answers <- b
		_, _, err := d.Dial(context.Background(), l.Addr().String(), plenty)
		if err == nil || !errors.Is(err, want) && want != nil || want == nil && !errors.Is(err, rdma.ErrLost) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	answers <- nil
	if _, _, err := device(t, Config{Engine: e}).Dial(ctx, l.Addr().String(), plenty); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(answers)
	<-served
	if last != nil {
		_ = last.Close()
	}
	_ = l.Close()
	if _, _, err := d.Dial(context.Background(), l.Addr().String(), plenty); !errors.Is(err, rdma.ErrLost) {
		t.Error(err)
	}
	if _, _, err := d.Dial(context.Background(), l.Addr().String(), rdma.Options{Private: make([]byte, 500)}); err == nil {
		t.Error("500 bytes of private data")
	}
}

func TestConfig(t *testing.T) {
	e := tcp.NewGoroutines(tcp.Spin{})
	for name, c := range map[string]Config{
		"no engine": {}, "FPDUs too short": {Engine: e, MaxFPDU: 100}, "FPDUs too long": {Engine: e, MaxFPDU: 65537},
		"revision": {Engine: e, Revision: 3}, "RTR in revision 1": {Engine: e, Revision: 1, RTR: RTRRead},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
