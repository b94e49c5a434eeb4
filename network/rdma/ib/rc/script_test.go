package rc

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// A script is a queue pair whose peer is the test: it gives packets, and expects packets.
type script struct {
	t   *testing.T
	q   *QP
	u   *user
	out deskOutlet
}

func newScript(t *testing.T, change func(c *Config)) *script {
	s := &script{t: t, u: newUser()}
	c := pairConf()
	c.Number, c.Peer, c.Outlet = 0x12, 0x12, &s.out
	if change != nil {
		change(&c)
	}
	s.q = New(c)
	s.q.Start(s.u)
	return s
}

// post posts works and flushes them.
func (s *script) post(ws ...*rdma.Work) {
	s.t.Helper()
	for _, w := range ws {
		if !s.q.Post(w) {
			s.t.Fatal("a work was not taken")
		}
	}
	s.q.Flush()
}

// sends checks the packets that were sent since: by opcode, PSN, an A if an acknowledgement is asked for, an S if it is solicited, and the bytes of payload.
func (s *script) sends(want ...string) {
	s.t.Helper()
	synctest.Wait()
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	var got []string
	for _, b := range s.out.flushed {
		h, _ := ib.ParseBTH(b)
		x := fmt.Sprintf("%02x %06x", uint8(h.Opcode), uint32(h.PSN))
		if h.AckReq {
			x += " A"
		}
		if h.Solicited {
			x += " S"
		}
		if h.Opcode == ib.ReadRequest {
			e, _ := ib.ParseRETH(b[ib.BTHLen:])
			x += fmt.Sprintf(" %x+%x", e.Address, e.Length)
		} else if n := len(b) - h.Opcode.HeaderLen(); n > 0 {
			x += fmt.Sprintf(" %d", n)
		}
		got = append(got, x)
	}
	s.out.flushed = nil
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.t.Errorf("sent\n%s\n, expected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// some reports that packets were sent, and forget forgets them.
func (s *script) some() bool {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	return len(s.out.flushed) > 0
}

func (s *script) forget() {
	synctest.Wait()
	s.out.mu.Lock()
	s.out.flushed = nil
	s.out.mu.Unlock()
}

// until waits until f says so.
func (s *script) until(f func() bool) {
	for synctest.Wait(); !f(); synctest.Wait() {
		time.Sleep(10 * time.Microsecond)
	}
}

// gets gives a packet of the peer's responder, in a batch of its own.
func (s *script) gets(o ib.Opcode, psn ib.PSN, e ib.AETH, data []byte) {
	s.q.Received(s.packet(o, psn, e, data))
	s.q.Batch()
}

func (s *script) packet(o ib.Opcode, psn ib.PSN, e ib.AETH, data []byte) (ib.BTH, []byte) {
	h := ib.BTH{Opcode: o, PSN: psn, Dest: 0x12, PKey: ib.DefaultPKey}
	b := h.Append(nil)
	if o.Is(ib.HasAETH) {
		b = e.Append(b)
	}
	return h, append(b, data...)
}

func (s *script) ack(psn ib.PSN) {
	s.gets(ib.Acknowledge, psn, ib.AETH{Syndrome: ib.AckUnlimited}, nil)
}
func (s *script) nak(x ib.Syndrome, psn ib.PSN) {
	s.gets(ib.Acknowledge, psn, ib.AETH{Syndrome: x}, nil)
}

// back checks which works have been given back, and how.
func (s *script) back(w *rdma.Work, want error) {
	s.t.Helper()
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	switch err, ok := s.u.back[w]; {
	case !ok:
		s.t.Error("a work was not given back")
	case !errors.Is(err, want):
		s.t.Errorf("a work was given back with %v, not %v", err, want)
	}
}

func (s *script) lent(ws ...*rdma.Work) {
	s.t.Helper()
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	for i, w := range ws {
		if err, ok := s.u.back[w]; ok {
			s.t.Errorf("work %d was given back, with %v", i, err)
		}
	}
}

func (s *script) stop() {
	s.q.Close(errors.New("the end of the test"))
	s.u.until(func() bool { return s.u.closed })
	s.u.check(s.t)
}

// scripted runs f with a script.
func scripted(t *testing.T, change func(c *Config), f func(t *testing.T, s *script)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, change)
		defer s.stop()
		f(t, s)
	})
}

func send(n int) *rdma.Work { return &rdma.Work{Op: rdma.Send, Head: make([]byte, n)} }
func write(n int, at uint64) *rdma.Work {
	return &rdma.Work{Op: rdma.Write, Data: buffer.Of(make([]byte, n)), Len: int64(n), Remote: rdma.Remote{Key: 0x8005, Addr: at}}
}
func read(n int, at uint64) *rdma.Work {
	return &rdma.Work{Op: rdma.Read, Data: buffer.Of(make([]byte, n)), Len: int64(n), Remote: rdma.Remote{Key: 0x8005, Addr: at}}
}

// The packets that Linux's rxe has sent as a target for SRP (channel 2): given these works, these very bytes.
func TestGoldenTarget(t *testing.T) {
	scripted(t, func(c *Config) { c.Sends, c.Expects = 0x201afe, 0x6d76e1 }, func(t *testing.T, s *script) {
		raw := func(want string) {
			t.Helper()
			synctest.Wait()
			s.out.mu.Lock()
			defer s.out.mu.Unlock()
			var got []string
			for _, b := range s.out.flushed {
				got = append(got, hex.EncodeToString(b))
			}
			s.out.flushed = nil
			if strings.Join(got, " ") != want {
				t.Errorf("sent %s, expected %s", got, want)
			}
		}
		w := write(36, 0x1122334455667788) // F13
		s.post(w)
		raw("0a00ffff0000001280201afe" + "1122334455667788" + "00008005" + "00000024" + strings.Repeat("00", 36))
		s.ack(0x201afe)
		s.back(w, nil)
		rsp := send(36) // F15
		copy(rsp.Head, "\xc1\x00\x00\x00\x00\x00\x00\x01\x30\x00\x01")
		s.post(rsp)
		raw("0400ffff0000001280201aff" + "c1000000000000013000" + "01" + strings.Repeat("00", 25))
		s.ack(0x201aff)
		s.back(rsp, nil)
		// F133: two Reads of 128 KiB are open at once, each takes 128 PSNs; F391 is a SEND behind them.
		for i := range 9 {
			w := send(0)
			s.post(w)
			s.forget()
			s.ack(ib.PSN(0x201b00 + i))
			s.back(w, nil)
		}
		a, b, c := read(131072, 0xffff888102af0000), read(131072, 0xffff888102acf000), send(36)
		s.post(a, b, c)
		raw("0c00ffff0000001280201b09" + "ffff888102af0000"[:16] + "00008005" + "00020000" + " " +
			"0c00ffff0000001280201b89" + "ffff888102acf000" + "00008005" + "00020000" + " " +
			"0400ffff0000001280201c09" + strings.Repeat("00", 36))
	})
}
