// Package iscsi is a small, fast iSCSI initiator over TCP and RDMA, for benchmarks, probes and tests (RFC 7143, RFC 7145).
//
// A [Conn] is a logged-in connection that moves any number of commands at a time with few
// system calls and no allocation; a [Wire] sends and receives single PDUs without rules.
package iscsi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/lunette-io/lunette/internal/serial"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// maxTasks is how many commands a connection has on their way at a time; more wait.
const maxTasks = 1024

// A Conn is one logged-in connection. It is for one goroutine; only Close may be called
// by others. Every error but those of single commands ends it.
type Conn struct {
	cfg    Config
	link   link
	params login.Params
	tsih   uint16
	s      *session
	expSN  uint32 // ExpStatSN
	err    error
	until  time.Time

	tasks       [maxTasks]*Command
	free        []uint16
	uses        uint32
	first, last *Command // submitted, not sent
	running     int      // sent, not finished
	finished    []*Command
	given       []*Command // what Poll returned last

	waits  map[uint32]*answer // requests that are no commands, by tag
	events *Events
}

// A link carries the PDUs of a Conn. Errors that it returns end the connection, but for
// os.ErrDeadlineExceeded.
type link interface {
	// command queues a SCSI Command, and what goes with it unasked.
	command(k *Command)
	// dataOut queues the answer to an R2T: n bytes from off on.
	dataOut(k *Command, ttt uint32, off, n int)
	// queue queues any other PDU, with the numbers that h has but for ExpStatSN. data is lent
	// until it is sent.
	queue(h *pdu.BHS, data []byte)
	// flush sends what is queued.
	flush() error
	// receive receives once, or, if wait, until something has come, and handles it.
	receive(wait bool) error
	// ended tells that k has ended: nothing touches its buffers any more.
	ended(k *Command)
	setDeadline(t time.Time)
	localAddr() string
	// close may be called by any goroutine, and more than once.
	close() error
}

// A session is what the connections of one session share.
type session struct {
	mu   sync.Mutex
	next uint32 // CmdSN of the next command
	exp  uint32
	max  uint32
}

// Dial connects to addr, HOST:PORT, and logs in. A refusal is a *login.Failure.
func Dial(ctx context.Context, addr string, cfg Config) (*Conn, error) {
	return dial(ctx, addr, cfg, &session{next: 1})
}

// Join adds a connection to the session of c. cfg says the CID and what is the
// connection's own: digests, MaxRecvDataSegmentLength, events.
func (c *Conn) Join(ctx context.Context, addr string, cfg Config) (*Conn, error) {
	cfg.InitiatorName, cfg.TargetName, cfg.ISID, cfg.TSIH = c.cfg.InitiatorName, c.cfg.TargetName, c.cfg.ISID, c.tsih
	cfg.joined = c.params
	return dial(ctx, addr, cfg, c.s)
}

func dial(ctx context.Context, addr string, cfg Config, s *session) (*Conn, error) {
	if cfg.Login.MaxRecvDataSegmentLength == 0 {
		cfg.Login = DefaultLogin()
	}
	w, err := DialWire(ctx, addr)
	if err != nil {
		return nil, err
	}
	r, err := loginBefore(ctx, w, cfg, s)
	if err != nil {
		w.Close()
		return nil, err
	}
	l := &stream{tcp: w.TCPConn}
	if l.raw, err = l.tcp.SyscallConn(); err != nil {
		w.Close()
		return nil, err
	}
	c := newConn(cfg, r, s, l)
	l.in.init(c, l)
	l.out.init(c, l)
	return c, nil
}

// loginBefore logs in until ctx is done.
func loginBefore(ctx context.Context, w exchanger, cfg Config, s *session) (*LoginResult, error) {
	stop := context.AfterFunc(ctx, func() { _ = w.SetDeadline(time.Unix(1, 0)) })
	r, err := exchange(w, cfg, s.peek())
	if !stop() && err == nil {
		err = ctx.Err()
	}
	return r, err
}

// newConn makes a connection of what a login came to.
func newConn(cfg Config, r *LoginResult, s *session, l link) *Conn {
	if cfg.joined.MaxBurstLength != 0 { // what the leading login settled
		r.Params = merge(cfg, r.Params)
	}
	c := &Conn{cfg: cfg, link: l, params: r.Params, tsih: r.TSIH, s: s, expSN: r.Last.StatSN() + 1}
	c.events = &c.cfg.Events
	c.waits = make(map[uint32]*answer)
	for i := range uint16(maxTasks) {
		c.free = append(c.free, maxTasks-1-i)
	}
	s.update(&r.Last)
	return c
}

// Params is what the login settled.
func (c *Conn) Params() login.Params { return c.params }

// TSIH names the session at the target.
func (c *Conn) TSIH() uint16 { return c.tsih }

// Outstanding is the number of commands that were submitted and have not finished.
func (c *Conn) Outstanding() int {
	n := c.running
	for k := c.first; k != nil; k = k.next {
		n++
	}
	return n
}

// Window is how many more commands the target takes now.
func (c *Conn) Window() int {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return int(serial.Distance(c.s.next, c.s.max)) + 1
}

// SetDeadline makes everything that waits fail at t; the zero time is never.
func (c *Conn) SetDeadline(t time.Time) {
	c.until = t
	c.link.setDeadline(t)
}

// Close closes the connection, without a logout. Any goroutine may call it.
func (c *Conn) Close() error { return c.link.close() }

// TCP is the connection beneath, to tune it; nil if it is another kind of connection.
func (c *Conn) TCP() *net.TCPConn {
	if l, ok := c.link.(*stream); ok {
		return l.tcp
	}
	return nil
}

// LocalAddr is our end, as ADDR:PORT.
func (c *Conn) LocalAddr() string { return c.link.localAddr() }

// fail ends the connection.
func (c *Conn) fail(err error) error {
	if c.err == nil {
		c.err = err
		_ = c.link.close()
	}
	return c.err
}

// ErrProtocol reports that the target has broken a rule of the protocol.
var ErrProtocol = errors.New("initiator: the target violates the protocol")

func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

func (s *session) peek() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// take takes a CmdSN if the window is open.
func (s *session) take() (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !serial.LessEq(s.next, s.max) {
		return 0, false
	}
	s.next++
	return s.next - 1, true
}

// update reads the command window from a target PDU (4.2.2.1).
func (s *session) update(h *pdu.BHS) {
	exp, most := h.ExpCmdSN(), h.MaxCmdSN()
	s.mu.Lock()
	if serial.LessEq(exp, most+1) {
		s.exp, s.max = serial.Max(s.exp, exp), serial.Max(s.max, most)
	}
	s.mu.Unlock()
}

// merge takes what is the connection's own from its login and the rest from the session's.
func merge(cfg Config, own login.Params) login.Params {
	p := cfg.joined
	p.HeaderDigest, p.DataDigest = own.HeaderDigest, own.DataDigest
	p.MaxRecvDataSegmentLength, p.MaxSendDataSegmentLength = own.MaxRecvDataSegmentLength, own.MaxSendDataSegmentLength
	return p
}
