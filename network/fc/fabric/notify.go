package fabric

import (
	"slices"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

const (
	// maxPages is how many ports a notification names: it fits in the shortest frame. If there are more it is about all of them.
	maxPages = (fc.MinPayload - 4) / 4
	// maxTries is how often one is sent that nobody answers.
	maxTries = 4
	// pause is between two notifications to a port: who comes and goes all the time does not make others ask all the time.
	pause = 100 * time.Millisecond
)

// Notes are the state changes that a port is to be told of (RSCN, FC-LS-4). One notification is under way at a time; what
// changes meanwhile is in the next. f.mu guards them.
type notes struct {
	pending []fc.ID // ports that have changed; more than maxPages: all have
	sent    []fc.ID // in the notification that is under way; nil: there is none
	ox      uint16  // of it
	tries   int
	due     time.Time // when it is sent again, or, if it was answered, when the next may be sent
}

// changed tells all who see e that it has come, gone or changed. f.mu is held.
func (f *Fabric) changed(e *entry) {
	for _, p := range f.ports {
		if &p.entry != e && f.sees(&p.entry, e) {
			f.tell(&p.entry, e.id)
		}
	}
	if e.member != nil {
		return
	}
	for _, m := range f.members {
		if m.sees(e.id) {
			f.tell(&m.entry, e.id)
		}
	}
}

// tell tells e of a change, if it wants to know. f.mu is held.
func (f *Fabric) tell(e *entry, id fc.ID) {
	n := &e.notes
	if !e.changes || len(n.pending) > maxPages || slices.Contains(n.pending, id) {
		return
	}
	n.pending = append(n.pending, id)
	f.wake()
}

// wake has the goroutine look what there is to do.
func (f *Fabric) wake() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// run is the goroutine: it sends notifications.
func (f *Fabric) run() {
	defer close(f.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		out, next := f.due(time.Now())
		for _, s := range out {
			f.reply(s)
		}
		if len(out) > 0 {
			f.flush()
		}
		timer.Reset(next)
		select {
		case <-f.kick:
		case <-timer.C:
		case <-f.stop:
			return
		}
	}
}

// due lets ports inside have their notifications, and returns those for ports outside, and how long nothing is to be done.
func (f *Fabric) due(now time.Time) (out []*fc.Sequence, next time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next = time.Hour
	for _, p := range f.ports {
		if s := f.notify(&p.entry, now, &next); s != nil {
			p.deliver(s)
		}
	}
	for _, m := range f.members {
		if s := f.notify(&m.entry, now, &next); s != nil {
			out = append(out, s)
		}
	}
	return out, next
}

// notify is what is to be sent to e now; nil: nothing. f.mu is held.
func (f *Fabric) notify(e *entry, now time.Time, next *time.Duration) *fc.Sequence {
	n := &e.notes
	if n.sent != nil && !now.Before(n.due) {
		n.sent = slices.DeleteFunc(n.sent, func(id fc.ID) bool { return slices.Contains(n.pending, id) })
		if n.tries++; n.tries >= maxTries {
			f.log.Debug("a port does not answer a state change", "port", e.port, "id", e.id)
			n.sent = nil
		} else {
			n.pending = append(n.sent, n.pending...)
		}
	} else if n.sent != nil {
		*next = min(*next, n.due.Sub(now))
		return nil
	} else {
		n.tries = 0
	}
	if len(n.pending) == 0 {
		n.sent = nil
		return nil
	}
	if now.Before(n.due) {
		*next = min(*next, n.due.Sub(now))
		return nil
	}
	var x els.StateChange
	if len(n.pending) > maxPages {
		x.Pages = []els.Affected{{Format: els.AffectedDomain, ID: fc.ID(f.c.Domain) << 16}}
	} else {
		for _, id := range n.pending {
			x.Pages = append(x.Pages, els.Affected{Format: els.AffectedPort, ID: id})
		}
	}
	if f.exch++; f.exch == fc.NoID {
		f.exch = 0
	}
	n.sent, n.pending, n.ox, n.due = n.pending, nil, f.exch, now.Add(f.c.ErrorDetect)
	*next = min(*next, f.c.ErrorDetect)
	return &fc.Sequence{
		Header: fc.Header{RCtl: fc.RCtlELSRequest, D: e.id, S: fc.FabricController, Type: fc.TypeELS, FCtl: fc.FCtlRequest, OX: n.ox, RX: fc.NoID},
		Head:   x.Append(nil), MaxPayload: e.payload,
	}
}

// noted takes the answer to a notification, whatever it is. f.mu is held.
func (f *Fabric) noted(e *entry, fr *fc.Frame) {
	n := &e.notes
	if n.sent == nil || fr.OX != n.ox || fr.FCtl&fc.FCtlResponder == 0 {
		f.dropped.Add(1)
		return
	}
	n.sent, n.due = nil, n.due.Add(pause-f.c.ErrorDetect) // so long after it was sent
	if len(n.pending) > 0 {
		f.wake()
	}
}
