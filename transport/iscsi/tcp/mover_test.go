package tcp_test

import (
	"context"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/movertest"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	iscsitcp "github.com/lunette-io/lunette/transport/iscsi/tcp"
	"github.com/lunette-io/lunette/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect makes two ends of a TCP connection.
func connect(t *testing.T) (*tcp.Conn, *initiator.Wire) {
	t.Helper()
	l, err := tcp.Listen(context.Background(), "127.0.0.1:0", tcp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w, err := initiator.DialWire(context.Background(), l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = w.SetDeadline(time.Now().Add(time.Minute)) // for a machine that does other things
	t.Cleanup(func() { _ = w.Close(); _ = c.Close() })
	return c, w
}

func TestMover(t *testing.T) {
	for _, name := range transporttest.Engines() {
		t.Run(name, func(t *testing.T) {
			movertest.Test(t, func(t *testing.T) movertest.Pair {
				c, w := connect(t)
				e := transporttest.NamedEngine(t, name)
				buffers := iscsitcp.NewBuffers()
				m, err := iscsitcp.New(c, e, buffers)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = m.Close(); _ = e.Close() })
				attach := func(w iscsi.Wire) (iscsi.Mover, func(iscsi.Handler), error) {
					m, err := iscsitcp.Attach(w.(*iscsitcp.Wire), e, buffers)
					if err != nil {
						return nil, nil, err
					}
					return m, m.Start, nil
				}
				return movertest.Pair{Mover: m, Start: m.Start, Peer: &peer{Wire: w}, Attach: attach}
			})
		})
	}
}

// A peer is the initiator's end for movertest.
type peer struct {
	*initiator.Wire
	early []*initiator.Received // what came while something else was awaited
}

func (p *peer) Send(h *pdu.BHS, data []byte) error { return p.Wire.Send(h, nil, data) }

func (p *peer) SendPart(h *pdu.BHS, data []byte, n int) (func() error, error) {
	b := p.AppendPDU(nil, h, nil, data)
	head := pdu.HeaderLen
	if p.HeaderDigest {
		head += pdu.DigestLen
	}
	_, err := p.Write(b[:head+n])
	return func() error { _, err := p.Write(b[head+n:]); return err }, err
}

func (p *peer) Command(itt uint32, in int, out []byte) error {
	var h pdu.BHS
	pdu.SCSICommand{Final: true, Read: in > 0, Write: in == 0, ITT: itt, ExpectedDataLength: uint32(in + len(out))}.Put(&h)
	return p.Wire.Send(&h, nil, nil)
}

func (p *peer) next(want func(r *initiator.Received) bool) (*initiator.Received, error) {
	for i, r := range p.early {
		if want(r) {
			p.early = append(p.early[:i], p.early[i+1:]...)
			return r, nil
		}
	}
	for {
		r, err := p.Wire.Receive()
		if err != nil || want(r) {
			return r, err
		}
		p.early = append(p.early, r)
	}
}

func (p *peer) Receive() (pdu.BHS, []byte, error) {
	r, err := p.next(func(r *initiator.Received) bool { return r.Opcode() != pdu.OpDataIn && r.Opcode() != pdu.OpR2T })
	if err != nil {
		return pdu.BHS{}, nil, err
	}
	return r.BHS, r.Data, nil
}

func (p *peer) Data(itt uint32, n int) ([]byte, error) {
	var b []byte
	for sn := uint32(0); ; sn++ {
		r, err := p.next(func(r *initiator.Received) bool { return r.Opcode() == pdu.OpDataIn && r.ITT() == itt })
		if err != nil {
			return b, err
		}
		x, err := pdu.ParseDataIn(&r.BHS)
		b = append(b, r.Data...)
		switch {
		case err != nil:
			return b, err
		case x.DataSN != sn || int(x.BufferOffset) != len(b)-len(r.Data) || x.Final != (len(b)%262144 == 0 || len(b) == n) || x.HasStatus != (len(b) == n):
			return b, net.ErrClosed
		case len(b) >= n:
			return b, nil
		}
	}
}

func (p *peer) Answer(itt uint32, data []byte) error {
	r, err := p.next(func(r *initiator.Received) bool { return r.Opcode() == pdu.OpR2T && r.ITT() == itt })
	if err != nil {
		return err
	}
	x, err := pdu.ParseR2T(&r.BHS)
	for sn, off := uint32(0), 0; off < len(data) && err == nil; sn++ {
		n := min(len(data)-off, 30_000)
		var h pdu.BHS
		pdu.DataOut{ITT: itt, TTT: x.TTT, DataSN: sn, BufferOffset: x.BufferOffset + uint32(off), Final: off+n == len(data)}.Put(&h)
		err = p.Wire.Send(&h, nil, data[off:off+n])
		off += n
	}
	return err
}

func (p *peer) Digests(header, data bool) { p.HeaderDigest, p.DataDigest = header, data }
