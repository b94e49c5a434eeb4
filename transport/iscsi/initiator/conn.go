// Package initiator is a small, fast iSCSI initiator over TCP, for benchmarks, probes and tests (RFC 7143).
//
// A [Conn] is a logged-in connection that moves any number of commands at a time with few
// system calls and no allocation; a [Wire] sends and receives single PDUs without rules.
package initiator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

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
	tcp    *net.TCPConn
	raw    syscall.RawConn
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

	in  receiver
	out sender
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
	if cfg.Wishes.MaxRecvDataSegmentLength == 0 {
		cfg.Wishes = DefaultWishes()
	}
	w, err := DialWire(ctx, addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = w.SetDeadline(time.Unix(1, 0)) })
	r, err := w.Login(cfg, s.peek())
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	if cfg.joined.MaxBurstLength != 0 { // what the leading login settled
		r.Params = merge(cfg, r.Params)
	}
	c := &Conn{cfg: cfg, tcp: w.TCPConn, params: r.Params, tsih: r.TSIH, s: s, expSN: r.Last.StatSN() + 1}
	if c.raw, err = c.tcp.SyscallConn(); err != nil {
		c.tcp.Close()
		return nil, err
	}
	c.events = &c.cfg.Events
	c.waits = make(map[uint32]*answer)
	for i := range uint16(maxTasks) {
		c.free = append(c.free, maxTasks-1-i)
	}
	c.in.init(c)
	c.out.init(c)
	s.update(&r.Last)
	return c, nil
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
	_ = c.tcp.SetReadDeadline(t) // fails when it is closed, as what waits does then
}

// Close closes the connection, without a logout. Any goroutine may call it.
func (c *Conn) Close() error { return c.tcp.Close() }

// TCP is the connection beneath, to tune it.
func (c *Conn) TCP() *net.TCPConn { return c.tcp }

// fail ends the connection.
func (c *Conn) fail(err error) error {
	if c.err == nil {
		c.err = err
		c.tcp.Close()
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

// both waits until the socket can be read or written, for a moment at most.
func (c *Conn) both() error {
	if !c.until.IsZero() && time.Now().After(c.until) {
		return context.DeadlineExceeded
	}
	return c.raw.Control(func(fd uintptr) {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLOUT}}, 20)
	})
}

// merge takes what is the connection's own from its login and the rest from the session's.
func merge(cfg Config, own login.Params) login.Params {
	p := cfg.joined
	p.HeaderDigest, p.DataDigest = own.HeaderDigest, own.DataDigest
	p.MaxRecvDataSegmentLength, p.MaxSendDataSegmentLength = own.MaxRecvDataSegmentLength, own.MaxSendDataSegmentLength
	return p
}
