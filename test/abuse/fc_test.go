//go:build abuse

package abuse

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/initiator/fcp"
	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/packet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fcoe"
	"github.com/lunette-io/lunette/network/fc/fip"
	"github.com/lunette-io/lunette/scsi"
	targetfcp "github.com/lunette-io/lunette/transport/fcp"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// An fcScene is a node on a wire that somebody abuses, with a customer that has to be served throughout, and a twin of both that nobody abuses.
type fcScene struct {
	*transporttest.FCP
	t    *testing.T
	mode fcoe.Mode
	wire ethernet.Wire // the abuser's own
	seen atomic.Int64  // frames that came to it
}

// overFC runs test in each mode of FCoE, in a namespace of its own.
func overFC(t *testing.T, test func(s *fcScene)) {
	if engine := os.Getenv("LUNETTE_ENGINE"); engine != "" {
		t.Skipf("SKIPPED: Fibre Channel waits for no sockets of TCP: it is the same with %s", engine)
	}
	for _, mode := range []fcoe.Mode{fcoe.VN2VN, fcoe.Fabric} {
		t.Run(string(mode), func(t *testing.T) {
			if transporttest.InNamespace(t, 2500) {
				test(startFC(t, mode))
			}
		})
	}
}

// The twin's interfaces.
const (
	twinTarget    = "twin0"
	twinInitiator = "twin1"
)

// startFC starts both nodes with their customers.
func startFC(t *testing.T, mode fcoe.Mode) *fcScene {
	for _, line := range []string{
		"link add " + twinTarget + " type veth peer name " + twinInitiator,
		"link set " + twinTarget + " mtu 2500 up", "link set " + twinInitiator + " mtu 2500 up",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	network := func(at, from string) *transporttest.FibreChannel {
		return transporttest.FCoE(t, packet.New(), packet.New(), at, from, mode, "")
	}
	twin := newFCCustomer(t, transporttest.StartFCP(t, network(twinTarget, twinInitiator), targetfcp.Config{}, nil), 200)
	s := &fcScene{t: t, mode: mode, FCP: transporttest.StartFCP(t, network(transporttest.VethTarget, transporttest.VethInitiator), targetfcp.Config{}, nil)}
	watched := memoryWatch(t)
	good := newFCCustomer(t, s.FCP, 200)
	w, err := packet.New().Open(ethernet.Config{
		Interface: transporttest.VethInitiator, Types: []ethernet.Type{fip.EtherType, fip.FCoEType}, Longest: 2200, Receives: 4 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Start(abuser{s})
	s.wire = w
	t.Cleanup(func() { // before the nodes are shut down
		_ = w.Close()
		good.end()
		twin.end()
		watched()
		served, twins := good.count.Load(), twin.count.Load()
		t.Logf("served %d times, a write took %v at most, %+v; the customer of the twin %d times, %v, %+v; %d frames came to the abuser",
			served, time.Duration(good.longest.Load()), good.conn.Port().Counts(), twins, time.Duration(twin.longest.Load()), twin.conn.Port().Counts(), s.seen.Load())
		if served == 0 || twins > 100*served+100 {
			t.Errorf("the customer was served %d times, that of the twin %d times", served, twins)
		}
	})
	return s
}

// An abuser takes what comes to its wire.
type abuser struct{ s *fcScene }

func (a abuser) Received([]byte)        { a.s.seen.Add(1) }
func (a abuser) Batch()                 {}
func (a abuser) Writable()              {}
func (a abuser) Changed(ethernet.State) {}

// An fcCustomer writes and reads all the time, where nobody else writes.
type fcCustomer struct {
	stop, done chan struct{}
	count      atomic.Int64
	conn       *fcp.Conn
	longest    atomic.Int64 // of its commands, in ns
}

func newFCCustomer(t *testing.T, s *transporttest.FCP, n byte) *fcCustomer {
	c := &fcCustomer{stop: make(chan struct{}), done: make(chan struct{})}
	conn := s.Dial(s.Config(n))
	c.conn = conn
	go func() {
		defer close(c.done)
		w := fcp.Command{CDB: transporttest.CDB10(scsi.OpWrite10, home, 32, transporttest.Later), Out: make([]byte, 16<<10)}
		r := fcp.Command{CDB: transporttest.CDB10(scsi.OpRead10, home, 32, transporttest.Lend), In: make([]byte, 16<<10)}
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
			c.longest.Store(max(c.longest.Load(), int64(time.Since(began))))
			if err == nil && w.Status == scsi.Good {
				err = conn.Do(&r)
			}
			if err != nil || w.Status != scsi.Good || r.Status != scsi.Good || !bytes.Equal(r.In, w.Out) {
				t.Errorf("the customer is not served: %v, %v, %v, %+v", err, w.Status, r.Status, conn.Port().Counts())
				return
			}
			c.count.Add(1)
		}
	}()
	return c
}

func (c *fcCustomer) end() {
	close(c.stop)
	<-c.done
}

// comesIn checks that somebody can log in.
func (s *fcScene) comesIn() {
	s.t.Helper()
	p, err := fcp.Open(s.Network.Initiators, s.Config(202))
	if err != nil {
		s.t.Fatal(err)
	}
	defer p.Close()
	c, err := s.Again(p)
	if err != nil {
		s.t.Fatalf("nobody gets in any more: %v", err)
	}
	if k := (fcp.Command{CDB: make([]byte, 6)}); c.Do(&k) != nil || k.Status != scsi.Good {
		s.t.Fatal(k.Err, k.Status)
	}
}

// evil is a port that has logged in and then does what it wants.
func (s *fcScene) evil(n byte, received func(*fc.Frame) bool) (*fcp.Port, *fcp.Conn) {
	s.t.Helper()
	cfg := s.Config(n)
	cfg.Received = received
	p := s.Open(cfg)
	c, err := s.Again(p)
	if err != nil {
		s.t.Fatalf("evil %d: %v", n, err)
	}
	return p, c
}

// send puts a frame on the wire: destination, source, type and what is behind.
func (s *fcScene) send(frames ...[]byte) {
	batch := make([]ethernet.Frame, len(frames))
	for i, f := range frames {
		batch[i].Head, batch[i].Body = f[:ethernet.HeaderLen], f[ethernet.HeaderLen:]
	}
	for stop := time.Now().Add(5 * time.Second); len(batch) > 0 && time.Now().Before(stop); {
		n, err := s.wire.Send(batch)
		if err != nil {
			return
		}
		if batch = batch[n:]; n == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// head is the start of an Ethernet frame.
func head(dst, src ethernet.MAC, t ethernet.Type) []byte {
	b := append(append(make([]byte, 0, 2200), dst[:]...), src[:]...)
	return binary.BigEndian.AppendUint16(b, uint16(t))
}

// encapsulate makes an Ethernet frame of an FC frame, with a CRC that is right.
func encapsulate(dst, src ethernet.MAC, h fc.Header, payload []byte) []byte {
	b := append(head(dst, src, fip.FCoEType), make([]byte, 13)...)
	b = append(b, 0x2e)
	start := len(b)
	b = append(h.Append(b), payload...)
	for (len(b)-start)%4 != 0 {
		b = append(b, 0)
	}
	b = binary.LittleEndian.AppendUint32(b, crc(b[start:]))
	return append(b, 0x42, 0, 0, 0)
}

// fipFrame makes an Ethernet frame of a FIP frame.
func fipFrame(dst, src ethernet.MAC, x *fip.Frame) []byte {
	return x.Append(head(dst, src, fip.EtherType))
}

// places are where the target is on the wire: its Ethernet address for FC frames and its N_Port_ID, and the interface's own address.
func (s *fcScene) places() (mac ethernet.MAC, id fc.ID, real ethernet.MAC) {
	s.t.Helper()
	real = ethernet.MAC{2, 0, 0, 0, 0xaa, 1}
	ctx, cancel := context.WithTimeout(context.Background(), transporttest.Patience)
	defer cancel()
	p := s.Open(s.Config(204))
	c, err := p.Dial(ctx, transporttest.FCPPort)
	if err != nil {
		s.t.Fatal(err)
	}
	id = c.Remote().ID()
	if s.mode == fcoe.VN2VN {
		return fip.PortMAC(fip.VN2VNMap, id), id, real
	}
	return real, id, real
}

// mac is an address that nobody has.
func mac(n uint32) ethernet.MAC {
	return ethernet.MAC{6, 0x66, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// pace keeps somebody who abuses from sending all the time: Ethernet has no flow control that everybody keeps to, so that who sends more than the node can receive
// has frames of all thrown away, and each that is lost costs the customer three seconds. That is not what the tests are about.
func (s *fcScene) pace() { time.Sleep(time.Millisecond) }

// noise fills b at random.
func noise(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}
