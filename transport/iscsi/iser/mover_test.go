package iser_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/movertest"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// devices are what tests of this package run over.
var devices = map[string]func(tb testing.TB) transporttest.Devices{
	"sim":   func(testing.TB) transporttest.Devices { return transporttest.SimDevices(sim.New()) },
	"iwarp": transporttest.IWARPDevices,
	"roce":  func(tb testing.TB) transporttest.Devices { return transporttest.RoCEDevices(tb, nil) },
}

// private is what both sides of a test say.
var private = iser.Private{NoZeroBase: true}

// connect makes both ends of a connection: a mover, not started, and the initiator's.
func connect(t *testing.T, d transporttest.Devices) (*iser.Mover, *peer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	l, err := d.Target.Listen(ctx, d.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := rdma.Options{Private: private.Append(nil), Reads: 16, Serves: 16, MaxMessage: 512 << 10, Messages: 256}
	type result struct {
		c   rdma.Conn
		err error
	}
	came := make(chan result, 1)
	go func() {
		r, err := l.Accept()
		if err != nil {
			came <- result{nil, err}
			return
		}
		c, err := r.Accept(o)
		came <- result{c, err}
	}()
	c, _, err := d.Initiator.Dial(ctx, l.Addr(), o)
	if err != nil {
		t.Fatal(err)
	}
	r := <-came
	if r.err != nil {
		t.Fatal(r.err)
	}
	p := newPeer(c)
	c.Start(p)
	return iser.New(r.c, "iser", private, private, nil), p
}

func TestMover(t *testing.T) {
	for name, open := range devices {
		t.Run(name, func(t *testing.T) {
			movertest.Test(t, func(t *testing.T) movertest.Pair {
				d := open(t)
				m, p := connect(t, d)
				ended := make(chan struct{})
				h := &handler{ended: ended}
				t.Cleanup(func() {
					if h.Handler == nil { // the suite only asked what it is
						m.Start(h)
					}
					m.Terminate(nil)
					_ = p.Close()
					<-ended
					if err := d.Close(); err != nil {
						t.Error(err)
					}
				})
				return movertest.Pair{Mover: m, Start: func(to iscsi.Handler) { h.Handler = to; m.Start(h) }, Peer: p}
			})
		})
	}
}

// A handler tells when the mover has ended.
type handler struct {
	iscsi.Handler
	ended chan struct{}
}

func (h *handler) Terminated(err error) {
	if h.Handler != nil {
		h.Handler.Terminated(err)
	}
	close(h.ended)
}

// A peer is the initiator's end, without rules.
type peer struct {
	conn rdma.Conn

	mu      sync.Mutex
	got     []rdma.Message
	windows map[uint32]*window // by Initiator Task Tag
	err     error
	came    chan struct{}
	over    chan struct{}
}

// A window is what a command has advertised.
type window struct {
	mem []byte
	at  rdma.Remote
}

func newPeer(c rdma.Conn) *peer {
	return &peer{conn: c, windows: make(map[uint32]*window), came: make(chan struct{}, 1), over: make(chan struct{})}
}

func (p *peer) wake() {
	select {
	case p.came <- struct{}{}:
	default:
	}
}

func (p *peer) Received(m rdma.Message) {
	m.Data = append([]byte(nil), m.Data...)
	p.mu.Lock()
	p.got = append(p.got, m)
	p.mu.Unlock()
	p.wake()
}

func (p *peer) Done(*rdma.Work, error) {}

func (p *peer) Closed(err error) {
	p.mu.Lock()
	if p.err = err; err == nil {
		p.err = io.EOF
	}
	p.mu.Unlock()
	close(p.over)
	p.wake()
}

func (p *peer) Close() error {
	p.conn.Close(nil)
	<-p.over
	return nil
}

func (p *peer) Digests(bool, bool) {}

// message is a message with a PDU.
func message(x iser.Header, h *pdu.BHS, data []byte) []byte {
	h.SetDataSegmentLength(len(data))
	b := append(x.Append(nil), h[:]...)
	return append(append(b, data...), pdu.Padding(len(data))...)
}

// send sends any message.
func (p *peer) send(b []byte) error {
	if !p.conn.Post(&rdma.Work{Op: rdma.Send, Head: b}) {
		return errors.New("the connection has ended")
	}
	p.conn.Flush()
	return nil
}

func (p *peer) Send(h *pdu.BHS, data []byte) error {
	return p.send(message(iser.Header{Kind: iser.Control}, h, data))
}

func (p *peer) SendPart(h *pdu.BHS, data []byte, _ int) (func() error, error) {
	return func() error { return p.Send(h, data) }, nil
}

func (p *peer) Command(itt uint32, in int, out []byte) error {
	x := iser.Header{Kind: iser.Control, ReadValid: in > 0, WriteValid: in == 0}
	w := &window{mem: out}
	access := rdma.RemoteRead
	if in > 0 {
		w.mem, access = make([]byte, in), rdma.RemoteWrite
	}
	var err error
	if w.at, err = p.conn.Expose(buffer.Of(w.mem), access); err != nil {
		return err
	}
	if x.Write = w.at; in > 0 {
		x.Write, x.Read = rdma.Remote{}, w.at
	}
	p.mu.Lock()
	p.windows[itt] = w
	p.mu.Unlock()
	var h pdu.BHS
	pdu.SCSICommand{Final: true, Read: in > 0, Write: in == 0, ITT: itt, ExpectedDataLength: uint32(in + len(out))}.Put(&h)
	return p.send(message(x, &h, nil))
}

// next waits for the next message.
func (p *peer) next() (rdma.Message, error) {
	stop := time.NewTimer(5 * time.Second)
	defer stop.Stop()
	for {
		p.mu.Lock()
		if len(p.got) > 0 {
			m := p.got[0]
			p.got = p.got[1:]
			p.mu.Unlock()
			return m, nil
		}
		err := p.err
		p.mu.Unlock()
		if err != nil {
			return rdma.Message{}, err
		}
		select {
		case <-p.came:
		case <-stop.C:
			return rdma.Message{}, errors.New("nothing comes")
		}
	}
}

// pdu waits for the next PDU.
func (p *peer) pdu() (h pdu.BHS, data []byte, m rdma.Message, err error) {
	if m, err = p.next(); err != nil {
		return h, nil, m, err
	}
	x, err := iser.ParseHeader(m.Data)
	if err == nil && (x != iser.Header{Kind: iser.Control} || len(m.Data) < iser.HeaderLen+pdu.HeaderLen) {
		err = fmt.Errorf("a message %x", m.Data)
	}
	if err != nil {
		return h, nil, m, err
	}
	h = pdu.BHS(m.Data[iser.HeaderLen:])
	data = m.Data[iser.HeaderLen+pdu.HeaderLen:]
	if n := h.DataSegmentLength(); len(data) != pdu.Padded(n) {
		err = fmt.Errorf("%v with %d bytes of data in %d", h.Opcode(), n, len(data))
	} else {
		data = data[:n]
	}
	return h, data, m, err
}

func (p *peer) Receive() (pdu.BHS, []byte, error) {
	h, data, m, err := p.pdu()
	if err == nil && m.Invalidates {
		err = fmt.Errorf("%v invalidates", h.Opcode())
	}
	return h, data, err
}

func (p *peer) Data(itt uint32, n int) ([]byte, error) {
	h, _, m, err := p.pdu()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	w := p.windows[itt]
	delete(p.windows, itt)
	p.mu.Unlock()
	if h.Opcode() != pdu.OpSCSIResponse || h.ITT() != itt || !m.Invalidates || m.Invalidated != w.at.Key {
		return nil, fmt.Errorf("%v, tag %d, invalidates %v", h.Opcode(), h.ITT(), m.Invalidates)
	}
	return w.mem[:n], nil
}

func (p *peer) Answer(uint32, []byte) error { return nil }
