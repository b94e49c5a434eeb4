// Package loopback is the in-process transport: what tests and benchmarks drive targets with, and the reference for how a transport behaves.
package loopback

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// Errors of Do that are not the device's.
var (
	// ErrDropped reports a task that was aborted: it gets no response.
	ErrDropped = errors.New("loopback: task dropped")
	// ErrProtocol reports a device server that broke the contract of a task.
	ErrProtocol = errors.New("loopback: device server broke the contract")
)

// Options choose how the transport behaves.
type Options struct {
	// First is how much data-out comes along with the command, in bytes; the rest is
	// there when the device server asks. Negative: all of it.
	First int64
	// Later moves data-out on another goroutine, after ReceiveDataOut has returned.
	Later bool
	// Piece moves data-out by so many bytes at a time, 0: at once. With Later an abort
	// can come between pieces.
	Piece int
	// Never leaves ReceiveDataOut unanswered until the task is aborted.
	Never bool
	// Pace takes one piece of data-in at a time, and asks for the next on another goroutine.
	Pace bool
	// Delay is how long the taking of a piece takes, with Pace.
	Delay time.Duration
	// Untaken takes no data-in before the target calls the session overdue, or it is closed.
	Untaken bool
	// FailDataOut, if it is not nil, is what every ReceiveDataOut ends with.
	FailDataOut error
	// HoldResponse keeps responses back until Release is called.
	HoldResponse bool
	// Arena lends memory for data-out; nil: a small one that the session makes.
	Arena *buffer.Arena
	// Solicited is the budget of the channel; 0: plenty.
	Solicited int64
	// Lend lends the memory of In and Out to device servers that ask for it: then nothing is copied. Data-out that
	// comes later, or never, is not lent.
	Lend bool
	// LendPiece is of how many bytes each piece of that is; 0: it is one.
	LendPiece int
}

// A Session is one I_T nexus. It is a [target.Services]; its own methods may be called
// by many goroutines.
type Session struct {
	Nexus *target.Nexus

	channel *target.Channel
	arena   *buffer.Arena // its own, or nil
	overdue atomic.Int32
	lent    atomic.Int64 // bytes, with Options.Lend
	moved   atomic.Int64 // bytes, with Options.Lend

	opt   Options
	late  sync.WaitGroup // goroutines that move data
	take  func()         // closes taken, once
	taken chan struct{}  // closed: also with Untaken data-in is taken

	mu   sync.Mutex
	tags uint64
	free *exchange
	live int
	// Commands whose responses were put off to the end of a run, by next.
	queued *exchange
	// Those that HoldResponse holds.
	responses []*exchange
	err       error // the first broken contract
}

// Login makes an I_T nexus of from with port. It panics if the port is closed: see Try.
func Login(port *target.Port, from target.Initiator, opt Options) *Session {
	s, err := Try(port, from, opt)
	if err != nil {
		panic(err)
	}
	return s
}

// Try is Login that reports a port which is closed.
func Try(port *target.Port, from target.Initiator, opt Options) (*Session, error) {
	s := &Session{opt: opt, taken: make(chan struct{})}
	s.take = sync.OnceFunc(func() { close(s.taken) })
	n, err := port.Login(from)
	if err != nil {
		return nil, err
	}
	limits := target.ChannelLimits{Solicited: opt.Solicited, Arena: opt.Arena}
	if limits.Solicited == 0 {
		limits.Solicited = 1 << 40
	}
	if limits.Arena == nil {
		s.arena = buffer.NewArena(64 << 20)
		limits.Arena = s.arena
	}
	s.Nexus = n
	if opt.Lend {
		s.channel = n.Channel(lending{s}, limits)
	} else {
		s.channel = n.Channel(s, limits)
	}
	return s, nil
}

// Overdues is how often the target has called the session overdue.
func (s *Session) Overdues() int { return int(s.overdue.Load()) }

// Copied is how many bytes of First the target has copied.
func (s *Session) Copied() int64 { return s.channel.Copied() }

// A Command is what an initiator sends.
type Command struct {
	LUN  scsi.LUN
	Attr target.Attr
	Tag  uint64 // 0: the session chooses
	CDB  []byte
	Out  []byte // data-out
	In   []byte // room for data-in
	// HaveOut and WantIn are the lengths that the initiator tells; 0: those of Out and
	// In. A device server that trusts HaveOut beyond Out gets zeros.
	HaveOut, WantIn int64
}

// A Result is how a command ended.
type Result struct {
	Status     scsi.Status
	Sense      scsi.Sense
	Descriptor bool
	SenseData  []byte // instead of Sense, if it is raw
	Residual   int64
	In         int64 // bytes of data-in that came, counted from the start of the buffer
}

// Err is nil for GOOD, and else says what came instead: the sense of a CHECK CONDITION.
func (r Result) Err() error {
	switch r.Status {
	case scsi.Good:
		return nil
	case scsi.CheckCondition:
		return r.Sense
	}
	return fmt.Errorf("loopback: %v", r.Status)
}

// Do runs one command and waits for its end. ctx only bounds the wait: when it ends the
// task is aborted.
func (s *Session) Do(ctx context.Context, lun scsi.LUN, cdb, out []byte, inLen int) (Result, []byte, error) {
	var in []byte
	if inLen > 0 {
		in = make([]byte, inLen)
	}
	p := s.Start(Command{LUN: lun, CDB: cdb, Out: out, In: in})
	r, err := p.Wait(ctx)
	return r, in[:min(int64(len(in)), r.In)], err
}

// Run runs one command and waits for its end. It allocates nothing.
func (s *Session) Run(c Command) (Result, error) {
	p := s.Start(c)
	return p.Wait(context.Background())
}

// Manage performs a task management function and waits for its result.
func (s *Session) Manage(f target.Function, lun scsi.LUN, tag uint64) target.FunctionResult {
	done := make(chan target.FunctionResult, 1)
	s.Nexus.Manage(f, lun, tag, func(r target.FunctionResult) { done <- r })
	return <-done
}

// Close ends the nexus and waits until every task has ended. It returns the first
// broken contract.
func (s *Session) Close() error {
	s.take()
	done := make(chan struct{})
	s.Nexus.Lost(func() { close(done) })
	<-done
	s.late.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	if s.live != 0 {
		err = errors.Join(err, fmt.Errorf("%w: %d tasks are left", ErrProtocol, s.live))
	}
	if s.arena != nil {
		err = errors.Join(err, s.arena.Close())
		s.arena = nil
	}
	return err
}

// broken notes a broken contract.
func (s *Session) broken(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = fmt.Errorf("%w: "+format, append([]any{ErrProtocol}, args...)...)
	}
}

// Broken is the first broken contract so far.
func (s *Session) Broken() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

var _ buffer.Owner = (*exchange)(nil)
