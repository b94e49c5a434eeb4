package nport

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// A script draws what happens from bytes.
type script struct{ b []byte }

func (s *script) n(most int) int {
	if len(s.b) == 0 {
		return 0
	}
	n := int(s.b[0]) % most
	s.b = s.b[1:]
	return n
}

// frame is any frame: most of them nearly right.
func (s *script) frame() fc.Frame {
	ids := []fc.ID{remoteID, remoteID + 7, remoteID + 8, localID, 0, fc.FabricController, fc.NameServer}
	ox, rx := uint16(s.n(8)), uint16(s.n(24))
	if rx == 23 {
		rx = fc.NoID
	}
	f := command(ox)
	f.Payload[0] = byte(s.n(3)) // the same command, or another
	f.S = ids[s.n(len(ids))]
	switch s.n(12) {
	case 0, 1:
	case 2:
		f = data(ox, rx)
	case 3:
		f = abts(ox, rx)
	case 4:
		f = abts(ox, fc.NoID)
	case 5, 6, 7:
		payloads := [][]byte{
			plogi(remoteName), plogi(remoteName + 7), plogi(localName + 3), prli(), prli(), els.Logout{ID: f.S}.Append(nil),
			els.ReadExchange{S: f.S, OX: ox, RX: rx}.Append(nil), els.Reinstate{S: f.S, OX: ox, RX: rx}.Append(nil),
			els.Process{Command: els.PRLO, Pages: []els.Page{{Type: fc.TypeFCP}}}.Append(nil),
			els.StateChange{Pages: []els.Affected{{ID: remoteID}}}.Append(nil), els.Echo{Data: make([]byte, 40)}.Append(nil),
			{0x0e, 0, 0, 0}, {0xee}, nil,
		}
		s0 := f.S
		f = elsFrame(ox, payloads[s.n(len(payloads))])
		f.S = s0
		if n := s.n(8); n == 7 && len(f.Payload) > 0 {
			f.Payload = f.Payload[:s.n(len(f.Payload))]
		}
	case 8:
		s0 := f.S
		f = elsFrame(uint16(s.n(200)), els.Retransmit{OX: ox, RX: rx, RCtl: fc.RCtlStatus}.Append(nil))
		f.S, f.RCtl, f.Type = s0, fc.RCtlFC4Request, fc.TypeFCP
	case 9:
		// Answers: to our requests and aborts.
		f.FCtl, f.RX, f.OX = fc.FCtlReply, rx, uint16(s.n(64))
		switch s.n(5) {
		case 0:
			l := els.PortLogin(els.LSAcc, remoteName, 1, 2112, time.Second)
			f.RCtl, f.Type, f.Payload = fc.RCtlELSReply, fc.TypeELS, l.Append(nil)
		case 1:
			f.RCtl, f.Type, f.Payload = fc.RCtlELSReply, fc.TypeELS, els.Reject{Reason: els.ReasonBusy}.Append(nil)
		case 2:
			f.RCtl, f.Type, f.Payload = fc.RCtlBAAcc, fc.TypeBLS, els.AbortAccept{OX: f.OX}.Append(nil)
		case 3:
			f.RCtl, f.Type, f.Payload = fc.RCtlBARjt, fc.TypeBLS, els.AbortReject{}.Append(nil)
		case 4:
			f.RCtl, f.Type, f.Payload = fc.RCtlELSReply, fc.TypeELS, els.Process{Command: els.LSAcc, Pages: []els.Page{{Type: fc.TypeFCP, Flags: els.ImagePair.WithResponse(1)}}}.Append(nil)
		}
	default:
		// Anything.
		f.RCtl, f.Type = fc.RCtl(s.n(256)), fc.Type(s.n(16))
		f.FCtl = fc.FCtl(s.n(256)<<16 | s.n(256))
		f.RX, f.SeqID, f.SeqCnt = rx, uint8(s.n(4)), uint16(s.n(3))
		f.Payload = f.Payload[:s.n(len(f.Payload)+1)]
	}
	if s.n(8) == 7 {
		f.First, f.Last, f.SeqCnt = s.n(2) == 1, s.n(2) == 1, uint16(s.n(3))
	}
	return f
}

// act does something to the port that is no frame.
func (s *script) act(k *fake, u *upper, p *Port) {
	switch s.n(12) {
	case 0:
		k.hold(true)
	case 1:
		if s.n(2) == 1 {
			k.leave()
		} else {
			k.hold(false)
		}
	case 2:
		u.abortAll()
	case 3:
		u.mu.Lock()
		var r *Remote
		for r = range u.remotes {
		}
		u.mu.Unlock()
		if r != nil {
			r.Logout(s.n(2) == 1, errors.New("for a test"))
		}
	case 4:
		k.handler.Found(fc.Neighbour{ID: remoteID + fc.ID(s.n(3)), Node: 1, Port: remoteName + fc.Name(s.n(3)), MaxPayload: 1024})
	case 5:
		k.handler.Gone(remoteID, errors.New("for a test"))
	case 6:
		k.handler.Down(fc.ErrDown)
	case 7:
		k.handler.Up(fc.Attachment{ID: localID, Fabric: s.n(4) == 3, MaxPayload: 2048, ErrorDetect: time.Second, ResourceAllocation: 2 * time.Second})
	case 8:
		time.Sleep(time.Duration(s.n(4)) * time.Second)
	case 9:
		u.mu.Lock()
		u.lazy, u.finish, u.again = s.n(2) == 1, s.n(2) == 1, s.n(2) == 1
		u.mu.Unlock()
	case 10:
		// The upper layer originates something, and aborts it.
		u.mu.Lock()
		defer u.mu.Unlock()
		for r := range u.remotes {
			o := u.task()
			if !r.Originate(&o.x) {
				u.free = append(u.free, o)
				break
			}
			u.tasks[&o.x] = o
			o.s.Header = fc.Header{RCtl: fc.RCtlCommand, FCtl: fc.FCtlRequest}
			o.s.Head = o.head[:]
			if o.x.Post(&o.s) {
				o.posted++
			}
			if s.n(2) == 1 {
				u.told++
				o.aborted = true
				o.x.Abort(func(error) {
					u.mu.Lock()
					u.told--
					u.mu.Unlock()
				})
			}
			o.over = true
			if s.n(2) == 1 {
				u.tidy(o)
			}
			break
		}
	case 11:
		// What is lazy is answered at last.
		u.mu.Lock()
		for _, o := range u.tasks {
			if !o.over && !o.finished && !o.aborted && o.posted == 0 && !o.x.ours {
				u.respond(o)
				break
			}
		}
		u.mu.Unlock()
	}
}

// Any frame in any state: nothing is delivered to an exchange or to who is not logged in that it is not of, tables stay within their bounds,
// nothing is left, and Close ends.
func FuzzPort(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x01\x01\x05\x05\x01\x05\x03\x00\x00\x01\x01\x00\x02\x02\x02\x00\x00\x00\x00"))
	for seed := range 64 {
		b := make([]byte, 1500)
		x := uint32(seed)*2654435761 + 1
		for i := range b {
			x = x*1664525 + 1013904223
			b[i] = byte(x >> 24)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4000 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			u := &upper{}
			s := &script{b}
			k, p := openFake(t, u, func(c *Config) {
				c.MaxExchanges, c.MaxRemotes = 20, 4
				if s.n(2) == 1 {
					c.Features |= fc.FeatureInitiator
				}
				_ = s.n(2) // inputs that were found have a byte here
			})
			if s.n(4) != 3 {
				k.come(elsFrame(0x100, plogi(remoteName)))
				k.come(elsFrame(0x101, prli()))
			}
			for len(s.b) > 0 {
				if s.n(4) == 3 {
					s.act(k, u, p)
				} else {
					k.come(s.frame())
				}
				p.turn.take(func() {
					if len(p.peers) > 4 || p.tables.inUse > 20 || len(p.pieces.all) > manyPieces || len(p.requests) > 200 {
						t.Errorf("%d peers, %d exchanges, %d pieces, %d requests", len(p.peers), p.tables.inUse, len(p.pieces.all), len(p.requests))
					}
				})
				k.sent()
			}
			synctest.Wait()
			k.hold(false)
			u.abortAll()
			closePort(t, p)
			u.mu.Lock()
			for _, o := range u.tasks {
				if o.over || !o.x.live {
					o.over = true
					u.tidy(o)
				}
			}
			u.mu.Unlock()
			u.abortAll()
			u.leaks(t)
			if u.told != 0 || k.lost != 0 {
				t.Errorf("%d aborts were not told of, %d sequences are not given back", u.told, k.lost)
			}
		})
	})
}
