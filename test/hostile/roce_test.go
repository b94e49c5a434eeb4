//go:build hostile

package hostile

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	initiator "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
	"github.com/lunette-io/lunette/network/rdma/roce"
	"github.com/lunette-io/lunette/network/udp/socket"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/srp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// Where the daemon is, and one who abuses it: all addresses of 127.0.0.0/8 are this host's, and each other one is a stranger.
var (
	roceDaemon = netip.MustParseAddr("127.0.0.1")
	roceEvil   = netip.MustParseAddr("127.77.0.1")
)

const roceService = 3260

// TestRoCE lets hosts do what they want with a whole daemon, by datagrams to UDP port 4791: a customer is served meanwhile, and afterwards nothing is left.
func TestRoCE(t *testing.T) {
	if engine := os.Getenv("LUNETTE_ENGINE"); engine != "" {
		t.Skipf("SKIPPED: RoCE waits for no sockets of TCP: it is the same with %s", engine)
	}
	if !transporttest.InNamespace(t, 9000) { // UDP port 4791 is there once
		return
	}
	d := serve(t, "units: [{name: disk, store: {kind: memory, size: 64M}}]\n"+
		"targets: [{name: \""+targetName+"\", luns: {0: disk}}]\n"+
		"portals: [\"srp+roce://127.0.0.1:3260\"]\n")
	dev, err := roce.New(roce.Config{Host: socket.New()})
	if err != nil {
		t.Fatal(err)
	}
	x := &roceScene{t: t, d: d, device: dev, stop: make(chan struct{}), port: d.srpPort()}
	x.run()
	if err := dev.Close(); err != nil {
		t.Error(err)
	}
	if status := d.stop(); status != 0 {
		t.Errorf("the daemon has ended with status %d", status)
	}
}

// A roceScene is a daemon, and who else sends to it.
type roceScene struct {
	t       *testing.T
	d       *daemon
	device  *roce.Device
	port    iu.PortID
	served  atomic.Int64
	longest atomic.Int64 // of what the customer did, in ns
	sent    atomic.Int64 // datagrams of strangers
	peers   atomic.Int64 // evil ones that were let in
	stop    chan struct{}
}

// channel logs in, in good order.
func (x *roceScene) channel(n uint64) *initiator.Conn {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	c, err := initiator.Dial(ctx, x.device, "127.0.0.1:3260", initiator.Config{Initiator: iu.MakePortID(0, 0x0002c90300000000+n), Target: x.port})
	if err != nil {
		x.t.Fatal(err)
	}
	return c
}

func (x *roceScene) run() {
	t := x.t
	c := x.channel(1)
	var customer, evil sync.WaitGroup
	customer.Go(func() { x.customer(c) })
	before, err := x.d.state()
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(2) {
		evil.Go(func() { x.strangers(i) })
	}
	evil.Go(x.evil)
	time.Sleep(6 * time.Second)
	worst := x.d.resident()
	close(x.stop)
	evil.Wait()
	customer.Wait()
	if x.served.Load() == 0 || x.peers.Load() == 0 {
		t.Errorf("the customer was served %d times, %d evil peers were let in", x.served.Load(), x.peers.Load())
	}
	if more := worst - before.rss; more > 256<<20 {
		t.Errorf("%d MiB more resident", more>>20)
	}
	late := x.channel(2)
	if k := (&initiator.Command{CDB: make([]byte, 6)}); late.Do(k) != nil {
		t.Error(k.Err)
	}
	_, _ = late.Close(), c.Close()
	var left atomic.Pointer[state]
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("before: %v; at the end: %v", before, left.Load())
		}
	})
	x.d.eventually("nobody is left", func() bool {
		s, err := x.d.state()
		left.Store(&s)
		return err == nil && s.sessions == 0 && s.descriptors <= before.descriptors && s.goroutines <= before.goroutines+2
	})
	t.Logf("served %d times, %v at most; %d datagrams of strangers, %d evil peers; before: %v; %d MiB resident at the end of it; after: %v",
		x.served.Load(), time.Duration(x.longest.Load()), x.sent.Load(), x.peers.Load(), before, worst>>20, left.Load())
}

// customer writes and reads, where nobody else writes.
func (x *roceScene) customer(c *initiator.Conn) {
	w := initiator.Command{CDB: transporttest.CDB10(scsi.OpWrite10, 100_000, 32, 0), Out: make([]byte, 16<<10)}
	r := initiator.Command{CDB: transporttest.CDB10(scsi.OpRead10, 100_000, 32, 0), In: make([]byte, 16<<10)}
	for i := byte(0); ; i++ {
		select {
		case <-x.stop:
			return
		case <-time.After(time.Millisecond):
		}
		for j := range w.Out {
			w.Out[j] = i + byte(j)
		}
		began := time.Now()
		err := c.Do(&w)
		if err == nil {
			err = c.Do(&r)
		}
		x.longest.Store(max(x.longest.Load(), int64(time.Since(began))))
		if w.Status == scsi.CheckCondition && w.Sense.Key == scsi.KeyUnitAttention {
			continue // the first command
		}
		if err != nil || w.Status != scsi.Good || r.Status != scsi.Good || !bytes.Equal(r.In, w.Out) {
			x.t.Errorf("the customer is not served: %v, %v, %v", err, w.Status, r.Status)
			return
		}
		x.served.Add(1)
	}
}

// A liar is a socket that sends from any address.
type liar struct {
	*net.UDPConn
	port uint16
}

// lie opens one at an address.
func (x *roceScene) lie(at netip.AddrPort) *liar {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		x.t.Error(err)
		return nil
	}
	raw, err := c.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { // identifications are 0 then
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
		})
	}
	if err != nil {
		x.t.Error(err)
	}
	return &liar{c, c.LocalAddr().(*net.UDPAddr).AddrPort().Port()}
}

// send sends a packet from an address, with an ICRC that is right.
func (l *liar) send(from netip.Addr, b []byte) {
	n := len(b) + ib.ICRCLen
	all := bytes.Repeat([]byte{0xff}, 8)
	all = append(all, 0x45, 0xff, byte((n+28)>>8), byte(n+28), 0, 0, 0x40, 0, 0xff, 17, 0xff, 0xff)
	s, d := from.As4(), roceDaemon.As4()
	all = append(append(all, s[:]...), d[:]...)
	all = binary.BigEndian.AppendUint16(all, l.port)
	all = append(all, roce.Port>>8, roce.Port&0xff, byte((n+8)>>8), byte(n+8), 0xff, 0xff)
	at := len(all)
	all = append(all, b...)
	all[at+4] = 0xff
	l.raw(from, binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(all)))
}

// raw sends a datagram as it is.
func (l *liar) raw(from netip.Addr, b []byte) {
	info := unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: from.As4()})
	_, _, _ = l.WriteMsgUDPAddrPort(b, info, netip.AddrPortFrom(roceDaemon, roce.Port)) // what does not go out is lost
}

// message sends one of the communication manager.
func (l *liar) message(from netip.Addr, a mad.Attribute, m interface{ Append([]byte) []byte }) {
	h := ib.BTH{Opcode: ib.UDSendOnly, PKey: ib.DefaultPKey, Dest: ib.QP1}
	x := ib.DETH{QKey: ib.QKeyGSI, Source: ib.QP1}
	g := mad.CM(a, 1)
	l.send(from, m.Append(g.Append(x.Append(h.Append(nil)))))
}

// request is a REQ that logs in.
func (x *roceScene) request(from netip.Addr, id uint32, qpn ib.QPN) *mad.REQ {
	h := mad.IPHeader{SourcePort: 40000, Source: from, Destination: roceDaemon}
	login := iu.LoginRequest{MaxIU: 1024, Needs: iu.FormatsDirect, Action: iu.Multi, Target: x.port, Initiator: iu.MakePortID(0x666, uint64(id))}
	return &mad.REQ{
		LocalID: id, ServiceID: mad.ServiceID(roceService), GUID: 0x666, QPN: qpn, ResponderResources: 16, InitiatorDepth: 16, RemoteTimeout: 20, PSN: 0x100, LocalTimeout: 14,
		RetryCount: 7, PKey: ib.DefaultPKey, MTU: ib.MTU1024, RNRRetryCount: 7, MaxCMRetries: 15,
		Primary: mad.Route{LocalLID: mad.PermissiveLID, RemoteLID: mad.PermissiveLID, Local: from, Remote: roceDaemon, HopLimit: 64, Timeout: 14},
		Private: login.AppendCM(h.Append(nil)),
	}
}

// strangers send from addresses without number: requests that would be good, messages that belong to nothing, packets to queue pairs, anything.
func (x *roceScene) strangers(seed uint64) {
	l := x.lie(netip.AddrPort{})
	if l == nil {
		return
	}
	defer l.Close()
	r := rand.New(rand.NewPCG(seed, 1))
	for {
		select {
		case <-x.stop:
			return
		case <-time.After(time.Millisecond):
		}
		for range 16 {
			n := r.Uint32()
			at := netip.AddrFrom4([4]byte{127, 66, byte(n >> 8), byte(n)})
			switch r.IntN(6) {
			case 0, 1, 2:
				l.message(at, mad.AttrREQ, x.request(at, n, ib.QPN(2+n%1000)))
			case 3:
				l.message(at, []mad.Attribute{mad.AttrRTU, mad.AttrDREQ, mad.AttrDREP, mad.AttrREJ, mad.AttrMRA, mad.AttrLAP}[r.IntN(6)], &mad.RTU{LocalID: n, RemoteID: r.Uint32()})
			case 4:
				h := ib.BTH{Opcode: ib.Opcode(r.Uint32()), PKey: ib.DefaultPKey, Dest: ib.QPN(r.Uint32N(1 << 24)), PSN: ib.PSN(r.Uint32N(1 << 24))}
				l.send(at, append(h.Append(nil), make([]byte, 4*r.IntN(200))...))
			default:
				b := make([]byte, r.IntN(1000))
				for i := range b {
					b[i] = byte(r.Uint32())
				}
				l.raw(at, b)
			}
			x.sent.Add(1)
		}
	}
}

// evil connects, again and again, and sends packets that no queue pair would.
func (x *roceScene) evil() {
	l := x.lie(netip.AddrPortFrom(roceEvil, roce.Port))
	if l == nil {
		return
	}
	defer l.Close()
	r := rand.New(rand.NewPCG(9, 1))
	ops := []ib.Opcode{
		ib.SendFirst, ib.SendMiddle, ib.SendLast, ib.SendOnly, ib.WriteFirst, ib.WriteMiddle, ib.WriteOnly, ib.ReadRequest, ib.ReadFirst, ib.ReadLast, ib.ReadOnly, ib.Acknowledge, ib.FetchAdd,
		ib.SendOnlyInvalidate, ib.CNP,
	}
	var silent []*mad.DREQ
	for id := uint32(1); ; id++ {
		select {
		case <-x.stop:
			for _, q := range silent { // who says nothing more is not told from who has nothing to say
				l.message(roceEvil, mad.AttrDREQ, q)
			}
			return
		default:
		}
		l.message(roceEvil, mad.AttrREQ, x.request(roceEvil, id, ib.QPN(0x1000+id)))
		rep, ok := l.reply(id)
		if !ok {
			continue
		}
		x.peers.Add(1)
		l.message(roceEvil, mad.AttrRTU, &mad.RTU{LocalID: id, RemoteID: rep.LocalID})
		for range 100 {
			op := ops[r.IntN(len(ops))]
			size := r.IntN(1100)
			h := ib.BTH{Opcode: op, PKey: ib.DefaultPKey, Dest: rep.QPN, PSN: rep.PSN.Add(r.IntN(16)), AckReq: true, Pad: uint8(ib.Padding(size))}
			b := append(h.Append(nil), make([]byte, max(op.HeaderLen(), ib.BTHLen)-ib.BTHLen+size+ib.Padding(size))...)
			for i := ib.BTHLen; i < len(b); i++ {
				b[i] = byte(r.Uint32())
			}
			l.send(roceEvil, b)
		}
		q := &mad.DREQ{LocalID: id, RemoteID: rep.LocalID, QPN: rep.QPN}
		if id%2 == 0 {
			l.message(roceEvil, mad.AttrDREQ, q)
		} else {
			silent = append(silent, q)
		}
	}
}

// reply waits for the REP to a REQ.
func (l *liar) reply(id uint32) (r mad.REP, ok bool) {
	_ = l.SetReadDeadline(time.Now().Add(time.Second))
	b := make([]byte, 8192)
	for {
		n, err := l.Read(b)
		if err != nil {
			return r, false
		}
		if n < ib.BTHLen+ib.DETHLen+mad.Size || b[0] != byte(ib.UDSendOnly) {
			continue
		}
		h, data, _ := mad.Parse(b[ib.BTHLen+ib.DETHLen:][:mad.Size])
		if r, _ = mad.ParseREP(data); h.Attribute == mad.AttrREP && r.RemoteID == id {
			return r, true
		}
	}
}
