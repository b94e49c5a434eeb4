//go:build hostile

package hostile

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/initiator/fcp"
	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/packet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fcoe"
	"github.com/lunette-io/lunette/network/fc/fip"
	"github.com/lunette-io/lunette/scsi"
	targetfcp "github.com/lunette-io/lunette/transport/fcp"
	"github.com/lunette-io/lunette/transport/fcp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// TestFibreChannel lets hosts on the same wire do what they want with a whole daemon, as a neighbour and as a fabric: a customer is served meanwhile, and afterwards nothing is left.
func TestFibreChannel(t *testing.T) {
	if engine := os.Getenv("LUNETTE_ENGINE"); engine != "" {
		t.Skipf("SKIPPED: Fibre Channel waits for no sockets of TCP: it is the same with %s", engine)
	}
	for mode, other := range map[fcoe.Mode]fcoe.Mode{fcoe.VN2VN: fcoe.VN2VN, fcoe.Fabric: fcoe.ENode} {
		t.Run(string(mode), func(t *testing.T) {
			if !transporttest.InNamespace(t, 2500) {
				return
			}
			d := serve(t, "units: [{name: disk, store: {kind: memory, size: 64M}}]\n"+
				"targets: [{name: \""+targetName+"\", luns: {0: disk}}]\n"+
				"portals: [\"fcp+fcoe://"+transporttest.VethTarget+"?mode="+string(mode)+"\"]\n")
			n, err := fcoe.New(fcoe.Config{Host: packet.New()}).Open(t.Context(), transporttest.VethInitiator+"?mode="+string(other))
			if err != nil {
				t.Fatal(err)
			}
			x := &wireScene{t: t, d: d, network: n, target: targetfcp.PortName(targetfcp.NodeName(targetName), 1)}
			x.run()
			if err := n.Close(); err != nil {
				t.Error(err)
			}
			if status := d.stop(); status != 0 {
				t.Errorf("the daemon has ended with status %d", status)
			}
		})
	}
}

// A wireScene is a daemon on a wire, and who else is there.
type wireScene struct {
	t       *testing.T
	d       *daemon
	network fc.Network
	target  fc.Name
	served  atomic.Int64
	longest atomic.Int64 // of what the customer did, in ns
	stop    chan struct{}
}

// port logs a host in.
func (x *wireScene) port(n int, received func(*fc.Frame) bool) (*fcp.Port, *fcp.Conn) {
	x.t.Helper()
	name := fc.Name(0x2000_0200000dd000 + n)
	p, err := fcp.Open(x.network, fcp.Config{Node: name - 0x1000_000000000000, Port: name, Received: received})
	if err != nil {
		x.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	c, err := p.Dial(ctx, x.target)
	if err != nil {
		_ = p.Close()
		x.t.Fatal(err)
	}
	return p, c
}

func (x *wireScene) run() {
	t := x.t
	p, c := x.port(1, nil)
	x.stop = make(chan struct{})
	var customer, evil sync.WaitGroup
	customer.Go(func() { x.customer(c) })
	before, err := x.d.state()
	if err != nil {
		t.Fatal(err)
	}
	at := c.Remote().ID()
	var ports []*fcp.Port
	for i := range 4 {
		q, _ := x.port(10+i, func(f *fc.Frame) bool { return f.Type != fc.TypeFCP && f.Type != fc.TypeBLS })
		ports = append(ports, q)
		evil.Go(func() { x.evil(q, at, uint64(i)) })
	}
	evil.Go(func() { x.flood() })
	time.Sleep(6 * time.Second)
	worst := x.d.resident()
	close(x.stop)
	evil.Wait()
	customer.Wait()
	for _, q := range append(ports, p) {
		_ = q.Close()
	}
	if x.served.Load() == 0 {
		t.Error("the customer was not served")
	}
	if more := worst - before.rss; more > 256<<20 {
		t.Errorf("%d MiB more resident", more>>20)
	}
	_, late := x.port(2, nil) // when there is room
	if k := (&fcp.Command{CDB: make([]byte, 6)}); late.Do(k) != nil {
		t.Error(k.Err)
	}
	_ = late.Port().Close()
	x.d.eventually("nobody is left", func() bool {
		s, err := x.d.state()
		return err == nil && s.sessions == 0 && s.descriptors <= before.descriptors && s.goroutines <= before.goroutines+2
	})
	after, _ := x.d.state()
	t.Logf("%+v", p.Stats())
	t.Logf("%+v", x.network.Info())
	t.Logf("served %d times, %v at most, %+v; before: %v; %d MiB resident at the end of it; after: %v", x.served.Load(), time.Duration(x.longest.Load()), p.Counts(), before, worst>>20, after)
}

// customer writes and reads, where nobody else writes.
func (x *wireScene) customer(c *fcp.Conn) {
	w := fcp.Command{CDB: transporttest.CDB10(scsi.OpWrite10, 100_000, 32, 0), Out: make([]byte, 16<<10)}
	r := fcp.Command{CDB: transporttest.CDB10(scsi.OpRead10, 100_000, 32, 0), In: make([]byte, 16<<10)}
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

// evil sends what a host that is logged in may, and never what is asked for.
func (x *wireScene) evil(p *fcp.Port, at fc.ID, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	a, _ := p.Attachment()
	junk := make([]byte, 2048)
	write := iu.Command{Write: true, Len: 1 << 20}
	copy(write.CDB[:], transporttest.CDB10(scsi.OpWrite10, 0, 2048, 0))
	for {
		select {
		case <-x.stop:
			return
		case <-time.After(time.Millisecond):
		}
		for range 8 {
			h := fc.Header{D: at, S: a.ID, Type: fc.TypeFCP, FCtl: fc.FCtlRequest, OX: uint16(r.Uint32N(2000)), RX: fc.NoID}
			var b []byte
			switch r.IntN(8) {
			case 0:
				h.RCtl, h.Type, b = fc.RCtlELSRequest, fc.TypeELS, els.ReadExchange{S: a.ID, OX: h.OX, RX: fc.NoID}.Append(nil)
			case 1:
				h.RCtl, h.Type, h.FCtl = fc.RCtlABTS, fc.TypeBLS, fc.FCtlEndSequence|fc.FCtlSequenceInitiative
			case 2:
				h.RCtl, h.FCtl, h.RX, h.Parameter, b = fc.RCtlData, fc.FCtlRelativeOffset|fc.FCtlEndSequence|fc.FCtlSequenceInitiative, uint16(r.Uint32N(9000)), r.Uint32N(1<<20), junk
			case 3:
				h.RCtl, b = fc.RCtl(r.Uint32()), junk[:4*r.IntN(100)]
			default:
				h.RCtl, b = fc.RCtlCommand, write.Append(nil)
			}
			_ = p.Send(h, b)
		}
	}
}

// flood has ports without number come on the wire, with names and addresses that nobody has.
func (x *wireScene) flood() {
	w, err := packet.New().Open(ethernet.Config{
		Interface: transporttest.VethInitiator, Types: []ethernet.Type{fip.EtherType, fip.FCoEType}, Longest: 2200, Receives: 1 << 20,
	})
	if err != nil {
		x.t.Error(err)
		return
	}
	defer w.Close()
	w.Start(nobody{})
	for n := uint32(1); ; n++ {
		select {
		case <-x.stop:
			return
		default:
		}
		if n%8 == 0 {
			time.Sleep(time.Millisecond)
		}
		mac := ethernet.MAC{6, 0x66, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		port, at := fc.Name(0x2000_0666_0000_0000)+fc.Name(n), fc.ID(0x2000+n%0x7000)
		flogi := els.FabricLogin(els.FLOGI, port, port-0x1000_0000_0000_0000, 2112)
		plogi := els.PortLogin(els.PLOGI, port, port-0x1000_0000_0000_0000, 2112, 2*time.Second)
		vn := fip.VNPort{MAC: fip.PortMAC(fip.VN2VNMap, at), ID: at, Port: port}
		link := fip.Link{Header: fc.Header{RCtl: fc.RCtlELSRequest, D: fc.FabricPort, Type: fc.TypeELS, FCtl: fc.FCtlRequest, RX: fc.NoID}, Payload: flogi.Append(nil)}
		claim := fip.Frame{
			Kind: fip.ClaimNotification, Has: fip.SetOf(fip.TypeMAC, fip.TypeName, fip.TypeVNPort, fip.TypeFC4, fip.TypeMaxSize),
			MAC: mac, Name: port - 0x1000_0000_0000_0000, VNPorts: []fip.VNPort{vn}, MaxSize: 2158,
		}
		claim.FC4.Set(fc.TypeFCP, fc.FeatureInitiator)
		login := fip.Frame{Kind: fip.LinkRequest, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeFLOGI, fip.TypeMAC), Link: link}
		h := fc.Header{RCtl: fc.RCtlELSRequest, D: 0x010001, S: at, Type: fc.TypeELS, FCtl: fc.FCtlRequest, OX: uint16(n), RX: fc.NoID}
		real := ethernet.MAC{2, 0, 0, 0, 0xaa, 1}
		all := []ethernet.Frame{
			{Head: ethernetHead(fip.AllVN2VN, mac, fip.EtherType), Body: claim.Append(nil)},
			{Head: ethernetHead(real, mac, fip.EtherType), Body: login.Append(nil)},
			{Head: ethernetHead(real, vn.MAC, fip.FCoEType), Body: encapsulated(h, plogi.Append(nil))},
		}
		if _, err := w.Send(all); err != nil {
			x.t.Error(err)
			return
		}
	}
}

func ethernetHead(dst, src ethernet.MAC, t ethernet.Type) []byte {
	return binary.BigEndian.AppendUint16(append(dst[:], src[:]...), uint16(t))
}

// encapsulated is an FC frame of one sequence as FCoE has it.
func encapsulated(h fc.Header, payload []byte) []byte {
	b := append(make([]byte, 13), 0x2e)
	b = append(h.Append(b), payload...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[14:]))
	return append(b, 0x42, 0, 0, 0)
}

// nobody takes what comes to a wire.
type nobody struct{}

func (nobody) Received([]byte)        {}
func (nobody) Batch()                 {}
func (nobody) Writable()              {}
func (nobody) Changed(ethernet.State) {}
