package rc

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// from is a Config that begins with a PSN.
func from(psn ib.PSN) func(c *Config) { return func(c *Config) { c.Sends = psn } }

// A message of several packets: 4164 bytes as Linux sends them (srp-rxe F1179), and PSNs that wrap.
func TestSegments(t *testing.T) {
	scripted(t, from(0xFFFFFE), func(t *testing.T, s *script) {
		inv := send(1025)
		inv.Op, inv.Invalidate, inv.Solicited = rdma.SendInvalidate, 0x3d6, true
		only := send(5)
		only.Solicited = true
		ws := []*rdma.Work{send(4164), send(0), inv, write(0, 0), write(1024, 0), write(2049, 0), only}
		s.post(ws...)
		s.sends("00 fffffe 1024", "01 ffffff 1024", "01 000000 1024", "01 000001 1024", "02 000002 A 68", "04 000003 A",
			"00 000004 1024", "16 000005 A S 1", "0a 000006 A", "0a 000007 A 1024", "06 000008 1024", "07 000009 1024", "08 00000a A 1", "04 00000b A S 5")
		s.lent(ws...)
		s.ack(2) // the first alone
		s.back(ws[0], nil)
		s.lent(ws[1:]...)
		s.ack(0x0b) // all
		for _, w := range ws {
			s.back(w, nil)
		}
		if st := s.q.Stats(); st.Queued != 0 || st.BytesQueued != 0 || st.MessagesOut != 4 || st.Writes != 3 {
			t.Errorf("%+v", st)
		}
	})
}

// Of a long Write an acknowledgement is asked for every 32 packets, and no more than the window is sent.
func TestWindow(t *testing.T) {
	scripted(t, from(0), func(t *testing.T, s *script) {
		w := write(300*1024, 0)
		s.post(w)
		var want []string
		expect := func(a, b int) {
			for i := a; i < b; i++ {
				x := fmt.Sprintf("07 %06x", i)
				switch i {
				case 0:
					x = fmt.Sprintf("06 %06x", i)
				case 299:
					x = fmt.Sprintf("08 %06x", i)
				}
				if i%32 == 31 || i == 299 {
					x += " A"
				}
				want = append(want, x+" 1024")
			}
		}
		expect(0, 64)
		s.sends(want...)
		s.ack(31)
		want = nil
		expect(64, 128) // the window was 64 and is 96
		s.sends(want...)
		s.ack(127)
		want = nil
		expect(128, 300)
		s.sends(want...)
		s.ack(299)
		s.back(w, nil)
	})
}

// A NAK of a sequence: what is before is acknowledged, the rest is sent again at once; a second NAK for the same changes nothing.
func TestNAK(t *testing.T) {
	scripted(t, from(0x100), func(t *testing.T, s *script) {
		ws := []*rdma.Work{send(1), send(2), write(3000, 0), read(2000, 0x1000), send(4)}
		s.post(ws...)
		s.sends("04 000100 A 1", "04 000101 A 2", "06 000102 1024", "07 000103 1024", "08 000104 A 952", "0c 000105 A 1000+7d0", "04 000107 A 4")
		s.nak(ib.NAKSequence, 0x103)
		s.back(ws[0], nil)
		s.back(ws[1], nil)
		s.lent(ws[2:]...)
		again := []string{"07 000103 1024", "08 000104 A 952", "0c 000105 A 1000+7d0", "04 000107 A 4"}
		s.sends(again...)
		s.nak(ib.NAKSequence, 0x103)
		s.sends()
		time.Sleep(time.Millisecond)
		s.forget() // a probe
		s.nak(ib.NAKSequence, 0x103)
		s.sends(again...) // it was lost again
		s.nak(ib.NAKSequence, 0x99)
		s.nak(ib.NAKSequence, 0x108)
		s.ack(0x108)
		s.sends()
		s.lent(ws[2:]...)
	})
}

// An acknowledgement behind a Read whose answer has not come: the Read is asked for again, and nothing else is sent again.
func TestImplied(t *testing.T) {
	scripted(t, from(0x100), func(t *testing.T, s *script) {
		r, w := read(4000, 0x1000), send(4)
		s.post(r, w)
		s.sends("0c 000100 A 1000+fa0", "04 000104 A 4")
		data := random(4000, 1)
		s.gets(ib.ReadFirst, 0x100, ib.AETH{Syndrome: ib.AckUnlimited}, data[:1024])
		s.gets(ib.ReadLast, 0x103, ib.AETH{Syndrome: ib.AckUnlimited}, data[3072:])
		s.sends()
		s.ack(0x104)
		s.back(w, nil)
		s.sends("0c 000101 A 1400+800")
		s.lent(r)
		s.ack(0x104) // which says nothing new
		s.sends()
		s.gets(ib.ReadFirst, 0x101, ib.AETH{Syndrome: ib.AckUnlimited}, data[1024:2048])
		s.gets(ib.ReadFirst, 0x101, ib.AETH{Syndrome: ib.AckUnlimited}, make([]byte, 1024)) // again, and ignored
		s.lent(r)
		s.gets(ib.ReadLast, 0x102, ib.AETH{Syndrome: ib.AckUnlimited}, data[2048:3072])
		s.back(r, nil)
		if !bytes.Equal(r.Data.At(0), data) {
			t.Error("the Read came wrong")
		}
		st := s.q.Stats()
		if st.Placed != 4000 || st.CopiedPlaced != 4000 || st.Copied != 4000 || st.Asked != 0 {
			t.Errorf("%+v", st)
		}
		s.gets(ib.ReadLast, 0x102, ib.AETH{Syndrome: ib.AckUnlimited}, make([]byte, 1024)) // a ghost
		if l := s.q.Losses(); l.Ghosts != 2 {
			t.Errorf("%+v", l)
		}
	})
}

// A response of a Read acknowledges what was posted before it.
func TestResponseAcknowledges(t *testing.T) {
	scripted(t, from(0x100), func(t *testing.T, s *script) {
		a, r, b := send(1), read(0, 0), send(2)
		s.post(a, r, b)
		s.sends("04 000100 A 1", "0c 000101 A 0+0", "04 000102 A 2")
		s.gets(ib.ReadOnly, 0x101, ib.AETH{Syndrome: ib.AckUnlimited}, nil)
		s.back(a, nil)
		s.back(r, nil)
		s.lent(b)
	})
}

// A response that is too long or too short ends the connection, before anything is written.
func TestResponseLengths(t *testing.T) {
	for _, c := range []struct {
		o ib.Opcode
		p ib.PSN
		n int
	}{
		{ib.ReadFirst, 0x100, 1023}, {ib.ReadFirst, 0x100, 1025}, {ib.ReadOnly, 0x100, 2000}, {ib.ReadLast, 0x101, 977}, {ib.ReadLast, 0x101, 975},
		{ib.ReadMiddle, 0x101, 976}, {ib.ReadMiddle, 0x101, 1024},
	} {
		scripted(t, from(0x100), func(t *testing.T, s *script) {
			r := read(2000, 0x1000)
			s.post(r)
			s.gets(c.o, c.p, ib.AETH{Syndrome: ib.AckUnlimited}, random(c.n, 1))
			s.back(r, rdma.ErrFlushed)
			s.back(r, rdma.ErrProtocol)
			if !bytes.Equal(r.Data.At(0), make([]byte, 2000)) {
				t.Errorf("%v: something was written", c)
			}
		})
	}
}

// NAKs that end the connection.
func TestFatal(t *testing.T) {
	for x, want := range map[ib.Syndrome]error{ib.NAKInvalid: rdma.ErrRemote, ib.NAKAccess: rdma.ErrRemoteAccess, ib.NAKOperation: rdma.ErrRemote} {
		scripted(t, from(0x100), func(t *testing.T, s *script) {
			a, b, r := send(1), write(2, 0), read(3, 0)
			s.post(a, b, r)
			s.nak(x, 0x99) // none of ours
			s.nak(x, 0x103)
			s.lent(a, b, r)
			s.nak(x, 0x101)
			s.back(a, nil)
			s.back(b, want)
			s.back(r, rdma.ErrFlushed)
			if !s.u.closed || !errors.Is(s.u.err, want) {
				t.Error(s.u.err)
			}
			if s.q.Post(send(1)) {
				t.Error("a work was taken at the end")
			}
		})
	}
}

// A peer that is not ready says how long to wait; nothing is sent meanwhile; and it may say so as often as was agreed on.
func TestNotReady(t *testing.T) {
	scripted(t, func(c *Config) { c.Sends, c.RNR = 0x100, 2 }, func(t *testing.T, s *script) {
		a, b := send(1), send(2)
		s.post(a, b)
		s.sends("04 000100 A 1", "04 000101 A 2")
		for range 2 {
			s.nak(ib.RNR(10*time.Millisecond), 0x100)
			s.nak(ib.RNR(10*time.Millisecond), 0x100)
			s.q.Flush()
			time.Sleep(9 * time.Millisecond)
			s.sends()
			time.Sleep(2 * time.Millisecond)
			s.sends("04 000100 A 1", "04 000101 A 2")
		}
		s.ack(0x100) // now it counts anew
		s.back(a, nil)
		for range 2 {
			s.nak(ib.RNR(0), 0x101)
			time.Sleep(time.Millisecond)
			s.sends("04 000101 A 2")
		}
		s.nak(ib.RNR(0), 0x101)
		s.back(b, rdma.ErrRemote)
	})
}

// Nobody answers: probes first, then everything again, later and later, and then the connection is lost.
func TestNoAnswer(t *testing.T) {
	scripted(t, func(c *Config) { c.Sends, c.Timeout, c.Retries = 0x100, time.Second, 3 }, func(t *testing.T, s *script) {
		begin := time.Now()
		ws := []*rdma.Work{send(1), send(2), read(5, 7)}
		s.post(ws...)
		all := []string{"04 000100 A 1", "04 000101 A 2", "0c 000102 A 7+5"}
		s.sends(all...)
		for _, wait := range []time.Duration{time.Second, 3 * time.Second, 7 * time.Second} {
			probes := 0
			for end := begin.Add(wait); time.Until(end) > time.Millisecond; time.Sleep(time.Millisecond) {
				synctest.Wait()
				if s.some() {
					probes++
					s.sends("04 000100 A 1")
				}
			}
			if probes < 4 || probes > 8 {
				t.Errorf("%d probes until %v", probes, wait)
			}
			time.Sleep(2 * time.Millisecond)
			s.sends(all...)
		}
		s.lent(ws...)
		s.u.until(func() bool { return s.u.closed })
		if took := time.Since(begin).Round(10 * time.Millisecond); took != 11*time.Second {
			t.Errorf("lost after %v", took)
		}
		for _, w := range ws {
			s.back(w, rdma.ErrLost)
		}
		if l := s.q.Losses(); l.Timeouts != 3 {
			t.Errorf("%+v", l)
		}
	})
}

// The last packets of a burst are lost, of which no NAK tells: a probe finds out, in a few round-trip times.
func TestTail(t *testing.T) {
	scripted(t, from(0x100), func(t *testing.T, s *script) {
		first := send(1)
		s.post(first)
		time.Sleep(100 * time.Microsecond)
		s.ack(0x100)
		s.back(first, nil)
		s.post(send(1), send(2), send(3))
		s.sends("04 000100 A 1", "04 000101 A 1", "04 000102 A 2", "04 000103 A 3")
		begin := time.Now()
		s.until(s.some)
		if took := time.Since(begin); took > 2*time.Millisecond {
			t.Errorf("the probe came after %v", took)
		}
		s.sends("04 000101 A 1")
		s.ack(0x101) // and so the two behind were lost
		s.sends("04 000102 A 2", "04 000103 A 3")
	})
}

// No more Reads are outstanding than was agreed on; what is posted later overtakes those that wait; and they can be taken back.
func TestReadsWait(t *testing.T) {
	scripted(t, func(c *Config) { c.Sends, c.Reads = 0x100, 2 }, func(t *testing.T, s *script) {
		rs := []*rdma.Work{read(10, 0), read(2000, 0), read(30, 0), read(40, 0)}
		s.post(append(rs, send(1))...)
		s.sends("0c 000100 A 0+a", "0c 000101 A 0+7d0", "04 000103 A 1")
		if st := s.q.Stats(); st.Asked != 2 || st.Queued != 0 {
			t.Errorf("%+v", st)
		}
		if s.q.Cancel(rs[0]) || s.q.Cancel(rs[1]) || !s.q.Cancel(rs[2]) || s.q.Cancel(rs[2]) {
			t.Error("Cancel")
		}
		s.gets(ib.ReadOnly, 0x100, ib.AETH{Syndrome: ib.AckUnlimited}, make([]byte, 10))
		s.back(rs[0], nil)
		s.sends("0c 000104 A 0+28")
	})
}

// A peer that counts its receive buffers gets no more Sends than it has said; Writes need none.
func TestCredits(t *testing.T) {
	scripted(t, func(c *Config) { c.Sends, c.Credits = 0x100, true }, func(t *testing.T, s *script) {
		credit := func(psn ib.PSN, msn ib.MSN, n int) {
			s.gets(ib.Acknowledge, psn, ib.AETH{Syndrome: ib.AckCredits(n), MSN: msn}, nil)
		}
		a, w := send(1), write(5, 0)
		s.post(a)
		credit(0x100, 1, 2)
		s.sends("04 000100 A 1")
		s.post(send(2), send(3), send(4), w)
		s.sends("04 000101 A 2", "04 000102 A 3")
		credit(0x101, 2, 2)
		s.sends("04 000103 A 4", "0a 000104 A 5")
		credit(0x104, 5, 0)
		s.back(w, nil)
		s.post(send(6), send(7)) // there are none, but nothing else is outstanding: it is tried
		s.sends("04 000105 A 6")
		s.gets(ib.Acknowledge, 0x105, ib.AETH{Syndrome: ib.AckUnlimited}, nil)
		s.sends("04 000106 A 7")
	})
}

// Close waits for acknowledgements; a peer that takes nothing loses the connection.
func TestCloseWaits(t *testing.T) {
	scripted(t, from(0x100), func(t *testing.T, s *script) {
		w := send(1)
		s.post(w)
		s.q.Close(nil)
		if s.q.Post(send(2)) {
			t.Error("a work was taken after Close")
		}
		synctest.Wait()
		s.lent(w)
		s.ack(0x100)
		s.back(w, nil)
		if !s.u.closed || s.u.err != nil {
			t.Error(s.u.err)
		}
	})
	scripted(t, from(0x100), func(t *testing.T, s *script) {
		w := send(1)
		s.post(w)
		begin := time.Now()
		s.q.Close(nil)
		s.u.until(func() bool { return s.u.closed })
		if took := time.Since(begin); took < linger || took > 2*linger || !errors.Is(s.u.err, rdma.ErrLost) {
			t.Error(took, s.u.err)
		}
		s.back(w, rdma.ErrFlushed)
	})
}

// Pace is told of each burst, and nothing is sent as long as it says.
func TestPace(t *testing.T) {
	var told []int
	scripted(t, func(c *Config) {
		c.Sends = 0x100
		c.Pace = func(n int) time.Duration { told = append(told, n); return 3 * time.Millisecond }
	}, func(t *testing.T, s *script) {
		s.post(send(100))
		s.post(send(200))
		s.sends("04 000100 A 100")
		time.Sleep(2900 * time.Microsecond)
		s.sends()
		time.Sleep(200 * time.Microsecond)
		s.sends("04 000101 A 200")
		if fmt.Sprint(told) != "[112 212]" {
			t.Error(told)
		}
	})
}

// A mistake of the poster's ends the connection with a reason.
func TestMistakes(t *testing.T) {
	beyond := write(10, 0)
	beyond.At = 1
	long := read(10, 0)
	long.Len = 1 << 40
	for _, c := range []struct {
		w    *rdma.Work
		n    int
		want error
	}{{beyond, 8, rdma.ErrClosed}, {long, 8, rdma.ErrLength}, {read(1, 0), 0, rdma.ErrClosed}} {
		scripted(t, func(f *Config) { f.Reads = c.n }, func(t *testing.T, s *script) {
			a := send(1)
			s.post(a, c.w)
			s.back(c.w, c.want)
			s.back(a, rdma.ErrFlushed)
		})
	}
}
