package sim

import (
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fabric"
	"github.com/lunette-io/lunette/network/fc/internal/station"
)

// A Fabric is a network with a fabric, which package fabric is. Ports are attached to Inside, where there are no faults, or to Outside, with a
// link to the fabric each, where faults are. Inside is closed after Outside.
type Fabric struct {
	Inside  *fabric.Fabric
	Outside *Network
}

// NewFabric makes a fabric as f says; the zero Config has a name, the domain 1, and what c has. c is that of the links outside.
func NewFabric(f fabric.Config, c Config) *Fabric {
	n := With(c)
	if f.Name == 0 {
		f.Name = 0x2001_0000_00fa_b001
	}
	if f.Provider == "" {
		f.Provider, f.Address = "sim", "sim"
	}
	if f.MaxPayload == 0 {
		f.MaxPayload = n.config.MaxPayload
	}
	if f.ErrorDetect == 0 {
		f.ErrorDetect = n.config.ErrorDetect
	}
	if f.ResourceAllocation == 0 {
		f.ResourceAllocation = n.config.ResourceAllocation
	}
	if f.Receives == 0 {
		f.Receives = n.config.Receives
	}
	w := &wall{net: n, fates: make(map[*fc.Sequence]Fate)}
	w.fabric = fabric.New(f, w)
	w.Station = station.New(station.Config{Lock: &n.mu, Handler: w, Frame: w.frame, After: w.fabric.Batch, Back: func(s *fc.Sequence) { delete(w.fates, s) }, Misuse: misuse})
	n.mu.Lock()
	n.wall = w
	w.SetUp(fc.Attachment{MaxPayload: n.config.MaxPayload})
	n.mu.Unlock()
	return &Fabric{Inside: w.fabric, Outside: n}
}

// A wall is the fabric's side of the links. It implements [fabric.Outside] and is the handler of its station. Its fields are guarded by the
// network's lock.
type wall struct {
	*station.Station
	net    *Network
	fabric *fabric.Fabric
	fates  map[*fc.Sequence]Fate // of frames that have to wait
	held   []*held               // frames for the fabric that are held back
}

func (w *wall) Up(fc.Attachment)             {}
func (w *wall) Down(error)                   {}
func (w *wall) Found(fc.Neighbour)           {}
func (w *wall) Gone(fc.ID, error)            {}
func (w *wall) Sent(s *fc.Sequence, e error) { w.fabric.Sent(s, e) }

// Received brings a frame into the fabric.
func (w *wall) Received(f *fc.Frame) {
	w.net.mu.Lock()
	p := w.net.at(f.S)
	joins := 0
	if p != nil {
		joins = p.joins
	}
	w.net.mu.Unlock()
	if !w.fabric.Received(f) || p == nil {
		return
	}
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	if p.joins == joins {
		p.SetDown(fmt.Errorf("%w: sim: logged out", fc.ErrDown))
	}
}

// frame takes a frame that leaves the fabric, and does with it what its fate is. w.net.mu is held.
func (w *wall) frame(s *fc.Sequence, part *fc.Part) bool {
	to := w.net.at(part.D)
	if to == nil {
		return true
	}
	return w.net.pass(&passing{
		from: w.Station, to: to, fates: w.fates, s: s, part: part, name: to.config.Port, down: true, sent: &to.got,
	})
}

// login logs a port of a network with a fabric in. n.mu is held.
func (n *Network) login(p *port) {
	l := els.FabricLogin(els.FLOGI, p.config.Port, p.config.Node, n.config.MaxPayload)
	g, err := n.wall.fabric.Login(&l, uint64(p.config.Port))
	for _, id := range g.Ended {
		if o := n.at(id); o != nil {
			o.SetDown(fmt.Errorf("%w: sim: another port has taken its place", fc.ErrDown))
		}
	}
	if err != nil {
		n.after(time.Second, func() {
			if !p.Up() && !n.isDown(p) {
				n.login(p)
			}
		})
		return
	}
	p.id = g.ID
	p.joins++
	p.SetUp(fc.Attachment{
		ID: g.ID, Fabric: true, FabricName: g.Accept.Node, MaxPayload: min(g.Accept.ReceiveSize(), n.config.MaxPayload),
		ErrorDetect: g.Accept.ErrorDetectTime(), ResourceAllocation: g.Accept.ResourceAllocationTime(), Receives: n.config.Receives,
	})
}
