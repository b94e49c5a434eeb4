//go:build hostile

package hostile

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A carrier carries PDUs, over TCP or iSER.
type carrier interface {
	Send(h *pdu.BHS, ahs, data []byte) error
	Receive() (*initiator.Received, error)
	SetReadDeadline(t time.Time) error
	Close() error
}

// messages carry PDUs over iSER, with its tags.
type messages struct {
	*adapter
	reads chan request // Reads that are asked for; nil: they are counted, and forgotten
	asked atomic.Int64 // how many
}

func (m *messages) Send(h *pdu.BHS, ahs, data []byte) error {
	return m.sendTagged(iser.Header{Kind: iser.Control}, h, ahs, data)
}

func (m *messages) sendTagged(x iser.Header, h *pdu.BHS, ahs, data []byte) error {
	h.SetTotalAHSLength(len(ahs))
	h.SetDataSegmentLength(len(data))
	b := append(append(x.Append(nil), h[:]...), ahs...)
	return m.send(append(append(b, data...), pdu.Padding(len(data))...))
}

func (m *messages) Receive() (*initiator.Received, error) {
	for {
		x, err := m.hear()
		if err != nil {
			return nil, err
		}
		if x.read != nil {
			m.asked.Add(1)
			select {
			case m.reads <- *x.read: // never, if it is nil
			default:
			}
		}
		if len(x.message) < iser.HeaderLen+pdu.HeaderLen {
			continue // a Read or a Write
		}
		r := &initiator.Received{}
		b := x.message[iser.HeaderLen:]
		copy(r.BHS[:], b)
		if n := r.DataSegmentLength(); pdu.HeaderLen+n <= len(b) {
			r.Data = b[pdu.HeaderLen:][:n]
		}
		return r, nil
	}
}

// A peer is an initiator that keeps no rule that it is not told to keep. Over SRP another is used: channel.
type peer struct {
	carrier
	over string
	tsih uint16
	sn   atomic.Uint32 // CmdSN of the next command
	itt  uint32        // the last tag

	reading                sync.WaitGroup
	readErr                error // when reading has ended
	ended                  atomic.Bool
	r2ts, good, full, data atomic.Int64 // R2Ts, GOODs, TASK SET FULLs and BUSYs, bytes of data-in
	responses              atomic.Int64 // SCSI responses, data-in with status, and responses to others
	rejected               atomic.Int64
}

// Who logs in, and how.
type who struct {
	over, addr, from string // from: an address of this host
	name, target     string // no target: discovery
	isid             pdu.ISID
	tsih, cid        uint16
	user, secret     string
	mutual           *auth.Account
	offers           []login.Pair // instead of those of who wants much
	receive          int          // size of the buffer for what is received, if it is not 0
	reads            chan request // what the daemon asks for by RDMA Read
}

// greedyOffers asks for much: bursts of a MiB, and data that goes along.
func greedyOffers(over string, discovery bool) []login.Pair {
	c := initiator.DefaultLogin()
	c.InitialR2T, c.ImmediateData = false, true
	c.FirstBurstLength, c.MaxBurstLength = 256<<10, 1<<20
	if over == "iser" {
		return initiator.RDMAOffers(c, initiator.RDMA{TargetRecv: 8192, InitiatorRecv: 262144}, discovery)
	}
	return initiator.Offers(c, discovery)
}

// open connects and does not log in.
func (w who) open() (carrier, error) {
	if w.over == "iser" {
		a, err := dialAdapter(w.from, w.addr, iser.Private{NoZeroBase: true}.Append(nil))
		if err != nil {
			return nil, err
		}
		return &messages{adapter: a, reads: w.reads}, nil
	}
	c, err := connect(w.from, w.addr)
	if err != nil {
		return nil, err
	}
	if w.receive != 0 {
		_ = c.(*net.TCPConn).SetReadBuffer(w.receive)
	}
	return &initiator.Wire{TCPConn: c.(*net.TCPConn)}, nil
}

// login logs in. Who is refused gets a *login.Failure.
func (w who) login() (*peer, error) {
	c, err := w.open()
	if err != nil {
		return nil, err
	}
	p := &peer{carrier: c, over: w.over}
	p.sn.Store(1)
	if err := p.login(w); err != nil {
		_ = c.Close()
		return p, err
	}
	return p, nil
}

// login is the exchange.
func (p *peer) login(w who) error {
	if w.isid == (pdu.ISID{}) {
		w.isid = pdu.ISID{0x80}
		binary.BigEndian.PutUint32(w.isid[2:], tags.Add(1))
	}
	if w.offers == nil {
		w.offers = greedyOffers(w.over, w.target == "")
	}
	cfg := login.ClientConfig{
		InitiatorName: w.name, TargetName: w.target, Discovery: w.target == "", ISID: w.isid, TSIH: w.tsih, CID: w.cid, Offers: w.offers,
	}
	if w.user != "" {
		secret, err := auth.NewSecret([]byte(w.secret))
		if err != nil {
			return err
		}
		cfg.Prove = auth.NewInitiator(auth.Account{User: w.user, Secret: secret}, w.mutual)
	}
	cl := login.NewClient(cfg)
	_ = p.SetReadDeadline(time.Now().Add(hang))
	var exp uint32
	req, text, done, err := cl.Next(nil, nil)
	for !done && err == nil {
		req.SetCmdSN(p.sn.Load())
		req.SetExpStatSN(exp)
		if err = p.Send(&req, nil, text); err != nil {
			return err
		}
		r, err2 := p.Receive()
		if err2 != nil {
			return err2
		}
		exp = r.StatSN() + 1
		req, text, done, err = cl.Next(&r.BHS, r.Data)
	}
	_ = p.SetReadDeadline(time.Time{})
	p.tsih = cl.TSIH()
	return err
}

// tags makes numbers that nobody else of this process has.
var tags atomic.Uint32

// read begins to receive what comes, counts it, and answers pings, which is all that keeps a connection.
func (p *peer) read() {
	p.reading.Go(func() {
		for {
			r, err := p.Receive()
			if err != nil {
				p.readErr = err
				p.ended.Store(true)
				return
			}
			p.take(r)
		}
	})
}

// take looks at one PDU.
func (p *peer) take(r *initiator.Received) {
	status := func(s uint8) {
		p.responses.Add(1)
		switch scsi.Status(s) {
		case scsi.Good:
			p.good.Add(1)
		case scsi.TaskSetFull, scsi.Busy:
			p.full.Add(1)
		}
	}
	switch r.Opcode() {
	case pdu.OpNOPIn:
		if x, err := pdu.ParseNOPIn(&r.BHS); err == nil && x.TTT != pdu.NoTag {
			var h pdu.BHS
			pdu.NOPOut{Immediate: true, LUN: x.LUN, ITT: pdu.NoTag, TTT: x.TTT}.Put(&h)
			h.SetCmdSN(p.sn.Load())
			_ = p.Send(&h, nil, nil)
		} else {
			p.responses.Add(1)
		}
	case pdu.OpR2T:
		p.r2ts.Add(1)
	case pdu.OpDataIn:
		p.data.Add(int64(r.DataSegmentLength()))
		if x, err := pdu.ParseDataIn(&r.BHS); err == nil && x.HasStatus {
			status(x.Status)
		}
	case pdu.OpSCSIResponse:
		if x, err := pdu.ParseSCSIResponse(&r.BHS); err == nil {
			status(x.Status)
		}
	case pdu.OpReject:
		p.rejected.Add(1)
	case pdu.OpTMFResponse, pdu.OpTextResponse:
		p.responses.Add(1)
	}
}
