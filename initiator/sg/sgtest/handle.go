package sgtest

import (
	"fmt"
	"hash/maphash"
	"sync"
	"syscall"

	"github.com/lunette-io/lunette/initiator/sg"
)

// A Handle is a device, open. It is an [sg.Device].
type Handle struct {
	d    *Device
	life int

	mu       sync.Mutex
	waiting  sync.Cond
	first    *sg.Command // those whose Done is to be called, by Link
	last     *sg.Command
	closed   bool
	underWay int
	ended    chan struct{}
}

var _ sg.Device = (*Handle)(nil)

// Open opens the device; if it is not plugged in the error is [sg.ErrGone].
func (d *Device) Open() (*Handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.attached {
		return nil, sg.ErrGone
	}
	h := &Handle{d: d, life: d.life}
	h.waiting.L = &h.mu
	d.handles++
	if !d.cfg.Inline {
		h.ended = make(chan struct{})
		go h.run()
	}
	return h, nil
}

// Info is that of [Config].
func (h *Handle) Info() sg.Info { return h.d.cfg.Info }

// Reset is a logical unit reset; see [Device.OnReset].
func (h *Handle) Reset() error {
	h.d.mu.Lock()
	f, gone := h.d.onReset, h.gone()
	h.d.mu.Unlock()
	if gone {
		return sg.ErrGone
	}
	if f != nil {
		if err := f(); err != nil {
			return err
		}
	}
	h.d.reset()
	return nil
}

// gone reports that the device that was opened is not there any more. h.d.mu is held by the caller.
func (h *Handle) gone() bool { return !h.d.attached || h.life != h.d.life }

// Close gives the device back. Commands under way are wrong of the caller, and told by [Device.Wrong].
func (h *Handle) Close() error {
	h.mu.Lock()
	twice, under := h.closed, h.underWay
	h.closed = true
	h.waiting.Broadcast()
	h.mu.Unlock()
	h.d.mu.Lock()
	switch {
	case twice:
		h.d.complain("closed twice")
	case under > 0:
		h.d.complain("closed with %d commands under way", under)
	}
	if !twice {
		h.d.handles--
	}
	h.d.mu.Unlock()
	if h.ended != nil {
		<-h.ended
	}
	return nil
}

// run calls Done for those that have ended, in order, until the handle is closed.
func (h *Handle) run() {
	defer close(h.ended)
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		c := h.first
		switch {
		case c != nil:
			if h.first = c.Link; h.first == nil {
				h.last = nil
			}
			h.mu.Unlock()
			h.finish(c)
			h.mu.Lock()
		case h.closed:
			return
		default:
			h.waiting.Wait()
		}
	}
}

// Submit has the device do c.
func (h *Handle) Submit(c *sg.Command) {
	c.Result, c.Link = sg.Result{}, nil
	h.mu.Lock()
	h.underWay++
	closed := h.closed
	h.mu.Unlock()
	h.d.mu.Lock()
	if closed {
		h.d.complain("%s after Close", show(c.CDB))
	}
	ended := h.submit(c)
	h.d.mu.Unlock()
	deliver(ended)
}

// end is a command that has its result.
type end struct {
	h *Handle
	c *sg.Command
}

// deliver has Done called for those that have ended. The caller holds no lock.
func deliver(all ends) {
	for _, e := range all.some[:all.n] {
		e.h.deliver(e.c)
	}
	for _, e := range all.more {
		e.h.deliver(e.c)
	}
}

// ends are some commands that have their results: one without an allocation.
type ends struct {
	some [1]end
	n    int
	more []end
}

func (e *ends) add(h *Handle, c *sg.Command) {
	if e.n == 0 {
		e.some[0], e.n = end{h, c}, 1
		return
	}
	e.more = append(e.more, end{h, c})
}

func (h *Handle) deliver(c *sg.Command) {
	if h.ended == nil {
		h.finish(c)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c.Link = nil
	if h.last == nil {
		h.first = c
	} else {
		h.last.Link = c
	}
	h.last = c
	h.waiting.Signal()
}

// finish calls Done. The caller holds no lock.
func (h *Handle) finish(c *sg.Command) {
	d := h.d
	d.mu.Lock()
	if j := d.underWay[c]; j != nil {
		d.checkLent(c, j, "after it was executed")
		if j.entry >= 0 {
			d.log[j.entry].Result, d.log[j.entry].Ended = c.Result, true
		}
		delete(d.underWay, c)
		*j = journey{}
		d.spare = append(d.spare, j)
	}
	d.changed.Broadcast()
	d.mu.Unlock()
	h.mu.Lock()
	h.underWay--
	h.mu.Unlock()
	c.Link = nil
	c.Done(c)
}

// submit is Submit, and returns what has ended by it. h.d.mu is held.
func (h *Handle) submit(c *sg.Command) (ended ends) {
	d := h.d
	if d.underWay[c] != nil {
		d.complain("%s was submitted while it was under way", show(c.CDB))
	}
	switch {
	case h.gone():
		c.Result.Err = sg.ErrGone
	case len(c.CDB) == 0 || len(c.CDB) > sg.MaxCDB:
		c.Result.Err = fmt.Errorf("a CDB of %d bytes: %w", len(c.CDB), syscall.EINVAL)
	case c.Direction > sg.Out:
		c.Result.Err = fmt.Errorf("direction %d: %w", c.Direction, syscall.EINVAL)
	}
	if c.Result.Err != nil {
		ended.add(h, c)
		return ended
	}
	j := d.begin(c)
	j.fault = d.match(c.CDB)
	switch f := j.fault; {
	case f != nil && f.Unplug:
		return h.unplug(c, j)
	case f != nil && f.Gate != nil && !f.Gate.open && !f.Late:
		h.hold(c, j, f.Gate)
		return ended
	}
	d.execute(c, j.fault)
	if f := j.fault; f != nil && f.Gate != nil && !f.Gate.open {
		j.late = true
		h.hold(c, j, f.Gate)
		return ended
	}
	j.done = true
	d.lend(c, j)
	ended.add(h, c)
	return ended
}

// unplug has the device go while it does c. h.d.mu is held.
func (h *Handle) unplug(c *sg.Command, j *journey) ends {
	d := h.d
	if j.fault.Executed {
		d.execute(c, j.fault)
	}
	d.attached = false
	ended := d.endHeld(sg.HostNoConnect)
	c.Result = sg.Result{Host: sg.HostNoConnect, Residual: int64(len(c.Data.Mem))}
	j.done = true
	ended.add(h, c)
	d.tell()
	return ended
}

// begin makes c one that is under way. d.mu is held.
func (d *Device) begin(c *sg.Command) *journey {
	var j *journey
	if n := len(d.spare); n > 0 {
		j, d.spare = d.spare[n-1], d.spare[:n-1]
	} else {
		j = new(journey)
	}
	j.entry = -1
	if !d.cfg.Quiet {
		j.entry = len(d.log)
		d.log = append(d.log, entryOf(c))
	}
	d.underWay[c] = j
	d.most = max(d.most, len(d.underWay))
	d.changed.Broadcast()
	return j
}

var seed = maphash.MakeSeed()

// lend notes what the command lends: its data, and its CDB. d.mu is held.
func (d *Device) lend(c *sg.Command, j *journey) {
	if !d.cfg.Quiet && !d.cfg.Inline {
		j.sum = sum(c)
	}
}

// checkLent complains if what the command lends has changed. d.mu is held.
func (d *Device) checkLent(c *sg.Command, j *journey, when string) {
	if j.sum != 0 && j.sum != sum(c) {
		d.complain("%s: the CDB or the data changed %s, and before Done", show(c.CDB), when)
	}
	j.sum = 0
}

func sum(c *sg.Command) uint64 {
	return (maphash.Bytes(seed, c.CDB) ^ maphash.Bytes(seed, c.Data.Mem)<<1) | 1
}
