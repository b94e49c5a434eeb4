package iscsi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A Wire is a TCP connection with PDUs on it and no rules: any bytes can be sent, any PDU
// is received. It is what logins run on, and what hostile tests want.
type Wire struct {
	*net.TCPConn
	// HeaderDigest and DataDigest say that PDUs have them, in both directions.
	HeaderDigest, DataDigest bool
}

// A Received is a PDU as it came.
type Received struct {
	pdu.BHS
	AHS, Data []byte
}

// ErrDigest reports a PDU whose digest was wrong.
var ErrDigest = errors.New("initiator: wrong digest")

// DialWire connects to addr, HOST:PORT, and does not log in.
func DialWire(ctx context.Context, addr string) (*Wire, error) {
	var d net.Dialer
	d.SetMultipathTCP(false)
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Wire{TCPConn: c.(*net.TCPConn)}, nil
}

// AppendPDU appends a PDU in the form of the wire; the lengths in h are set.
func (w *Wire) AppendPDU(b []byte, h *pdu.BHS, ahs, data []byte) []byte {
	h.SetTotalAHSLength(len(ahs))
	h.SetDataSegmentLength(len(data))
	b = append(append(b, h[:]...), ahs...)
	var d [pdu.DigestLen]byte
	if w.HeaderDigest {
		pdu.HeaderDigest(h, ahs).Put(d[:])
		b = append(b, d[:]...)
	}
	if len(data) == 0 {
		return b
	}
	b = append(append(b, data...), pdu.Padding(len(data))...)
	if w.DataDigest {
		pdu.DataDigest(data).Put(d[:])
		b = append(b, d[:]...)
	}
	return b
}

// Send sends a PDU.
func (w *Wire) Send(h *pdu.BHS, ahs, data []byte) error {
	_, err := w.Write(w.AppendPDU(nil, h, ahs, data))
	return err
}

// Receive waits for the next PDU and takes no byte more. [ErrDigest] comes with the PDU.
func (w *Wire) Receive() (*Received, error) {
	r := new(Received)
	if _, err := io.ReadFull(w, r.BHS[:]); err != nil {
		return nil, err
	}
	head, tail := r.TotalAHSLength(), 0
	if w.HeaderDigest {
		head += pdu.DigestLen
	}
	n := r.DataSegmentLength()
	if w.DataDigest && n > 0 {
		tail = pdu.DigestLen
	}
	b := make([]byte, head+pdu.Padded(n)+tail)
	if _, err := io.ReadFull(w, b); err != nil {
		return nil, err
	}
	r.AHS, r.Data = b[:r.TotalAHSLength()], b[head:head+n]
	if w.HeaderDigest && !pdu.HeaderDigest(&r.BHS, r.AHS).Matches(b[len(r.AHS):]) {
		return r, ErrDigest
	}
	if tail > 0 && !pdu.DataDigest(r.Data).Matches(b[len(b)-tail:]) {
		return r, ErrDigest
	}
	return r, nil
}

// A LoginResult is what a login came to.
type LoginResult struct {
	Params  login.Params
	TSIH    uint16
	Answers map[string]string // every key that the target sent
	Last    pdu.BHS           // the last response
}

// Login logs in; cmdSN is the CmdSN of the login requests, which do not consume it. When
// the target refuses the error is a *login.Failure, and the result has Last. Afterwards
// digests are in use as they were settled.
func (w *Wire) Login(cfg Config, cmdSN uint32) (*LoginResult, error) {
	r, err := exchange(w, cfg, cmdSN)
	if err == nil {
		w.HeaderDigest, w.DataDigest = r.Params.HeaderDigest, r.Params.DataDigest
	}
	return r, err
}

// An exchanger sends and receives PDUs one by one.
type exchanger interface {
	Send(h *pdu.BHS, ahs, data []byte) error
	Receive() (*Received, error)
	SetDeadline(t time.Time) error
}

// exchange is the login.
func exchange(w exchanger, cfg Config, cmdSN uint32) (*LoginResult, error) {
	if cfg.Offers == nil && cfg.Login.MaxRecvDataSegmentLength == 0 {
		cfg.Login = DefaultLogin()
	}
	cl := login.NewClient(login.ClientConfig{
		InitiatorName: cfg.InitiatorName, TargetName: cfg.TargetName, Discovery: cfg.TargetName == "",
		ISID: cfg.ISID, TSIH: cfg.TSIH, CID: cfg.CID, ITT: 0, Prove: cfg.prover(), Offers: cfg.offers(),
	})
	res := &LoginResult{}
	var exp uint32
	req, text, done, err := cl.Next(nil, nil)
	for {
		if err != nil {
			return res, err
		}
		if done {
			break
		}
		req.SetCmdSN(cmdSN)
		req.SetExpStatSN(exp)
		if err := w.Send(&req, nil, text); err != nil {
			return res, err
		}
		r, err2 := w.Receive()
		if err2 != nil {
			return res, fmt.Errorf("login: %w", err2)
		}
		res.Last = r.BHS
		exp = r.StatSN() + 1
		req, text, done, err = cl.Next(&r.BHS, r.Data)
	}
	res.Params, res.TSIH, res.Answers = cl.Params(), cl.TSIH(), cl.Answers()
	return res, nil
}
