package passthrough

import (
	"sync"

	"github.com/lunette-io/lunette/target"
)

// classes bounds the classes of GET EVENT STATUS NOTIFICATION (MMC-6 6.5) that have events which a drive reports once, 1 to 4: operational change, power, external request, media.
const classes = 5

// events are those of an optical drive that each initiator has yet to be told. The drive forgets an event as soon as somebody has asked for it: it is kept here for all others. Several
// who ask the same at the same time share one answer, so that a drive which many hosts poll is asked by one.
type events struct {
	mu      sync.Mutex
	pending map[*target.ITL]*[classes]byte // event codes, 0: none
	asking  map[byte][]*target.Task        // who waits for the drive's answer, by the classes that they ask for
}

func (e *events) attach(x *target.ITL) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending == nil {
		e.pending = make(map[*target.ITL]*[classes]byte)
	}
	e.pending[x] = new([classes]byte)
}

func (e *events) detach(x *target.ITL) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pending, x)
}

// note keeps an event for every initiator; of one class the last.
func (e *events) note(class, code byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, all := range e.pending {
		all[class] = code
	}
}

// take is the event that x has yet to be told of a class; 0: none.
func (e *events) take(x *target.ITL, class byte) (code byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if all := e.pending[x]; all != nil {
		code, all[class] = all[class], 0
	}
	return code
}

// first is the first of the classes in the mask of which x has an event; 0: none.
func (e *events) first(x *target.ITL, mask byte) byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if all := e.pending[x]; all != nil {
		for class := byte(1); class < classes; class++ {
			if mask>>class&1 != 0 && all[class] != 0 {
				return class
			}
		}
	}
	return 0
}

// join adds t to those who wait for an answer of the drive to a question for the classes of the mask; true: t is the first, and asks.
func (e *events) join(t *target.Task, mask byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asking == nil {
		e.asking = make(map[byte][]*target.Task)
	}
	e.asking[mask] = append(e.asking[mask], t)
	return len(e.asking[mask]) == 1
}

// answered are those who wait for the answer.
func (e *events) answered(mask byte) []*target.Task {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.asking[mask]
	delete(e.asking, mask)
	return all
}

// eventLen is all that the drive says to one question: a header and one event; who has room for the header alone asks for no event (MMC-6 6.5).
const (
	eventLen       = 8
	eventHeaderLen = 4
)

// eventStatus is GET EVENT STATUS NOTIFICATION (MMC-6 6.5), polled: the drive says how things are, and lunette which event the initiator has yet to be told.
func (p *policy) eventStatus(t *target.Task, r *rule) {
	c := t.CDB
	if c[1]&1 == 0 || bigEndian(c[7:9]) <= eventHeaderLen { // asynchronous, which drives refuse, or for the header alone, which ends no event
		p.line.pass(t, r)
		return
	}
	mask := c[4]
	if class := p.events.first(t.ITL(), mask); class != 0 {
		mask = 1 << class
	}
	if !p.events.join(t, mask) {
		return
	}
	p.line.own([]byte{byte(opGetEventStatus), 1, 0, 0, mask, 0, 0, 0, eventLen, 0}, eventLen, func(a *answer) {
		p.heard(t.ITL(), a)
		var data []byte
		if a.good() {
			data = append(data, a.data...)
			if class := eventClass(data); class != 0 && data[4]&0x0f != 0 {
				p.events.note(class, data[4]&0x0f)
			}
		}
		for _, other := range p.events.answered(mask) {
			switch {
			case data != nil:
			case other == t:
				p.repeat(t, a)
				continue
			default: // what the drive could not do is said to one; it may do it now
				p.eventStatus(other, r)
				continue
			}
			t := other
			own := append([]byte{}, data...)
			if class := eventClass(own); class != 0 {
				own[4] = own[4]&0xf0 | p.events.take(t.ITL(), class)
			}
			p.reply(t, own, uint32(bigEndian(t.CDB[7:9])))
		}
	})
}

// eventClass is the class of a drive's answer with an event of those that it reports once; 0: it is none.
func eventClass(b []byte) byte {
	if len(b) < eventLen || b[2]&0x80 != 0 { // NEA: no event
		return 0
	}
	if class := b[2] & 7; class > 0 && class < classes {
		return class
	}
	return 0
}
