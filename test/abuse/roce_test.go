//go:build abuse

package abuse

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/cm"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
	"github.com/lunette-io/lunette/network/rdma/roce"
	"github.com/lunette-io/lunette/network/udp"
	"github.com/lunette-io/lunette/network/udp/sim"
	"github.com/lunette-io/lunette/scsi"
	targetsrp "github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// Where the target, its customers, and somebody who abuses it are; strangers have all other addresses.
var (
	roceTarget    = netip.MustParseAddr("10.0.0.1")
	roceCustomers = netip.MustParseAddr("10.0.0.2")
	roceEvil      = netip.MustParseAddr("10.0.0.3")
)

const rocePort = 3260

// A tap is the host of the target. What strangers send is put in here, as if it came from the network, and what is sent to them ends here.
type tap struct {
	*sim.Host
	mu       sync.Mutex
	socket   *tapped
	answered atomic.Int64         // all of them
	to       func(m *udp.Message) // is told of those to the evil one. nil: nobody
	came     []udp.Packet         // what customers have sent, the last thousands
}

// Open implements udp.Host.
func (x *tap) Open(ctx context.Context, c udp.Config) (udp.Socket, error) {
	s, err := x.Host.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	t := &tapped{Socket: s, tap: x, conf: c, lanes: make([]sync.Mutex, c.Lanes)}
	x.mu.Lock()
	x.socket = t
	x.mu.Unlock()
	return t, nil
}

// MTU implements udp.Host: there is a way to everybody.
func (x *tap) MTU(local, remote netip.Addr) (netip.Addr, int, error) {
	if remote != roceCustomers {
		return roceTarget, 9000, nil
	}
	return x.Host.MTU(local, remote)
}

// A tapped is the socket of the target.
type tapped struct {
	udp.Socket
	tap   *tap
	conf  udp.Config
	lanes []sync.Mutex // who hands over packets of a lane
	h     udp.Handler
}

// Start implements udp.Socket.
func (s *tapped) Start(h udp.Handler) {
	s.h = h
	s.Socket.Start(s)
}

// Received implements udp.Handler.
func (s *tapped) Received(lane int, batch []udp.Packet) {
	s.tap.mu.Lock()
	for _, p := range batch {
		p.Data = bytes.Clone(p.Data)
		if s.tap.came = append(s.tap.came, p); len(s.tap.came) > 4096 {
			s.tap.came = slices.Delete(s.tap.came, 0, 2048)
		}
	}
	s.tap.mu.Unlock()
	s.lanes[lane].Lock()
	defer s.lanes[lane].Unlock()
	s.h.Received(lane, batch)
}

// Send implements udp.Socket.
func (s *tapped) Send(batch []udp.Message) error {
	var known []udp.Message
	for i := range batch {
		switch to := batch[i].Remote.Addr(); to {
		case roceCustomers:
			known = append(known, batch[i])
		default:
			s.tap.answered.Add(1)
			s.tap.mu.Lock()
			f := s.tap.to
			s.tap.mu.Unlock()
			if f != nil && to == roceEvil {
				f(&batch[i])
			}
		}
	}
	if known == nil {
		return nil
	}
	return s.Socket.Send(known)
}

// put hands the target a datagram that has come from somewhere.
func (x *tap) put(from netip.Addr, b []byte) {
	x.mu.Lock()
	s := x.socket
	x.mu.Unlock()
	lane := 0
	if len(b) >= s.conf.Word+4 {
		lane = int((binary.BigEndian.Uint32(b[s.conf.Word:]) & s.conf.Mask) % uint32(s.conf.Lanes))
	}
	p := udp.Packet{
		Local: netip.AddrPortFrom(roceTarget, roce.Port), Remote: netip.AddrPortFrom(from, 0xc123), Data: b, Identified: true, ID: 7, Fragment: 0x4000,
	}
	s.lanes[lane].Lock()
	defer s.lanes[lane].Unlock()
	s.h.Received(lane, []udp.Packet{p})
}

// sealed is a packet with its ICRC, as it comes from an address.
func sealed(from netip.Addr, b []byte) []byte {
	n := len(b) + ib.ICRCLen
	all := bytes.Repeat([]byte{0xff}, 8)
	all = append(all, 0x45, 0xff, byte((n+28)>>8), byte(n+28), 0, 7, 0x40, 0, 0xff, 17, 0xff, 0xff)
	s, d := from.As4(), roceTarget.As4()
	all = append(append(all, s[:]...), d[:]...)
	all = append(all, 0xc1, 0x23, roce.Port>>8, roce.Port&0xff, byte((n+8)>>8), byte(n+8), 0xff, 0xff)
	at := len(all)
	all = append(all, b...)
	if len(b) > 4 {
		all[at+4] = 0xff
	}
	return binary.LittleEndian.AppendUint32(slices.Clip(b), crc(all))
}

// A roceScene is a node of SRP over RoCE, with a customer that has to be served throughout.
type roceScene struct {
	*transporttest.SRP
	t      *testing.T
	tap    *tap
	device *roce.Device
}

// startRoCE starts a node, and a twin of it that nobody abuses.
func startRoCE(t *testing.T) *roceScene {
	if engine := os.Getenv("LUNETTE_ENGINE"); engine != "" {
		t.Skipf("SKIPPED: RoCE waits for no sockets of TCP: it is the same with %s", engine)
	}
	node := func() *roceScene {
		n := sim.New()
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
		x := &tap{Host: n.Host("target", 9000, roceTarget)}
		s := &roceScene{t: t, tap: x, device: roceDevice(t, x)}
		d := transporttest.Devices{Target: s.device, Initiator: roceDevice(t, n.Host("customers", 9000, roceCustomers)), Addr: "10.0.0.1:3260", From: roceCustomers, Asks: roce.MaxPrivateRequest}
		s.SRP = transporttest.StartSRP(t, d, targetsrp.Config{Arena: buffer.NewArena(1 << 30)}, nil)
		return s
	}
	twin := newSRPCustomer(node(), 200)
	s := node()
	watched := memoryWatch(t)
	good := newSRPCustomer(s, 200)
	t.Cleanup(func() { // before the nodes are shut down
		good.end()
		twin.end()
		watched()
		served, twins := good.count.Load(), twin.count.Load()
		t.Logf("served %d times, %v at most, the customer of the twin %d times, %v; %d datagrams to strangers; %+v",
			served, time.Duration(good.longest.Load()), twins, time.Duration(twin.longest.Load()), s.tap.answered.Load(), s.device.Stats())
		if served == 0 || twins > 100*served+100 {
			t.Errorf("the customer was served %d times, that of the twin %d times", served, twins)
		}
	})
	return s
}

func roceDevice(t *testing.T, h udp.Host) *roce.Device {
	t.Helper()
	d, err := roce.New(roce.Config{Host: h, Lanes: 2})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A srpCustomer writes and reads all the time, where nobody else writes.
type srpCustomer struct {
	stop, done chan struct{}
	count      atomic.Int64
	longest    atomic.Int64 // of what it does, in ns
}

func newSRPCustomer(s *roceScene, n byte) *srpCustomer {
	c := &srpCustomer{stop: make(chan struct{}), done: make(chan struct{})}
	conn := s.Dial(s.Config(n))
	go func() {
		defer close(c.done)
		w := srp.Command{CDB: transporttest.CDB10(scsi.OpWrite10, home, 32, transporttest.Later), Out: make([]byte, 16<<10)}
		r := srp.Command{CDB: transporttest.CDB10(scsi.OpRead10, home, 32, transporttest.Lend), In: make([]byte, 16<<10)}
		for i := byte(0); ; i++ {
			select {
			case <-c.stop:
				return
			case <-time.After(time.Millisecond):
			}
			for j := range w.Out {
				w.Out[j] = i + byte(j)
			}
			began := time.Now()
			err := conn.Do(&w)
			if err == nil && w.Status == scsi.Good {
				err = conn.Do(&r)
			}
			c.longest.Store(max(c.longest.Load(), int64(time.Since(began))))
			if err != nil || w.Status != scsi.Good || r.Status != scsi.Good || !bytes.Equal(r.In, w.Out) {
				s.t.Errorf("the customer is not served: %v, %v, %v", err, w.Status, r.Status)
				return
			}
			c.count.Add(1)
		}
	}()
	return c
}

func (c *srpCustomer) end() {
	close(c.stop)
	<-c.done
}

// comesIn checks that somebody can log in.
func (s *roceScene) comesIn() {
	s.t.Helper()
	c := s.Dial(s.Config(201))
	if k := (srp.Command{CDB: make([]byte, 6)}); c.Do(&k) != nil || k.Status != scsi.Good {
		s.t.Fatal(k.Err, k.Status)
	}
	_ = c.Close()
}

// general sends a management datagram.
func (s *roceScene) general(from netip.Addr, datagram []byte) {
	h := ib.BTH{Opcode: ib.UDSendOnly, PKey: ib.DefaultPKey, Dest: ib.QP1}
	x := ib.DETH{QKey: ib.QKeyGSI, Source: ib.QP1}
	s.tap.put(from, sealed(from, append(x.Append(h.Append(nil)), datagram...)))
}

// message sends one of the communication manager.
func (s *roceScene) message(from netip.Addr, a mad.Attribute, tid uint64, m interface{ Append([]byte) []byte }) {
	h := mad.CM(a, tid)
	s.general(from, m.Append(h.Append(nil)))
}

// request is a REQ that could log in at SRP.
func (s *roceScene) request(from netip.Addr, id uint32, qpn ib.QPN, n byte) *mad.REQ {
	h := mad.IPHeader{SourcePort: 40000, Source: from, Destination: roceTarget}
	login := iu.LoginRequest{
		MaxIU: 1024, Needs: iu.FormatsDirect | iu.FormatsIndirect, Action: iu.Multi, Target: iu.MakePortID(transporttest.SRPIDExt, transporttest.SRPIOCGUID),
		Initiator: iu.MakePortID(uint64(id), 0x666000+uint64(n)),
	}
	return &mad.REQ{
		LocalID: id, ServiceID: mad.ServiceID(rocePort), GUID: 0x666, QPN: qpn, ResponderResources: 16, InitiatorDepth: 16, RemoteTimeout: 20, PSN: 0x100, LocalTimeout: 14,
		RetryCount: 7, PKey: ib.DefaultPKey, MTU: ib.MTU1024, RNRRetryCount: 7, MaxCMRetries: 15,
		Primary: mad.Route{LocalLID: mad.PermissiveLID, RemoteLID: mad.PermissiveLID, Local: from, Remote: roceTarget, HopLimit: 64, Timeout: 14},
		Private: login.AppendCM(h.Append(nil)),
	}
}

// stranger is one of very many addresses.
func stranger(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), byte(n)})
}

// within checks that strangers have had no more datagrams than a manager sends.
func (s *roceScene) within(took time.Duration, repeated int) {
	s.t.Helper()
	l := cm.DefaultLimits()
	if n, most := s.tap.answered.Load(), int64((l.All+l.Unknown)*(int(took.Seconds())+2)+repeated); n > most {
		s.t.Errorf("%d datagrams to strangers, where %d are the most in %v", n, most, took)
	}
}

// An evilPeer is connected, and does what it wants with the queue pair.
type evilPeer struct {
	s    *roceScene
	qpn  ib.QPN // of the target
	psn  ib.PSN // that the target expects
	id   uint32
	peer uint32
}

// evilPeer connects by hand; nil: it is not let in.
func (s *roceScene) evilPeer(n uint32) *evilPeer {
	s.t.Helper()
	rep := make(chan mad.REP, 1)
	s.tap.mu.Lock()
	s.tap.to = func(m *udp.Message) {
		b := bytes.Join(m.Vec, nil)
		if h, ok := ib.ParseBTH(b); !ok || h.Dest != ib.QP1 || len(b) < ib.BTHLen+ib.DETHLen+mad.Size {
			return
		}
		h, data, _ := mad.Parse(b[ib.BTHLen+ib.DETHLen:][:mad.Size])
		if r, _ := mad.ParseREP(data); h.Attribute == mad.AttrREP && r.RemoteID == n {
			select {
			case rep <- r:
			default:
			}
		}
	}
	s.tap.mu.Unlock()
	defer func() {
		s.tap.mu.Lock()
		s.tap.to = nil
		s.tap.mu.Unlock()
	}()
	s.message(roceEvil, mad.AttrREQ, uint64(n), s.request(roceEvil, n, ib.QPN(0x1000+n), byte(n)))
	select {
	case r := <-rep:
		s.message(roceEvil, mad.AttrRTU, uint64(n), &mad.RTU{LocalID: n, RemoteID: r.LocalID})
		return &evilPeer{s: s, qpn: r.QPN, psn: r.PSN, id: n, peer: r.LocalID}
	case <-time.After(5 * time.Second):
		return nil
	}
}

// send sends a packet: the headers that the opcode has are filled at random, but for what is said.
func (p *evilPeer) send(r *rand.Rand, op ib.Opcode, psn ib.PSN, n int) {
	h := ib.BTH{Opcode: op, PKey: ib.DefaultPKey, Dest: p.qpn, PSN: psn, AckReq: r.IntN(2) == 0, Pad: uint8(ib.Padding(n))}
	b := h.Append(nil)
	rest := make([]byte, max(op.HeaderLen(), ib.BTHLen)-ib.BTHLen+n+ib.Padding(n))
	noise(r, rest)
	p.s.tap.put(roceEvil, sealed(roceEvil, append(b, rest...)))
}
