package virtio

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// events are what a guest is to be told and has made no room for yet.
type events struct {
	waiting atomic.Bool // there are some

	mu      sync.Mutex
	pending []event
	missed  bool // some were let go: the guest has to look at everything
}

// maxEvents is how many events wait for a guest. Linux posts room for eight and makes it again soon; a guest for which more wait is better off to look at everything, once.
const maxEvents = 64

// An event is what a guest is to be told; of is the unit that it is about if that has still to be asked what it is, or nil.
type event struct {
	iu.Event
	of *target.Unit
}

// add notes an event, if a driver with these features wants it. It may be called with any lock.
func (e *events) add(features uint64, x event) {
	wants := iu.FeatureHotplug
	if x.Kind == iu.EventParamChange {
		wants = iu.FeatureChange
	}
	if features&wants == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case slices.Contains(e.pending, x):
	case len(e.pending) == maxEvents:
		e.pending, e.missed = nil, true
	default:
		e.pending = append(e.pending, x)
	}
	e.waiting.Store(true)
}

// next takes the next event; false: there is none.
func (e *events) next() (x event, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ok = len(e.pending) > 0; ok {
		x = e.pending[0]
		e.pending = slices.Delete(e.pending, 0, 1)
	}
	x.Missed = e.missed
	ok = ok || e.missed
	e.missed = false
	e.waiting.Store(len(e.pending) > 0)
	return x, ok
}

// told is next without what is told another way: of discs and their drives, for which there are asynchronous notifications (virtio 1.3, 5.6.6.3).
func (e *events) told() (x iu.Event, ok bool) {
	missed := false
	for {
		o, ok := e.next()
		missed = missed || o.Missed
		if ok && o.of != nil && typeOf(o.of) == scsi.TypeOptical {
			continue
		}
		o.Event.Missed = missed
		return o.Event, ok || missed
	}
}

// lose notes that an event could not be told.
func (e *events) lose() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.missed = true
	e.waiting.Store(true)
}

// tell gives the driver the events for which it has posted room. The node's clock calls it.
func (g *guest) tell() {
	if !g.events.waiting.Load() {
		return
	}
	vq := g.driver.Queue(iu.QueueEvent)
	if vq == nil {
		return
	}
	var b [iu.EventLen]byte
	for range maxEvents {
		c := vq.Take()
		if c == nil {
			break
		}
		x, _ := g.events.told() // no event, if what waited is none: room that was taken has to be used
		n := int64(iu.EventLen)
		if c.Writable() < n || c.Write(0, x.Append(b[:0])) != nil {
			g.events.lose()
			n = 0
		}
		c.Return(n)
		if !g.events.waiting.Load() || n == 0 {
			break
		}
	}
	vq.Flush()
}

// transportReset is the event that a unit has come or gone.
func (nx *nexus) transportReset(lun scsi.LUN, reason uint32) event {
	return event{Event: iu.Event{Kind: iu.EventTransportReset, Address: iu.EventAddress(nx.number, lun), Reason: reason}}
}

// InventoryChanged implements target.Watcher.
func (nx *nexus) InventoryChanged(gained, lost []scsi.LUN) {
	g := nx.guest
	for _, lun := range lost {
		g.events.add(g.features, nx.transportReset(lun, iu.ResetRemoved))
	}
	for _, lun := range gained {
		g.events.add(g.features, nx.transportReset(lun, iu.ResetRescan))
	}
	g.portal.node.wake()
}

// parameters are the conditions that are told as changes of parameters.
var parameters = []scsi.ASC{
	scsi.ASCParametersChanged, scsi.ASCModeParametersChanged, scsi.ASCCapacityDataChanged, scsi.ASCInquiryDataChanged,
}

// Attention implements target.Watcher.
func (nx *nexus) Attention(x *target.ITL, condition scsi.ASC) {
	if !slices.Contains(parameters, condition) {
		return
	}
	g := nx.guest
	g.events.add(g.features, event{of: x.Unit(), Event: iu.Event{
		Kind: iu.EventParamChange, Address: iu.EventAddress(nx.number, x.LUN), Reason: iu.ParamChange(condition),
	}})
	g.portal.node.wake()
}
