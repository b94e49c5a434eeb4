package transporttest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/fcp"
	"github.com/lunette-io/lunette/scsi"
)

// A Storm is verified I/O at random by FCP, over a network that does what networks do. Commands may fail with what FCP says; whatever becomes of them, no byte
// is wrong, and none takes longer than time-outs have it.
type Storm struct {
	S        *FCP
	Port     *initiator.Port
	Seed     uint64
	Workers  int // each has blocks of its own
	Commands int // of each
	Most     int // blocks of the largest command
	Ways     []Way
	// Limit is how long a command may take. Aborts is how many of 1000 commands are aborted while they run.
	Limit  time.Duration
	Aborts int

	Good, Failed, Logins atomic.Int64

	turn chan struct{} // who has it may log in: not a mutex, since others wait for it while time goes on
	conn *initiator.Conn

	mu   sync.Mutex
	errs []error
	why  map[string]int
}

// extent is how many blocks a worker has.
const extent = 2048

// Run runs it, and returns what was wrong.
func (s *Storm) Run() error {
	s.why, s.turn = make(map[string]int), make(chan struct{}, 1)
	var all sync.WaitGroup
	for i := range s.Workers {
		all.Go(func() {
			if err := s.work(i); err != nil {
				s.mu.Lock()
				s.errs = append(s.errs, fmt.Errorf("worker %d: %w", i, err))
				s.mu.Unlock()
			}
		})
	}
	all.Wait()
	return errors.Join(s.errs...)
}

// Why is how often commands have failed with what.
func (s *Storm) Why() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// login is the connection, which is made again when it has ended.
func (s *Storm) login() (*initiator.Conn, error) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.conn != nil && s.conn.Err() == nil {
		return s.conn, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := s.Port.Dial(ctx, FCPPort)
	if err != nil {
		return nil, err
	}
	s.Logins.Add(1)
	s.conn = c
	return c, nil
}

func (s *Storm) work(i int) error {
	r := rand.New(rand.NewPCG(s.Seed, uint64(i)))
	m := NewModel(uint64(i)+1, extent)
	buf := make([]byte, s.Most*BlockSize)
	lun, base := scsi.LUN(uint64(i%2)<<48), i*extent
	k := &initiator.Command{LUN: lun}
	do := func(read bool, at, n int) error {
		w := s.Ways[r.IntN(len(s.Ways))]
		k.In, k.Out = nil, nil
		var write uint64
		if read {
			k.CDB, k.In = CDB10(scsi.OpRead10, uint32(base+at), uint16(n), w), buf[:n*BlockSize]
			clear(k.In)
		} else {
			k.CDB, k.Out = CDB10(scsi.OpWrite10, uint32(base+at), uint16(n), w), buf[:n*BlockSize]
			write = m.Fill(k.Out, at)
		}
		began := time.Now()
		err := s.one(k, r)
		if d := time.Since(began); d > s.Limit {
			return fmt.Errorf("%x took %v: %w", k.CDB, d, errors.Join(err, errors.New("too long")))
		}
		switch {
		case err == nil && k.Status == scsi.Good && read:
			if k.Received != len(k.In) || k.Residual != 0 {
				return fmt.Errorf("%x: GOOD with %d bytes, residual %d", k.CDB, k.Received, k.Residual)
			}
			s.Good.Add(1)
			return m.Read(k.In, at)
		case err == nil && k.Status == scsi.Good:
			s.Good.Add(1)
			m.Wrote(write, at, n, k.Residual == 0)
			return nil
		case err == nil && k.Status == scsi.CheckCondition && k.Sense.Key == scsi.KeyAbortedCommand:
			err = k.Sense
		case err == nil && k.Status == scsi.CheckCondition && k.Sense.Key == scsi.KeyUnitAttention:
			err = k.Sense
		case err == nil:
			return fmt.Errorf("%x: %v, %v", k.CDB, k.Status, k.Sense)
		case !allowed(err):
			return fmt.Errorf("%x: %w", k.CDB, err)
		}
		s.Failed.Add(1)
		s.mu.Lock()
		s.why[kindOf(err)]++
		s.mu.Unlock()
		if !read {
			m.Wrote(write, at, n, false)
		}
		return nil
	}
	for range s.Commands {
		n := 1 + r.IntN(s.Most)
		if r.IntN(2) == 0 {
			n = 1 + r.IntN(min(16, s.Most))
		}
		if err := do(r.IntN(2) == 0, r.IntN(extent-n), n); err != nil {
			return err
		}
	}
	for at := 0; at < extent; at += s.Most {
		if err := do(true, at, min(s.Most, extent-at)); err != nil {
			return err
		}
	}
	return nil
}

// kindOf is an error without its numbers.
func kindOf(err error) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, err.Error())
}

// allowed reports an error that a network that loses things may lead to.
func allowed(err error) bool {
	for _, e := range []error{initiator.ErrAborted, initiator.ErrLost, initiator.ErrTimeout, initiator.ErrClosed, initiator.ErrBusy} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// one runs a command, and perhaps aborts it.
func (s *Storm) one(k *initiator.Command, r *rand.Rand) error {
	c, err := s.login()
	if err != nil {
		return fmt.Errorf("no login: %w", err)
	}
	if err := c.Submit(k); err != nil {
		time.Sleep(time.Millisecond) // the login is just ending, or it has too many
		return err
	}
	if r.IntN(1000) < s.Aborts {
		time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
		c.Abort(k)
	}
	return c.Finish(k)
}
