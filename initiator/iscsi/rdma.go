package iscsi

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// RDMA is what an initiator on RDMA does beside what [Config] says (RFC 7145). The zero value
// is what those of Linux do.
type RDMA struct {
	TargetRecv    uint32 // offered for TargetRecvDataSegmentLength; default 8192
	InitiatorRecv uint32 // and for InitiatorRecvDataSegmentLength; default 262144

	// NoInvalidate: the target may not take back what was advertised; the initiator does.
	NoInvalidate bool
	// Buffer says what is advertised for data-out.
	Buffer Buffer
	// Hello: the connection begins with a Hello, which the login has announced.
	Hello bool
	// Caller is the engine of the device, if it is one that is served by who waits: then no
	// other goroutine receives.
	Caller *tcp.Inline
	// Unexpected, if not 0, is declared as MaxOutstandingUnexpectedPDUs.
	Unexpected uint32
}

// A Buffer is what of the data-out a tag is for (RFC 7145 6.9).
type Buffer uint8

// Buffers.
const (
	RestBuffer      Buffer = iota // the rest behind what goes unasked, and nothing is declared
	WholeBuffer                   // all of it: TaggedBufferForSolicitedDataOnly=No
	SolicitedBuffer               // the rest: TaggedBufferForSolicitedDataOnly=Yes
)

// RDMAOffers makes the operational keys that ask for what w says on RDMA.
func RDMAOffers(w login.Config, r RDMA, discovery bool) []login.Pair {
	all := Offers(w, discovery)[2:] // no digests
	if discovery {
		return all
	}
	number := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	all = append(all[1:], // MaxRecvDataSegmentLength has other names here
		login.Pair{Key: login.InitiatorRecvDataSegmentLength, Value: number(r.InitiatorRecv)},
		login.Pair{Key: login.TargetRecvDataSegmentLength, Value: number(r.TargetRecv)})
	if r.Buffer != RestBuffer {
		all = append(all, login.Pair{Key: login.TaggedBufferForSolicitedDataOnly, Value: login.FormatBool(r.Buffer == SolicitedBuffer)})
	}
	if r.Hello {
		all = append(all, login.Pair{Key: login.ISERHelloRequired, Value: login.Yes})
	}
	if r.Unexpected > 0 {
		all = append(all, login.Pair{Key: login.MaxOutstandingUnexpectedPDUs, Value: number(r.Unexpected)})
	}
	return append(all, login.Pair{Key: login.RDMAExtensions, Value: login.Yes}) // last, as Linux has it
}

// maxMessages is how many messages the target may send before the first is handled.
const maxMessages = 2 * maxTasks

// maxControl is how long the data segment of a PDU may be that is not part of a login or of a
// discovery: what those of Linux have room for.
const maxControl = 128

// DialRDMA connects to addr, HOST:PORT, by a device, and logs in.
func DialRDMA(ctx context.Context, d rdma.Device, addr string, cfg Config, r RDMA) (*Conn, error) {
	if cfg.Login.MaxRecvDataSegmentLength == 0 {
		cfg.Login = DefaultLogin()
	}
	if r.TargetRecv == 0 {
		r.TargetRecv = login.DefaultMaxRecv
	}
	if r.InitiatorRecv == 0 {
		r.InitiatorRecv = 262144
	}
	discovery := cfg.TargetName == ""
	if cfg.Offers == nil {
		cfg.Offers = RDMAOffers(cfg.Login, r, discovery)
	}
	l, err := dialMessages(ctx, d, addr, r)
	if err != nil {
		return nil, err
	}
	s := &session{next: 1}
	res, err := loginBefore(ctx, l, cfg, s)
	if err == nil && !discovery {
		err = settle(res)
	}
	if err == nil && r.Hello {
		err = l.greet()
	}
	if err != nil {
		_ = l.close()
		return nil, err
	}
	l.c, l.buffer, l.most = newConn(cfg, res, s, l), r.Buffer, maxControl
	if discovery {
		l.most = login.MaxLoginData
	}
	return l.c, nil
}

// settle takes from the answers what the login does not know of.
func settle(r *LoginResult) error {
	if v := r.Answers[login.RDMAExtensions]; v != login.Yes {
		return fmt.Errorf("%w: RDMAExtensions=%s", ErrProtocol, v)
	}
	for key, to := range map[string]*uint32{
		login.TargetRecvDataSegmentLength: &r.Params.MaxSendDataSegmentLength, login.InitiatorRecvDataSegmentLength: &r.Params.MaxRecvDataSegmentLength,
	} {
		v, ok := r.Answers[key]
		if !ok {
			*to = login.DefaultMaxRecv
			continue
		}
		n, err := login.ParseNumber(v)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrProtocol, key, err)
		}
		*to = uint32(n)
	}
	return nil
}

// ErrHello reports that the target has refused the Hello.
var ErrHello = errors.New("initiator: the Hello was refused")

// greet sends a Hello and waits for the answer (RFC 7145 5.1.3).
func (l *messages) greet() error {
	o := l.take()
	o.b = iser.Header{Kind: iser.Hello, MaxVersion: iser.Version, Version: iser.Version, Reads: 128}.Append(o.b)
	l.post(o)
	l.conn.Flush()
	m, err := l.next()
	if err != nil {
		return err
	}
	h, err := iser.ParseHeader(m.b)
	switch {
	case err != nil:
		return err
	case h.Kind != iser.HelloReply || len(m.b) != iser.HeaderLen || h.MaxVersion != iser.Version || h.Version != iser.Version:
		return violation("%v instead of a HelloReply", h.Kind)
	case h.Reject:
		return ErrHello
	}
	return nil
}
