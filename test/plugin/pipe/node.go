package pipe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A node is the targets that pipes show, and the sessions with them.
type node struct {
	greeting string

	mu       sync.Mutex
	targets  map[string]*shown
	sessions map[*Session]struct{}
	numbers  int
	closed   bool
	ending   sync.WaitGroup
}

// shown is a target with its port. It is not changed: another takes its place.
type shown struct {
	plugin.Target
	port *target.Port
}

// A Session is an I_T nexus of a guest.
type Session struct {
	*loopback.Session
	node                *node
	target, guest, addr string
	number              int
	since               time.Time
	end                 sync.Once
	err                 error

	starting sync.RWMutex // no command starts while it ends
	ended    bool
}

func newNode(c plugin.NodeConfig) (plugin.Node, error) {
	return &node{
		greeting: c.Values.Group("pipe").String("greeting"),
		targets:  make(map[string]*shown), sessions: make(map[*Session]struct{}),
	}, nil
}

// Prepare implements [plugin.Node].
func (n *node) Prepare(c plugin.NodeConfig) (func(), error) {
	greeting := c.Values.Group("pipe").String("greeting")
	return func() {
		n.mu.Lock()
		n.greeting = greeting
		n.mu.Unlock()
	}, nil
}

// PrepareTarget implements [plugin.Node].
func (n *node) PrepareTarget(t plugin.Target) (func(), error) {
	return func() { n.show(t) }, nil
}

func (n *node) show(t plugin.Target) {
	n.mu.Lock()
	defer n.mu.Unlock()
	x := &shown{Target: t}
	if old := n.targets[t.Name]; old != nil {
		x.port = old.port
	} else {
		port, err := t.SCSI.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: t.Name + ",pipe"})
		if err != nil {
			return
		}
		x.port = port
	}
	n.targets[t.Name] = x
}

// refuses says why a guest may not have a target; empty: it may.
func refuses(t *plugin.Target, guest string) string {
	guests := t.Values.Group("pipe").Groups("guests")
	switch {
	case t.Maintenance.On:
		return t.Name + " is under maintenance"
	case len(guests) > 0 && !slices.ContainsFunc(guests, func(v model.Values) bool { return v.String("name") == guest }):
		return guest + " may not have " + t.Name
	}
	return ""
}

// refused are the sessions that t refuses. n.mu is held.
func (n *node) refused(t plugin.Target) (some []*Session) {
	for s := range n.sessions {
		if s.target == t.Name && refuses(&t, s.guest) != "" {
			some = append(some, s)
		}
	}
	return some
}

// Refuses implements [plugin.Node].
func (n *node) Refuses(t plugin.Target) (ids []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.refused(t) {
		ids = append(ids, s.id())
	}
	return ids
}

// EndRefused implements [plugin.Node]: guests are not asked.
func (n *node) EndRefused(t plugin.Target, _ time.Duration, done func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.end(n.refused(t), done)
}

// end ends sessions, and calls done then. n.mu is held.
func (n *node) end(all []*Session, done func()) {
	n.ending.Go(func() {
		for _, s := range all {
			_ = s.Close()
		}
		done()
	})
}

// Drop implements [plugin.Node].
func (n *node) Drop(id string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for s := range n.sessions {
		if s.id() == id {
			n.end([]*Session{s}, func() {})
			return nil
		}
	}
	return fmt.Errorf("pipe: there is no session %s", id)
}

func (s *Session) id() string { return strconv.Itoa(s.number) }

// RemoveTarget implements [plugin.Node].
func (n *node) RemoveTarget(name string, done func()) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.targets[name] == nil {
		return fmt.Errorf("pipe: there is no target %s", name)
	}
	t := n.targets[name]
	t.SCSI.RemovePort(t.port)
	delete(n.targets, name)
	var all []*Session
	for s := range n.sessions {
		if s.target == name {
			all = append(all, s)
		}
	}
	n.end(all, done)
	return nil
}

func (n *node) login(name, guest, addr string, now time.Time) (*Session, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.targets[name]
	switch {
	case n.closed:
		return nil, errors.New("pipe: the node is closed")
	case t == nil:
		return nil, fmt.Errorf("pipe: there is no target %s", name)
	}
	if why := refuses(&t.Target, guest); why != "" {
		return nil, fmt.Errorf("pipe: %s", why)
	}
	n.numbers++
	from := target.Initiator{Name: guest, Port: scsi.ISCSIPort(guest, [6]byte{5: byte(n.numbers)})}
	session, err := loopback.Try(t.port, from, loopback.Options{})
	if err != nil {
		return nil, err
	}
	s := &Session{Session: session, node: n, target: name, guest: guest, addr: addr, number: n.numbers, since: now}
	n.sessions[s] = struct{}{}
	return s, nil
}

// Do runs one command and waits for its end, or until ctx is done. A session that has ended drops it.
func (s *Session) Do(ctx context.Context, lun scsi.LUN, cdb, out []byte, room int) (loopback.Result, []byte, error) {
	in := make([]byte, room)
	s.starting.RLock()
	if s.ended {
		s.starting.RUnlock()
		return loopback.Result{}, nil, loopback.ErrDropped
	}
	p := s.Start(loopback.Command{LUN: lun, CDB: cdb, Out: out, In: in})
	s.starting.RUnlock()
	r, err := p.Wait(ctx)
	return r, in[:r.In], err
}

// Close ends the session, once.
func (s *Session) Close() error {
	s.end.Do(func() {
		s.starting.Lock()
		s.ended = true
		s.starting.Unlock()
		s.err = s.Session.Close()
		s.node.mu.Lock()
		delete(s.node.sessions, s)
		s.node.mu.Unlock()
	})
	return s.err
}

// Sessions implements [plugin.Node].
func (n *node) Sessions() []api.Session {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []api.Session
	for s := range n.sessions {
		totals := s.Nexus.Totals()
		all = append(all, api.Session{
			ID: s.id(), Transport: "pipe", Initiator: s.guest, Alias: n.greeting, Target: s.target, Since: s.since.UTC(),
			Connections: []api.Connection{{ID: s.number, Network: "process", Remote: s.guest, Local: s.addr}},
			Counts:      plugin.Counts(totals),
		})
	}
	return all
}

// Shutdown implements [plugin.Node]: guests are not asked.
func (n *node) Shutdown(context.Context) error {
	n.mu.Lock()
	n.closed = true
	var all []*Session
	for s := range n.sessions {
		all = append(all, s)
	}
	n.mu.Unlock()
	for _, s := range all {
		_ = s.Close()
	}
	n.ending.Wait()
	return nil
}
