package daemon

import (
	"context"
	"errors"
	"maps"
	"sync"
)

// openers is how many units are opened at a time: most of it is waiting for what is to be durable.
const openers = 16

// An opened is a unit that was opened before its turn came, or the reason why it could not be.
type opened struct {
	at     places
	device *device
	err    error
}

// openAhead opens the units that come, several at a time, if no device goes from which they could take over
// anything: then each of them is by itself. Where each of them is was found out one after the other, so that
// no two are at one place. Daemon.changing is held.
func (p *unitPlan) openAhead(ctx context.Context) {
	if len(p.moves()) > 0 {
		return
	}
	ctx, failed := context.WithCancelCause(ctx)
	defer failed(nil)
	jobs := make(chan *unitJob)
	var work sync.WaitGroup
	for range openers {
		work.Go(func() {
			for j := range jobs {
				a := j.ahead
				if a.err = context.Cause(ctx); a.err != nil {
					continue
				}
				if a.err = p.note(a.at); a.err == nil {
					a.device, a.err = p.c.open(ctx, *j.spec, nil)
				}
				if a.err != nil && !p.mayFail(j.spec) {
					failed(errOther) // the others need not be opened
				}
			}
		})
	}
	var all []*opened
	for _, j := range p.jobs {
		if j.old != nil || ctx.Err() != nil {
			continue
		}
		j.ahead = &opened{}
		all = append(all, j.ahead)
		if j.ahead.at, j.ahead.err = p.places(j); j.ahead.err == nil {
			jobs <- j
		}
	}
	close(jobs)
	work.Wait()
	for _, a := range all {
		if a.device != nil {
			p.x.undo.add(a.device.abandon)
		}
	}
	for _, j := range p.jobs { // the reason is that of the one that failed
		if j.ahead != nil && errors.Is(j.ahead.err, errOther) {
			j.ahead = nil
			maps.DeleteFunc(p.fresh, func(_, unit string) bool { return unit == j.spec.Name }) // it is looked for again
		}
	}
}

// errOther is why a unit was not opened: another cannot be.
var errOther = errors.New("another unit cannot be opened")
