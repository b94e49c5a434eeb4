package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lunette-io/lunette/daemon/plugin"
)

// heldPlaces are the places of stores that devices have opened by paths, which no document names.
type heldPlaces struct {
	stored func(same string) (unit string, ok bool) // whose store a place is, by its document

	mu   sync.Mutex
	held map[string]*heldPlace // by plugin.Found.Same
}

// A heldPlace is one that a unit has, as often as times says.
type heldPlace struct {
	unit  string
	times int
}

// holder is the unit that has opened a place by a path.
func (h *heldPlaces) holder(same string) (unit string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at := h.held[same]; at != nil {
		return at.unit, true
	}
	return "", false
}

// take has a place held by a unit until give is called. It is refused while another unit has the place. The unit itself may have it several
// times, as far as its kind of store lets it.
func (h *heldPlaces) take(same, unit, path string) (give func(), err error) {
	if same == "" {
		return func() {}, nil
	}
	other, ok := h.stored(same)
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.held[same]
	if at != nil {
		other, ok = at.unit, true
	}
	if ok && other != unit {
		return nil, fmt.Errorf("%s: the unit %q serves it already, perhaps by another name: %w", path, other, errHeld)
	}
	if at == nil {
		at = &heldPlace{unit: unit}
		if h.held == nil {
			h.held = make(map[string]*heldPlace)
		}
		h.held[same] = at
	}
	at.times++
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if at.times--; at.times == 0 {
			delete(h.held, same)
		}
	}), nil
}

// storedAt is the unit whose store is at a place, by its document.
func (c *units) storedAt(same string) (unit string, ok bool) {
	for _, u := range c.load() {
		for _, b := range u.device.Load().stores.all() {
			if b.same == same {
				return u.name(), true
			}
		}
	}
	return "", false
}

// OpenPath implements [plugin.Stores].
func (s *stores) OpenPath(ctx context.Context, path string, readOnly bool) (plugin.Opened, error) {
	kind, err := plugin.Holder(s.reg.Stores, path)
	if err != nil {
		return plugin.Opened{}, err
	}
	v := kind.At(path, readOnly)
	f, err := found(kind, v)
	if err != nil {
		return plugin.Opened{}, err
	}
	give, err := s.places.take(f.Same, s.spec.Name, path)
	if err != nil {
		return plugin.Opened{}, err
	}
	opened, err := kind.Open(ctx, v)
	if err != nil {
		give()
		return plugin.Opened{}, err
	}
	s.list(opened)
	b := &base{Opened: opened, same: opened.Same}
	top, err := s.filtered(b)
	if err != nil {
		if b.Undo != nil {
			err = errors.Join(err, b.Undo())
		}
		err = errors.Join(err, b.Close())
		give()
		return plugin.Opened{}, err
	}
	s.paths.add(b)
	top.Closed = func() {
		s.paths.remove(b)
		give()
	}
	top.Taken = func() {}
	taken := s.noteOpen(top.Close, b.Undo)
	if taken != nil {
		top.Taken = taken
	}
	for _, n := range b.News {
		switch {
		case !n.Warn: // such as of names, which follow from a unit's own store alone
		case taken != nil:
			s.note(n)
		default:
			n.Tell(s.log)
		}
	}
	return top, nil
}

// openPaths are the stores of one unit that its device has opened by paths, and not closed.
type openPaths struct {
	mu  sync.Mutex
	all map[*base]bool
}

func (o *openPaths) add(b *base) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = make(map[*base]bool)
	}
	o.all[b] = true
}

func (o *openPaths) remove(b *base) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.all, b)
}

// losing are the functions that say what has happened to them: see plugin.Opened.Lost.
func (o *openPaths) losing() (all []func() error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for b := range o.all {
		if b.Lost != nil {
			all = append(all, b.Lost)
		}
	}
	return all
}
