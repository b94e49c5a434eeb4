package iscsi_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	iscsitcp "github.com/lunette-io/lunette/transport/iscsi/tcp"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// A place is where a session can be: a portal of a node, with an engine.
type place struct {
	node   *iscsi.Node
	portal *iscsitcp.Portal
}

// places are portals of one node, one for each engine, and one of another node that shows the same
// units and has a narrower window.
func places(t *testing.T, s *transporttest.ISCSI) []place {
	t.Helper()
	var all []place
	var ends []func()
	portal := func(node *iscsi.Node, engine string) {
		t.Helper()
		e := transporttest.NamedEngine(t, engine)
		p, err := iscsitcp.Listen(context.Background(), "127.0.0.1:0", node, e, tcp.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p.Start()
		all = append(all, place{node, p})
		ends = append(ends, func() { _ = p.Close(); _ = e.Close() })
	}
	for _, engine := range transporttest.Engines() {
		portal(s.Node, engine)
	}
	other, err := iscsi.NewNode(iscsi.Config{Arena: s.Arena, Window: 20})
	if err != nil {
		t.Fatal(err)
	}
	tg, err := target.NewTarget(transporttest.TargetName, s.Target.Mappings(target.Initiator{})...)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.AddTarget(iscsi.Target{SCSI: tg}); err != nil {
		t.Fatal(err)
	}
	portal(other, "goroutines")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		if err := other.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		s.Close()
		for _, end := range ends {
			end()
		}
	})
	return all
}

// move takes the one session that there is to another place.
func move(t *testing.T, all []place, to place) {
	t.Helper()
	from := all[0].node
	if len(from.Sessions()) == 0 {
		from = all[len(all)-1].node
	}
	ctx, cancel := context.WithTimeout(context.Background(), transporttest.Patience)
	defer cancel()
	d, err := from.Detach(ctx, from.Sessions()[0].TSIH)
	if err != nil {
		t.Fatal(err)
	}
	s, err := to.node.Attach(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range d.Conns {
		if err := to.portal.Attach(s, c); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHandOver takes a session from place to place while it reads, writes and pings, and checks that
// nothing of it is lost, twice or wrong: the initiator checks all numbers.
func TestHandOver(t *testing.T) {
	for _, digests := range []string{"None", "CRC32C"} {
		for _, connections := range []int{1, 3} {
			t.Run(fmt.Sprintf("digests=%s,connections=%d", digests, connections), func(t *testing.T) {
				s := transporttest.StartISCSI(t, iscsi.Config{Window: 32}, nil)
				all := places(t, s)
				cfg := s.Config(1)
				cfg.Login.HeaderDigest, cfg.Login.DataDigest = digests, digests
				cfg.Login.FirstBurstLength, cfg.Login.MaxBurstLength = 16<<10, 64<<10
				cfg.Login.MaxConnections = 4
				conns := []*initiator.Conn{s.Dial(cfg)}
				for i := 1; i < connections; i++ {
					conns = append(conns, s.Join(conns[0], uint16(i), cfg))
				}
				stop := make(chan struct{})
				var work sync.WaitGroup
				for i, c := range conns {
					work.Go(func() { keepBusy(t, c, i, stop) })
				}
				for round := range 12 {
					time.Sleep(3 * time.Millisecond)
					move(t, all, all[round%len(all)])
				}
				close(stop)
				work.Wait()
				move(t, all, all[0])
				if n := len(s.Node.Sessions()[0].Connections); n != connections {
					t.Errorf("%d connections", n)
				}
			})
		}
	}
}

// keepBusy writes and reads back with several commands at a time, until stop is closed.
func keepBusy(t *testing.T, c *initiator.Conn, i int, stop chan struct{}) {
	sizes := []int{512, 4096, 20 << 10, 100 << 10, 300 << 10}
	for round := 0; ; round++ {
		select {
		case <-stop:
			return
		default:
		}
		var w, r [6]initiator.Command
		for j := range w {
			size := sizes[(round+j)%len(sizes)]
			way := []transporttest.Way{transporttest.Lend, transporttest.Later, transporttest.Pieces}[(round+j)%3]
			lba := uint32(i*20000 + j*1024)
			w[j] = initiator.Command{CDB: write(lba, size, way), Out: pattern(size, uint64(round*1000+i*10+j))}
			r[j] = initiator.Command{CDB: read(lba, size, way), In: make([]byte, size)}
		}
		for _, cmds := range []*[6]initiator.Command{&w, &r} {
			for j := range cmds {
				if err := c.Submit(&cmds[j]); err != nil {
					t.Error(err)
					return
				}
			}
			for j := range cmds {
				if err := c.Finish(&cmds[j]); err != nil || cmds[j].Err != nil || cmds[j].Status != 0 {
					t.Error(i, round, j, err, cmds[j].Err, cmds[j].Status)
					return
				}
			}
		}
		for j := range w {
			if !bytes.Equal(w[j].Out, r[j].In) {
				t.Error(i, round, j, "came back wrong")
				return
			}
		}
		if _, err := c.Ping([]byte("still there")); err != nil {
			t.Error(err)
			return
		}
	}
}

// TestHandOverBoundary cuts what the initiator sends at every byte of a PDU: what has been received
// of it goes along.
func TestHandOverBoundary(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	all := places(t, s)
	p := login(t, s, s.Config(1))
	var h pdu.BHS
	pdu.NOPOut{Immediate: true, ITT: 7, TTT: pdu.NoTag}.Put(&h)
	h.SetCmdSN(p.next)
	b := p.AppendPDU(nil, &h, nil, []byte("hello"))
	for cut := 0; cut <= len(b); cut++ {
		if _, err := p.Write(b[:cut]); err != nil {
			t.Fatal(err)
		}
		if cut%3 == 0 {
			time.Sleep(100 * time.Microsecond)
		}
		move(t, all, all[cut%len(all)])
		if _, err := p.Write(b[cut:]); err != nil {
			t.Fatal(err)
		}
		for { // NOP-Ins that tell of the window, and the answer
			r := p.receive()
			if r.Opcode() != pdu.OpNOPIn {
				t.Fatal(r.Opcode())
			}
			if r.ITT() == 7 {
				if string(r.Data) != "hello" {
					t.Fatalf("%d: %q", cut, r.Data)
				}
				break
			}
		}
	}
}

// TestHandOverUnsent has much queued for an initiator that does not receive: it goes along.
func TestHandOverUnsent(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	all := places(t, s)
	p := login(t, s, s.Config(1))
	const size, n = 1 << 20, 12
	for i := range uint32(n) {
		p.command(i, read(0, size, transporttest.Lend), size, true, nil)
	}
	transporttest.Eventually(t, "the unit has some", func() bool { return s.Units[0].Started.Load() >= 4 })
	// The tasks end when their data is sent: the initiator begins to receive a while later.
	got := make(chan int)
	go func() {
		time.Sleep(20 * time.Millisecond)
		total := 0
		for told := false; !told || total < size*n; {
			r, err := p.Receive()
			if err != nil {
				break
			}
			total += len(r.Data)
			told = told || r.Opcode() == pdu.OpNOPIn // it tells of the window, from the new place
		}
		got <- total
	}()
	move(t, all, all[1])
	if total := <-got; total != size*n {
		t.Fatalf("%d bytes of %d", total, size*n)
	}
	p.alive()
}

// TestHandOverNot: a task that does not end keeps the session where it is, and it goes on.
func TestHandOverNot(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{Window: 4}, nil)
	all := places(t, s)
	c := s.Dial(s.Config(1))
	hang(t, s, c)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	tsih := s.Node.Sessions()[0].TSIH
	if _, err := s.Node.Detach(ctx, tsih); err == nil {
		t.Fatal("detached")
	}
	for range 10 { // the window opens as before
		good(t, c, read(0, 512, transporttest.Lend), nil, make([]byte, 512))
	}
	s.Units[0].Release()
	move(t, all, all[0])
	for range 10 {
		good(t, c, read(0, 512, transporttest.Lend), nil, make([]byte, 512))
	}
	if _, err := s.Node.Detach(t.Context(), 0xffff^tsih); err == nil {
		t.Fatal("a session was detached that is not there")
	}
	// Nobody takes what was detached.
	d, err := s.Node.Detach(t.Context(), tsih)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Node.RemoveTarget(transporttest.TargetName, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Node.Attach(d); err == nil {
		t.Fatal("a session with a target that is not there")
	}
	for _, c := range d.Conns {
		_ = c.Wire.Close()
	}
	if _, err := c.Ping(nil); err == nil {
		t.Fatal("the connection lives")
	}
}
