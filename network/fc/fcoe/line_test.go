package fcoe

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/sim"
	"github.com/lunette-io/lunette/network/fc"
)

// A deafHost has interfaces that take no other address than their own.
type deafHost struct{ ethernet.Host }

type deafWire struct{ ethernet.Wire }

var errDeaf = errors.New("no other address")

func (h deafHost) Open(c ethernet.Config) (ethernet.Wire, error) {
	w, err := h.Host.Open(c)
	return deafWire{w}, err
}

func (deafWire) Join(ethernet.MAC) error { return errDeaf }

// An interface on which a network cannot start is an error, and leaves nothing behind: neither goroutines, nor a wire, nor the place.
func TestStartFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := sim.New()
		h := n.Host("h")
		h.Add("eth0", mac(1), 2500)
		p := New(Config{Host: deafHost{h}})
		for _, query := range []string{"", "?mode=fabric", "?mode=enode", ""} {
			if _, err := p.Open(context.Background(), "eth0"+query); !errors.Is(err, errDeaf) || !strings.Contains(err.Error(), "eth0") {
				t.Errorf("%q: %v", query, err)
			}
		}
		if err := errors.Join(p.Close(), n.Close()); err != nil {
			t.Error(err)
		}
	})
}

// Whoever flushes is not kept by what others post meanwhile.
func TestFlushReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := sim.New()
		e := newEnd(t, n, "a", 1)
		var stop atomic.Bool
		var o *outlet
		o = e.x.outlet(func(s *fc.Sequence, _ error) {
			if !stop.Load() {
				o.post(s) // As fast as it leaves there is more.
			}
		})
		o.up(fc.MaxPayload)
		s := &fc.Sequence{Header: fc.Header{D: 2, S: 1}, Head: make([]byte, 64)}
		if !o.post(s) {
			t.Fatal("not taken")
		}
		flushed := make(chan struct{})
		go func() {
			e.x.flush()
			close(flushed)
		}()
		<-flushed
		stop.Store(true)
		o.down(fc.ErrClosed)
		_ = e.wire.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A lazyMachine asks for its next tick by at alone.
type lazyMachine struct {
	machine
	l     *line
	ticks int
}

func (m *lazyMachine) tick(now time.Time) time.Time {
	if m.ticks++; m.ticks < 5 {
		m.l.at(now.Add(time.Second))
	}
	return time.Time{}
}

func (m *lazyMachine) changed(ethernet.State)                      {}
func (m *lazyMachine) batch()                                      {}
func (m *lazyMachine) deliver(_, _ ethernet.MAC, _ *fc.Frame) bool { return false }

// What a tick asks for is not forgotten when it ends.
func TestTickWithinTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := sim.New()
		h := n.Host("h")
		h.Add("eth0", mac(1), 2500)
		w, err := h.Open(ethernet.Config{Interface: "eth0", Types: []ethernet.Type{typeFCoE}})
		if err != nil {
			t.Fatal(err)
		}
		m := &lazyMachine{}
		m.l = newLine(w, nil, m, nil)
		if err := m.l.start(); err != nil {
			t.Fatal(err)
		}
		m.l.turn.Lock()
		m.l.at(time.Now())
		m.l.turn.Unlock()
		pass(10 * time.Second)
		if m.ticks != 5 {
			t.Errorf("%d ticks", m.ticks)
		}
		if err := errors.Join(m.l.close(), n.Close()); err != nil {
			t.Error(err)
		}
	})
}
