package sgtest

import (
	"slices"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
)

// A Fault is what happens to commands that match. Without Executed the device does not do them, unless there is only a Gate, Short, Residual or Edit.
type Fault struct {
	// Match says which commands; nil: all. See [Op].
	Match func(cdb []byte) bool
	// Skip lets so many of them pass before; Times is how many have the fault, 0: all.
	Skip, Times int

	// Gate holds the command until it is let go: before it is executed, or with Late after it, when only the answer is missing.
	Gate *Gate
	Late bool

	// Executed has the device do the command, though what is said of it below is something else.
	Executed bool
	// Err, Host and Driver are those of the result. With Err nothing is ever executed.
	Err    error
	Host   sg.HostStatus
	Driver uint8
	// Status is the device's answer, with Sense, or with Raw as it is.
	Status scsi.Status
	Sense  scsi.Sense
	Raw    []byte
	// Short is how many bytes fewer are moved than would have been; the residual says so.
	Short int64
	// Residual turns the right residual into a wrong one.
	Residual func(right int64) int64
	// Unplug has the device go while it does the command, which ends with [sg.HostNoConnect].
	Unplug bool
	// Edit has the last word on the result, and on data-in. It is called with a lock held, and calls nothing of the device.
	Edit func(c *sg.Command)
}

// Op matches commands by operation code.
func Op(ops ...scsi.Opcode) func([]byte) bool {
	return func(c []byte) bool { return len(c) > 0 && slices.Contains(ops, scsi.Opcode(c[0])) }
}

// Fault sets f, behind those that are set: the first one that matches a command is the one that it has. remove takes it away.
func (d *Device) Fault(f Fault) (remove func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, &f)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.faults = slices.DeleteFunc(d.faults, func(o *Fault) bool { return o == &f })
	}
}

// match is the fault of a command, or nil. d.mu is held.
func (d *Device) match(cdb []byte) *Fault {
	for i, f := range d.faults {
		if f.Match != nil && !f.Match(cdb) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				d.faults = slices.Delete(d.faults, i, i+1)
			}
		}
		return f
	}
	return nil
}

// answers reports that f has an answer in the place of the device's.
func (f *Fault) answers() bool {
	return f.Err != nil || f.Host != sg.HostOK || f.Status != scsi.Good || f.Driver != 0
}

// apply makes the result of c what f says; moved is how much was. d.mu of the device is held by the caller.
func (f *Fault) apply(c *sg.Command, moved int64) {
	moved = max(moved-f.Short, 0)
	c.Result.Residual = int64(len(c.Data.Mem)) - moved
	if f.answers() {
		c.Result.Err, c.Result.Host, c.Result.Driver, c.Result.Status, c.Result.Sense = f.Err, f.Host, f.Driver, f.Status, 0
		switch {
		case len(f.Raw) > 0:
			c.Result.Sense = copy(c.Sense[:], f.Raw)
		case f.Status == scsi.CheckCondition:
			c.Result.Sense = len(f.Sense.AppendFixed(c.Sense[:0]))
		}
	}
	if f.Residual != nil {
		c.Result.Residual = f.Residual(c.Result.Residual)
	}
	if f.Edit != nil {
		f.Edit(c)
	}
}

// A Gate holds commands of a [Fault] until it is opened, or lets some of them go.
type Gate struct {
	d    *Device
	open bool // guarded by d.mu, as is held
	held []end
}

// NewGate returns a gate that is shut.
func (d *Device) NewGate() *Gate {
	g := &Gate{d: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gates = append(d.gates, g)
	return g
}

// Hold sets a fault that holds commands at a gate of their own before they are executed; nil matches all.
func (d *Device) Hold(match func([]byte) bool) *Gate {
	g := d.NewGate()
	d.Fault(Fault{Match: match, Gate: g})
	return g
}

// Open lets go what is held, in order, and all that come later.
func (g *Gate) Open() {
	g.d.mu.Lock()
	g.open = true
	ended := g.let(len(g.held))
	g.d.mu.Unlock()
	deliver(ended)
}

// Shut holds commands again.
func (g *Gate) Shut() {
	g.d.mu.Lock()
	defer g.d.mu.Unlock()
	g.open = false
}

// Let lets the first n go that are held, or as many as there are, and returns how many.
func (g *Gate) Let(n int) int {
	g.d.mu.Lock()
	n = min(n, len(g.held))
	ended := g.let(n)
	g.d.mu.Unlock()
	deliver(ended)
	return n
}

// Wait waits until at least n commands are held.
func (g *Gate) Wait(n int) {
	g.d.mu.Lock()
	defer g.d.mu.Unlock()
	for len(g.held) < n {
		g.d.changed.Wait()
	}
}

// Held is how many commands are held.
func (g *Gate) Held() int {
	g.d.mu.Lock()
	defer g.d.mu.Unlock()
	return len(g.held)
}

// let executes the first n that are held, and returns them. g.d.mu is held.
func (g *Gate) let(n int) (ended ends) {
	d := g.d
	all := g.held[:n:n]
	g.held = slices.Clone(g.held[n:])
	for _, e := range all {
		j := d.underWay[e.c]
		d.checkLent(e.c, j, "while it was under way")
		if !j.late {
			d.execute(e.c, j.fault)
		}
		j.done = true
		d.lend(e.c, j)
		ended.add(e.h, e.c)
	}
	return ended
}

// hold holds c at g. h.d.mu is held.
func (h *Handle) hold(c *sg.Command, j *journey, g *Gate) {
	j.gate = g
	j.sum = sum(c)
	g.held = append(g.held, end{h, c})
	h.d.changed.Broadcast()
}

// endHeld ends all commands that are held with what the host says. d.mu is held.
func (d *Device) endHeld(host sg.HostStatus) (ended ends) {
	for _, g := range d.gates {
		for _, e := range g.held {
			j := d.underWay[e.c]
			d.checkLent(e.c, j, "while it was under way")
			e.c.Result = sg.Result{Host: host, Residual: int64(len(e.c.Data.Mem))}
			j.done = true
			d.lend(e.c, j)
			ended.add(e.h, e.c)
		}
		g.held = nil
	}
	return ended
}
