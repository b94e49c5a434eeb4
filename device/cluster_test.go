package device_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/device/reserve"
)

// A cluster is what some hosts that have the same unit agree on, inside this process.
type cluster struct {
	mu      sync.Mutex
	kept    reserve.Snapshot
	members []*member
	steps   int // that were committed
}

// A member is the keeper of one host.
type member struct {
	c        *cluster
	persists bool

	// Guarded by c.mu.
	follow func(reserve.Step, func()) error
	away   bool  // does not hear of the steps of others
	err    error // what commits end with

	gate chan chan struct{} // if set, each commit sends a channel and waits for it to be closed
}

func (c *cluster) member() *member { return &member{c: c} }

func (m *member) Load(context.Context) (reserve.Snapshot, error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	return m.c.kept, m.err
}

func (m *member) Commit(ctx context.Context, s reserve.Step) error {
	if m.gate != nil {
		leave := make(chan struct{})
		m.gate <- leave
		select {
		case <-leave:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	// What is sent is bytes.
	after, err := reserve.ParseSnapshot(s.After.Append(nil))
	if err != nil {
		return err
	}
	s.After = after
	var done sync.WaitGroup
	m.c.mu.Lock()
	switch {
	case m.err != nil:
		err := m.err
		m.c.mu.Unlock()
		return err
	case s.After.Version != m.c.kept.Version+1:
		m.c.mu.Unlock()
		return reserve.ErrStale
	}
	m.c.kept = s.After
	m.c.steps++
	for _, o := range m.c.members {
		if o == m || o.away {
			continue
		}
		done.Add(1)
		if err := o.follow(s, done.Done); err != nil {
			done.Done()
		}
	}
	m.c.mu.Unlock()
	done.Wait()
	return nil
}

func (m *member) Watch(after uint64, f func(reserve.Step, func()) error) (stop func()) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.follow = f
	m.c.members = append(m.c.members, m)
	if m.c.kept.Version > after {
		_ = f(reserve.Step{After: m.c.kept}, func() {})
	}
	return func() {
		m.c.mu.Lock()
		defer m.c.mu.Unlock()
		m.c.members = slices.DeleteFunc(m.c.members, func(o *member) bool { return o == m })
	}
}

func (m *member) PersistsThroughPowerLoss() bool { return m.persists }

// fails makes the commits of the host end with err; nil ends that.
func (m *member) fails(err error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.err = err
}

// leave lets the host miss the steps of others, or hear of them again.
func (m *member) leave(away bool) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.away = away
	if !away && m.follow != nil {
		_ = m.follow(reserve.Step{After: m.c.kept}, func() {})
	}
}

func (c *cluster) commits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps
}

// newHost is a bench whose unit is one of the cluster's.
func newHost(t *testing.T, m *member) *bench {
	t.Helper()
	return newBenchWith(t, 0, keepers{reservations: m})
}

var errDisk = errors.New("the disk of the keeper is broken")
