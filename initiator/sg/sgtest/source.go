package sgtest

import (
	"context"
	"sync"

	"github.com/lunette-io/lunette/initiator/sg"
)

// A Source opens a device, whichever is plugged in there, and says when it comes and goes: what device/passthrough asks for. Its methods
// may be called by many goroutines at a time.
type Source struct {
	mu       sync.Mutex
	device   *Device
	err      error
	opens    int
	watchers []chan struct{} // each has room for one
}

// NewSource returns a source for d.
func NewSource(d *Device) *Source { return &Source{device: d} }

// Open opens the device that is there.
func (s *Source) Open(ctx context.Context) (sg.Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opens++
	switch {
	case s.err != nil:
		return nil, s.err
	case s.device == nil:
		return nil, sg.ErrGone
	}
	h, err := s.device.Open()
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Opens is how often Open was called.
func (s *Source) Opens() int { s.mu.Lock(); defer s.mu.Unlock(); return s.opens }

// Fail has Open fail with err from now on; nil ends that. Nobody is told: see [Source.Tell].
func (s *Source) Fail(err error) { s.mu.Lock(); defer s.mu.Unlock(); s.err = err }

// Replace plugs another device in; nil: none. Handles of the former are as they were: unplug it first.
func (s *Source) Replace(d *Device) {
	s.mu.Lock()
	old := s.device
	s.device = d
	watchers := append([]chan struct{}(nil), s.watchers...)
	s.mu.Unlock()
	for _, w := range watchers {
		old.unwatch(w)
		d.watch(w)
	}
	s.Tell()
}

// Tell tells those who watch that something may have changed.
func (s *Source) Tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// Watch calls changed, on a goroutine of its own, when the device comes or goes, until stop is called, which waits for that goroutine.
func (s *Source) Watch(changed func()) (stop func()) {
	w, quit, ended := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	s.mu.Lock()
	s.watchers = append(s.watchers, w)
	d := s.device
	s.mu.Unlock()
	d.watch(w)
	go func() {
		defer close(ended)
		for {
			select {
			case <-w:
				changed()
			case <-quit:
				return
			}
		}
	}()
	var once sync.Once
	return func() {
		once.Do(func() {
			close(quit)
			s.mu.Lock()
			s.watchers = without(s.watchers, w)
			d := s.device
			s.mu.Unlock()
			d.unwatch(w)
		})
		<-ended
	}
}

func (d *Device) watch(w chan struct{}) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watchers = append(d.watchers, w)
}

func (d *Device) unwatch(w chan struct{}) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watchers = without(d.watchers, w)
}

func without(all []chan struct{}, w chan struct{}) []chan struct{} {
	var rest []chan struct{}
	for _, o := range all {
		if o != w {
			rest = append(rest, o)
		}
	}
	return rest
}
