package vhost

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"
)

// Defaults of a Host and of Options.
const (
	DefaultPoll       = 20 * time.Microsecond
	DefaultMode       = fs.FileMode(0o600)
	DefaultMaxMemory  = 4 << 40
	DefaultMaxRegions = 509 // as many as a kernel's vhost takes, which front-ends know
)

// A Host is the network of this package: Unix sockets of this host.
type Host struct {
	log     *slog.Logger
	pollers *pollers
	after   func(time.Duration, func()) (stop func() bool) // time.AfterFunc; tests have another

	mu      sync.Mutex
	closed  bool
	sockets map[*Socket]struct{}
}

// New makes a host that listens nowhere yet.
func New(cfg Config) *Host {
	h := &Host{log: cfg.Log, sockets: make(map[*Socket]struct{})}
	h.after = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Poll == 0 {
		cfg.Poll = DefaultPoll
	}
	h.pollers = newPollers(cfg.Poll)
	return h
}

var errHostClosed = errors.New("vhost: the host is closed")

// Listen makes the socket of o, which nothing is accepted from before its Start. A socket file that nobody listens to is replaced; any other file is an error.
func (h *Host) Listen(o Options, b Backend) (*Socket, error) {
	o.defaults()
	s := &Socket{host: h, backend: b, path: o.Path, o: o, log: h.log.With("socket", o.Path), closing: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errHostClosed
	}
	var err error
	if s.listener, s.file, err = listen(o); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Path, err)
	}
	h.sockets[s] = struct{}{}
	return s, nil
}

// forget is told of a socket that is closed.
func (h *Host) forget(s *Socket) {
	h.mu.Lock()
	delete(h.sockets, s)
	h.mu.Unlock()
}

// Close returns when everything of the host has ended; all of its sockets are closed.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	var all []*Socket
	for s := range h.sockets {
		all = append(all, s)
	}
	h.mu.Unlock()
	var wg sync.WaitGroup
	errs := make([]error, len(all))
	for i, s := range all {
		wg.Go(func() { errs[i] = s.Close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (o *Options) defaults() {
	if o.Mode == 0 {
		o.Mode = DefaultMode
	}
	if o.MaxMemory <= 0 {
		o.MaxMemory = DefaultMaxMemory
	}
	if o.MaxRegions <= 0 {
		o.MaxRegions = DefaultMaxRegions
	}
}
