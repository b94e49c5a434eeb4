//go:build abuse

package abuse

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
	"github.com/lunette-io/lunette/network/udp"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// TestRoCEFlood has hosts without number ask for connections that would be good, and do no more: their addresses are not theirs.
func TestRoCEFlood(t *testing.T) {
	s := startRoCE(t)
	began := time.Now()
	n := uint32(0)
	for time.Since(began) < 4*time.Second {
		for range 64 {
			n++
			at := stranger(n)
			s.message(at, mad.AttrREQ, uint64(n), s.request(at, n, ib.QPN(2+n%1000), byte(n)))
		}
		time.Sleep(time.Millisecond)
	}
	t.Logf("%d requests", n)
	s.comesIn() // the customers' host has a connection
	s.within(time.Since(began), 256*8)
	if c := s.device.Stats().Connections; c > 256+4 {
		t.Errorf("%d connections", c)
	}
	left(s, 1)
}

// left waits until no more than n nexuses are there.
func left(s *roceScene, n int) {
	s.t.Helper()
	transporttest.Eventually(s.t, "time-outs", func() bool { return len(s.Node.Sessions()) <= n })
}

// TestRoCEHalfOpen has one host ask for connections all the time, which it does not go on with: it makes room for its own alone.
func TestRoCEHalfOpen(t *testing.T) {
	s := startRoCE(t)
	began := time.Now()
	for n := uint32(1); time.Since(began) < 4*time.Second; n++ {
		q := s.request(roceEvil, n, ib.QPN(2+n), byte(n))
		s.message(roceEvil, mad.AttrREQ, uint64(n), q)
		if n%3 == 0 {
			s.message(roceEvil, mad.AttrREQ, uint64(n), q)
		}
		if n%100 == 0 {
			s.comesIn()
		}
		time.Sleep(time.Millisecond)
	}
	s.within(time.Since(began), 256*8)
	s.comesIn()
	left(s, 1)
}

// TestRoCEStrays sends messages of the communication manager that belong to nothing, from everywhere.
func TestRoCEStrays(t *testing.T) {
	s := startRoCE(t)
	r := rand.New(rand.NewPCG(1, 1))
	began := time.Now()
	for time.Since(began) < 3*time.Second {
		for range 64 {
			l, rem, at := r.Uint32(), r.Uint32(), stranger(r.Uint32())
			if r.IntN(8) == 0 {
				at = roceCustomers // as if it were the customers' host
			}
			switch r.IntN(9) {
			case 0:
				s.message(at, mad.AttrDREQ, 1, &mad.DREQ{LocalID: l, RemoteID: rem, QPN: ib.QPN(r.Uint32N(1 << 24))})
			case 1:
				s.message(at, mad.AttrRTU, 1, &mad.RTU{LocalID: l, RemoteID: rem})
			case 2:
				s.message(at, mad.AttrREP, 1, &mad.REP{LocalID: l, RemoteID: rem, QPN: 5})
			case 3:
				s.message(at, mad.AttrREJ, 1, &mad.REJ{LocalID: l, RemoteID: rem, Reason: mad.Reason(r.Uint32N(40))})
			case 4:
				s.message(at, mad.AttrMRA, 1, &mad.MRA{LocalID: l, RemoteID: rem, Timeout: 31})
			case 5:
				s.message(at, mad.AttrLAP, 1, &mad.LAP{LocalID: l, RemoteID: rem})
			case 6:
				s.message(at, mad.AttrSIDRREQ, 1, &mad.SIDRREQ{RequestID: l})
			case 7:
				b := make([]byte, mad.Size)
				noise(r, b)
				b[0], b[1] = 1, byte(r.IntN(8))
				s.general(at, b)
			default:
				q := s.request(at, l, ib.QPN(rem&0xffffff), byte(l))
				b := q.Append(nil)
				b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
				h := mad.CM(mad.AttrREQ, 1)
				s.general(at, append(h.Append(nil), b...))
			}
		}
		time.Sleep(time.Millisecond)
	}
	s.comesIn()
	s.within(time.Since(began), 256*8)
}

// TestRoCEReplay sends what customers have sent once more, and twice, late, out of order: as they did, and from another address.
func TestRoCEReplay(t *testing.T) {
	s := startRoCE(t)
	r := rand.New(rand.NewPCG(1, 1))
	began := time.Now()
	for i := 0; time.Since(began) < 4*time.Second; i++ {
		s.tap.mu.Lock()
		came := slices.Clone(s.tap.came)
		s.tap.mu.Unlock()
		for range min(len(came), 64) {
			k := came[r.IntN(len(came))]
			lane := s.tap.socket
			n := int(uint32(k.Data[5])<<16|uint32(k.Data[6])<<8|uint32(k.Data[7])) % lane.conf.Lanes
			lane.lanes[n].Lock()
			k.Data = slices.Clone(k.Data)
			lane.h.Received(n, []udp.Packet{k})
			lane.lanes[n].Unlock()
			b := slices.Clone(k.Data[:len(k.Data)-ib.ICRCLen])
			at := stranger(r.Uint32())
			s.tap.put(at, sealed(at, b))
		}
		if i%500 == 0 {
			s.comesIn() // so that there are messages of connections that have ended
		}
		time.Sleep(time.Millisecond)
	}
	s.comesIn()
	left(s, 1)
}

// TestRoCEStrangers sends packets to queue pairs, those that are there and others, from everywhere: nobody but the peer is listened to.
func TestRoCEStrangers(t *testing.T) {
	s := startRoCE(t)
	r := rand.New(rand.NewPCG(1, 1))
	began := time.Now()
	for time.Since(began) < 3*time.Second {
		s.tap.mu.Lock()
		var some []ib.QPN
		for _, k := range s.tap.came {
			if h, ok := ib.ParseBTH(k.Data); ok && h.Dest != ib.QP1 && len(some) < 16 {
				some = append(some, h.Dest)
			}
		}
		s.tap.mu.Unlock()
		for range 64 {
			at, n := stranger(r.Uint32()), ib.QPN(r.Uint32N(1<<24))
			if n == ib.QP1 {
				continue
			}
			if len(some) > 0 && r.IntN(2) == 0 {
				n = some[r.IntN(len(some))]
			}
			h := ib.BTH{Opcode: ib.Opcode(r.Uint32()), PKey: ib.DefaultPKey, Dest: n, PSN: ib.PSN(r.Uint32N(1 << 24)), AckReq: true}
			b := append(h.Append(nil), make([]byte, 4*r.IntN(300))...)
			noise(r, b[ib.BTHLen:])
			s.tap.put(at, sealed(at, b))
		}
		time.Sleep(time.Millisecond)
	}
	if n := s.tap.answered.Load(); n != 0 {
		t.Errorf("%d answers to strangers", n)
	}
	s.comesIn()
}

// TestRoCEJunk sends anything to the port: with an ICRC that is right, and without.
func TestRoCEJunk(t *testing.T) {
	s := startRoCE(t)
	r := rand.New(rand.NewPCG(1, 1))
	began := time.Now()
	for time.Since(began) < 3*time.Second {
		for range 64 {
			at := []netip.Addr{stranger(r.Uint32()), roceCustomers}[r.IntN(2)]
			b := make([]byte, r.IntN(600))
			noise(r, b)
			if r.IntN(2) == 0 && len(b) > ib.BTHLen {
				h := ib.BTH{Opcode: ib.Opcode(r.Uint32()), Version: uint8(r.IntN(3)), PKey: ib.DefaultPKey, Dest: ib.QPN(r.IntN(4)), Pad: uint8(r.IntN(4))}
				copy(b, h.Append(nil))
			}
			if r.IntN(2) == 0 {
				b = sealed(at, b[:len(b)&^3])
			}
			s.tap.put(at, b)
		}
		time.Sleep(time.Millisecond)
	}
	s.comesIn()
}

// TestRoCEEvilPeers are connected, and send packets that nobody would: any opcode around the sequence number that comes next, messages that do not end, Reads and
// Writes with keys that they have made up, answers that nobody has asked for.
func TestRoCEEvilPeers(t *testing.T) {
	s := startRoCE(t)
	ops := []ib.Opcode{
		ib.SendFirst, ib.SendMiddle, ib.SendLast, ib.SendOnly, ib.SendOnlyImmediate, ib.WriteFirst, ib.WriteMiddle, ib.WriteLast, ib.WriteOnly, ib.ReadRequest, ib.ReadFirst,
		ib.ReadMiddle, ib.ReadLast, ib.ReadOnly, ib.Acknowledge, ib.AtomicAcknowledge, ib.CompareSwap, ib.FetchAdd, ib.SendLastInvalidate, ib.SendOnlyInvalidate, ib.CNP, 0x1c, 0x1d,
	}
	began := time.Now()
	peers := 0
	for n := uint32(1); time.Since(began) < 5*time.Second; n++ {
		r := rand.New(rand.NewPCG(uint64(n), 1))
		p := s.evilPeer(n)
		if p == nil {
			continue
		}
		peers++
		psn := p.psn
		way := r.IntN(4)
		for range 200 {
			op := ops[r.IntN(len(ops))]
			at, size := psn, 1024
			switch way {
			case 0: // a message without an end
				if op = ib.SendMiddle; at == p.psn {
					op = ib.SendFirst
				}
				psn = psn.Add(1)
			case 1: // anything, somewhere
				at, size = psn.Add(r.IntN(64)-32), r.IntN(1100)
			case 2: // anything, in order
				size, psn = r.IntN(1100), psn.Add(1)
			default: // acknowledgements of what was not sent, and is to come
				op, at, size = []ib.Opcode{ib.Acknowledge, ib.ReadOnly, ib.ReadFirst}[r.IntN(3)], ib.PSN(0x100).Add(r.IntN(64)-32), 0
			}
			p.send(r, op, at, size)
		}
		if r.IntN(2) == 0 {
			s.message(roceEvil, mad.AttrDREQ, 5, &mad.DREQ{LocalID: p.id, RemoteID: p.peer, QPN: p.qpn})
		}
	}
	t.Logf("%d peers", peers)
	if peers == 0 {
		t.Error("nobody was let in")
	}
	s.comesIn()
}

// TestRoCEKeys has peers write to memory, and read from it, by keys that they guess, and by those that they were given for something else: a target gives none.
func TestRoCEKeys(t *testing.T) {
	s := startRoCE(t)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			arena := buffer.NewArena(1 << 20)
			for began := time.Now(); time.Since(began) < 3*time.Second; {
				ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
				login := s.request(roceCustomers, uint32(i+1), 2, byte(i)).Private[mad.IPHeaderLen:]
				c, _, err := s.Devices.Initiator.Dial(ctx, s.Addr, rdma.Options{Private: login, Reads: 4, Serves: 4, MaxMessage: 4096, Messages: 16})
				stop()
				if err != nil {
					continue
				}
				h := &keyed{done: make(chan bool)}
				c.Start(h)
				data, err := arena.Get(4096)
				if err != nil {
					t.Error(err)
					return
				}
				w := rdma.Work{Op: []rdma.Op{rdma.Write, rdma.Read}[r.IntN(2)], Data: data, Len: 4096, Remote: rdma.Remote{Key: rdma.Key(r.Uint32()), Addr: r.Uint64()}}
				if c.Post(&w) {
					c.Flush()
				}
				select {
				case <-h.done:
				case <-time.After(10 * time.Second):
					t.Error("who uses a key that there is not is not thrown out")
					c.Close(context.Canceled)
					<-h.done
				}
				data.Release()
			}
		})
	}
	all.Wait()
	s.comesIn()
}

// keyed waits for the end of a connection.
type keyed struct{ done chan bool }

func (*keyed) Received(rdma.Message)  {}
func (*keyed) Done(*rdma.Work, error) {}
func (k *keyed) Closed(error)         { close(k.done) }
