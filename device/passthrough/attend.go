package passthrough

import (
	"fmt"
	"sync"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// How long the attendant waits before it looks for a device that is gone, beside what Source.Watch says: some only seem to be gone, and nothing is seen of
// their return. A device that is lost soon after it came back is not believed at once.
const (
	lookAgain     = time.Second
	lookAgainMost = 30 * time.Second
	settled       = 30 * time.Second
)

// An attendant does for a path what takes time, on a goroutine of its own, one thing after the other: it asks what has to be known of the device, and opens it when it has
// come back. Resets have a goroutine of their own (reset.go): what the attendant asks may have to wait for a command that only a reset ends.
type attendant struct {
	wake chan struct{} // has room for one: there is something in jobs
	done chan struct{} // closed when the goroutine has ended

	mu        sync.Mutex
	jobs      jobs
	why       error // the device is gone because of it
	ended     bool
	resets    []func() // who waits for the next reset
	resetting bool     // a goroutine resets the device
}

// jobs are what there is to do. While learn is set the queue is held, and once for each of resets.
type jobs struct {
	learn  bool
	told   []scsi.ASC // why: unit attentions that all initiators have been told of already
	resets []func()   // who waits for a reset of which the device tells now
	look   bool
}

// order lets add note what there is to do. It reports false if the attendant has ended.
func (a *attendant) order(add func(*jobs)) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return false
	}
	add(&a.jobs)
	select {
	case a.wake <- struct{}{}:
	default:
	}
	return true
}

// take returns what there is to do.
func (a *attendant) take() jobs {
	a.mu.Lock()
	defer a.mu.Unlock()
	j := a.jobs
	a.jobs = jobs{}
	return j
}

// attend is the attendant's goroutine. It ends with the context of p.
func (p *path) attend() {
	a := &p.desk
	defer close(a.done)
	// again is when it is looked next if nobody says that something has changed. wait is how long a device that came back is not believed when it
	// comes back once more.
	again, wait := lookAgain, time.Duration(0)
	var since time.Time // when the device came back
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-p.ctx.Done():
			a.mu.Lock()
			a.ended = true
			a.mu.Unlock()
			p.jobsEnd(a.take())
			return
		case <-a.wake:
		case <-timer.C:
			a.mu.Lock()
			a.jobs.look = true
			a.mu.Unlock()
		}
		j := a.take()
		if j.learn || len(j.resets) > 0 {
			p.learnAnew(j)
		}
		if !j.look {
			continue
		}
		p.probe()
		if p.queue.there() || p.ctx.Err() != nil {
			continue
		}
		timer.Stop()
		if !since.IsZero() && time.Since(since) >= settled {
			wait = 0
		}
		if !since.IsZero() && time.Since(since) < wait {
			timer.Reset(wait - time.Since(since))
			continue
		}
		if p.reopen() {
			since = time.Now()
			again, wait = lookAgain, min(max(lookAgain, 2*wait), lookAgainMost)
		} else {
			timer.Reset(again)
			again = min(2*again, lookAgainMost)
		}
	}
}

// jobsEnd ends the waiting of those who wait for j.
func (p *path) jobsEnd(j jobs) {
	p.resetEnds(j.resets)
	if j.learn {
		p.queue.resume()
	}
	p.advance()
}

// forget lets the device be asked anew for what was known of it, since it has reported the unit attention a, of which all initiators are told. No
// command goes to it meanwhile: a block may have another size by now.
func (p *path) forget(a scsi.ASC) {
	p.queue.hold()
	also := false
	if !p.desk.order(func(j *jobs) {
		also = j.learn
		j.learn, j.told = true, append(j.told, a)
	}) || also {
		p.queue.resume()
	}
}

// learnAnew asks the device for what has to be known of it.
func (p *path) learnAnew(j jobs) {
	if l := p.queue.current(); l != nil {
		p.learn(l, j.told)
	}
	if len(j.resets) > 0 {
		// The target tells when all tasks have ended, one of which may linger with its initiator: until then commands go again.
		p.policy.tell(scsi.ASCPowerOnResetOrBusDeviceReset, nil)
	}
	p.jobsEnd(j)
}

// lose notes that the device is gone, because of why. Its commands end as the kernel ends them; those that wait for their turn end when the next one
// is looked for.
func (p *path) lose(l *link, why error) {
	if !p.queue.lose(l) {
		return
	}
	p.desk.mu.Lock()
	p.desk.why = why
	p.desk.mu.Unlock()
	p.warn("the device is gone", "node", l.info.Node, "error", why)
	p.desk.order(func(j *jobs) { j.look = true })
}

// look is called when it may be that the device has come or gone.
func (p *path) look() { p.desk.order(func(j *jobs) { j.look = true }) }

// probe finds out whether the device, which nobody knows to be gone, is: it may have been taken out and put in again. One that has
// commands says so with the ends of those that come to it, and is looked for again when it has none.
func (p *path) probe() {
	l := p.queue.quiet()
	if l == nil {
		return
	}
	p.queue.hold() // a unit attention is lunette's then: until it is known what has changed nobody else's command goes
	r := p.ask(l, cdb.AppendTestUnitReady(nil), 0)
	if a, ok := r.attention(); ok {
		p.policy.tell(a, nil)
		p.learn(l, []scsi.ASC{a})
	}
	p.queue.resume()
	p.advance() // if it is gone, the commands that wait for it end
}

// attention is the unit attention that the device has reported.
func (r *reply) attention() (scsi.ASC, bool) {
	return r.sense.ASC, r.Executed() && r.Status == scsi.CheckCondition && r.sense.Key == scsi.KeyUnitAttention
}

// reopen opens the device, which is gone, and reports whether it has come back.
func (p *path) reopen() bool {
	dev, err := p.cfg.Source.Open(p.ctx)
	if err != nil {
		p.desk.mu.Lock()
		p.desk.why = err
		p.desk.mu.Unlock()
		return false
	}
	l := p.newLink(dev)
	before := p.policy.facts()
	f, err := p.learnFirst(l)
	if err == nil && !f.same(before) {
		err = fmt.Errorf("what has come is another device: %v %s %s, serial number %q", f.identity.Type, f.identity.Vendor, f.identity.Product, f.identity.Serial)
	}
	if err != nil {
		p.queue.lose(l)
		p.desk.mu.Lock()
		p.desk.why = err
		p.desk.mu.Unlock()
		p.warn("the device is not what it was", "node", l.info.Node, "error", err)
		return false
	}
	p.policy.learned(f)
	p.policy.event(target.LogicalUnitReset, nil) // it was without power perhaps: nobody has reserved it
	if !p.queue.connect(l, p.depth(l)) {
		p.queue.lose(l)
		return false
	}
	p.stats.returns.Add(1)
	p.log.Info("the device is back", "node", l.info.Node)
	p.advance()
	return true
}

// depth is how many commands the device gets at a time.
func (p *path) depth(l *link) int {
	if p.cfg.Depth > 0 {
		return p.cfg.Depth
	}
	return l.info.Depth
}
