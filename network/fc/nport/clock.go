package nport

import "time"

// grain is how much may be done at once: the clock does not look for what is due more often.
const grain = 10 * time.Millisecond

// wakeUp lets the clock look now: something is due, or due earlier than what it knows of, or has to be flushed.
func (p *Port) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// clock is the goroutine that looks at what waits. It ends when the port is closed, which waits for it.
func (p *Port) clock() {
	defer close(p.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-p.wake:
		case <-timer.C:
		}
		var next time.Duration
		p.turn.take(func() { next = p.pass(p.now()) })
		p.Flush()
		timer.Stop()
		if next > 0 {
			timer.Reset(max(next-p.now(), grain))
		}
	}
}

// pass does all that is due, and says when it has to come again; 0: when it is woken. It is called by who has the turn.
func (p *Port) pass(now time.Duration) (next time.Duration) {
	next = p.tables.rested(now)
	for {
		x, then := p.tables.forgettable(now, p.tables.keep)
		if x == nil {
			next = sooner(next, then)
			break
		}
		p.config.Upper.Forgotten(x)
	}
	next = sooner(next, p.patience(now))
	next = sooner(next, p.abortsDue(now))
	next = sooner(next, p.pieces.expire(now))
	if p.up && !p.closing {
		next = sooner(next, p.register(now))
		for _, o := range p.peers {
			next = sooner(next, p.drive(o, now))
			next = sooner(next, p.verify(o, now))
		}
	}
	p.verdicts()
	return next
}

// A bucket lets things happen so often and no more: one each interval on the average, and most at once.
type bucket struct {
	most     int
	interval time.Duration
	full     time.Duration // when it is full again
}

// take says whether it may happen now.
func (b *bucket) take(now time.Duration) bool {
	if b.full > now+time.Duration(b.most-1)*b.interval {
		return false
	}
	b.full = max(b.full, now) + b.interval
	return true
}
