package sim

import (
	"container/heap"
	"net/netip"
	"time"
)

// A datagram is on its way.
type datagram struct {
	from, to netip.AddrPort
	host     *Host // that has sent it
	data     []byte
	id       uint16
	capable  bool // marked ECT(0)
	marked   bool // marked CE

	at time.Time // when it arrives
	n  int       // and in which order, at that time
}

// transit is what is on its way, the first to arrive first: a heap.
type transit []*datagram

func (t transit) Len() int { return len(t) }
func (t transit) Less(i, j int) bool {
	return t[i].at.Before(t[j].at) || t[i].at.Equal(t[j].at) && t[i].n < t[j].n
}
func (t transit) Swap(i, j int) { t[i], t[j] = t[j], t[i] }

// Push is for the heap.
func (t *transit) Push(x any) { *t = append(*t, x.(*datagram)) }

// Pop is for the heap.
func (t *transit) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	return x
}

// carry lets a datagram leave, as the faults have it. n.mu is held.
func (n *Network) carry(d *datagram) {
	fate := Fate{}
	if n.faults != nil {
		fate = n.faults(Event{N: n.datagrams, Local: d.from, Remote: d.to, ID: d.id, Data: d.data})
	}
	n.datagrams++
	d.n = n.datagrams
	to, _ := n.find(d.to.Addr())
	if fate.Drop || n.closed || to == nil {
		return
	}
	d.marked = fate.Mark && d.capable
	delay, lost := time.Duration(0), false
	if to != d.host {
		delay, lost = n.squeeze(link{d.host, to}, d)
	}
	if lost {
		return
	}
	if fate.Damage > 0 {
		damage(d.data, fate.Damage, fate.Seed)
	}
	if delay += fate.Delay; delay > 0 {
		d.at = time.Now().Add(delay)
		heap.Push(&n.way, d)
		if fate.Double {
			heap.Push(&n.way, d)
		}
		n.arm()
		return
	}
	n.arrive(d)
	if fate.Double {
		n.arrive(d)
	}
}

// squeeze puts a datagram through the bottleneck: how long that takes, or that there is no room. n.mu is held.
func (n *Network) squeeze(l link, d *datagram) (delay time.Duration, lost bool) {
	b := &n.narrow
	if b.Rate <= 0 {
		return b.Latency, false
	}
	q := n.links[l]
	if q == nil {
		q = new(queue)
		n.links[l] = q
	}
	now := time.Now()
	if q.busy.Before(now) {
		q.busy = now
	}
	size := len(d.data) + headers(d.to.Addr())
	waiting := int(q.busy.Sub(now).Seconds() * float64(b.Rate))
	if b.Queue > 0 && waiting+size > b.Queue {
		return 0, true
	}
	if b.MarkAt > 0 && waiting >= b.MarkAt && d.capable {
		d.marked = true
	}
	q.busy = q.busy.Add(time.Duration(float64(size) / float64(b.Rate) * float64(time.Second)))
	return q.busy.Sub(now) + b.Latency, false
}

// arm sets the timer to what arrives next. n.mu is held.
func (n *Network) arm() {
	if len(n.way) == 0 || n.closed {
		return
	}
	if n.timer != nil {
		n.timer.Stop()
	}
	n.timer = time.AfterFunc(time.Until(n.way[0].at), n.due)
}

// due lets arrive what is due.
func (n *Network) due() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for now := time.Now(); len(n.way) > 0 && !n.way[0].at.After(now); {
		n.arrive(heap.Pop(&n.way).(*datagram))
	}
	n.arm()
}

// arrive gives a datagram to the socket that it is for. n.mu is held.
func (n *Network) arrive(d *datagram) {
	to, _ := n.find(d.to.Addr())
	if to == nil {
		return
	}
	if _, cut := n.cuts[link{d.host, to}]; cut {
		return
	}
	for _, s := range to.sockets {
		if a := s.local.Addr(); s.local.Port() == d.to.Port() && (a == d.to.Addr() || a.IsUnspecified() && a.Is4() == d.to.Addr().Is4()) {
			s.take(d, d.marked)
			return
		}
	}
}
