package passthrough

import (
	"slices"

	"github.com/lunette-io/lunette/initiator/sg"
)

// A link is one time that the device was opened. When it is lost, or the unit is closed, it is closed as soon as the last command of it has
// ended; a device that has come back is another link.
type link struct {
	dev    sg.Device
	info   sg.Info
	idle   chan struct{} // closed when it is lost, and nothing of it is under way
	closed chan struct{} // closed when the device is

	// The queue's mu guards these.
	underWay  int // commands that the device has
	abandoned int // of these, those whose tasks are aborted
	lost      bool
	look      bool // when nothing is under way, somebody wants to know whether it is there still
}

// newLink returns a link, and the goroutine that closes it.
func (p *path) newLink(dev sg.Device) *link {
	l := &link{dev: dev, info: dev.Info(), idle: make(chan struct{}), closed: make(chan struct{})}
	p.queue.opened(l)
	go func() {
		defer close(l.closed)
		defer p.queue.gaveBack(l)
		<-l.idle
		if err := dev.Close(); err != nil {
			p.log.Warn("the device could not be closed", "node", l.info.Node, "error", err)
		}
	}()
	return l
}

// opened notes that l is to be closed, gaveBack that it is.
func (q *queue) opened(l *link) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = append(q.open, l)
}

func (q *queue) gaveBack(l *link) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = slices.DeleteFunc(q.open, func(o *link) bool { return o == l })
}

// current is the link that commands take; nil: the device is gone.
func (q *queue) current() *link {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.link
}

// quiet is current, but nil if the device has a command: then who ends the last one is told to look.
func (q *queue) quiet() *link {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.link == nil {
		return nil
	}
	if q.link.underWay > 0 {
		q.link.look = true
		return nil
	}
	return q.link
}

// connect lets commands take l from now on, depth at a time. It reports false if nobody may any more.
func (q *queue) connect(l *link, depth int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shut {
		return false
	}
	q.link, q.depth = l, max(depth, 1)
	return true
}

// close lets no link be taken any more. It returns those that are not closed yet: the one that was taken until now, and those of a device that has gone.
func (q *queue) close() []*link {
	q.mu.Lock()
	l := q.link
	q.shut = true
	all := slices.Clone(q.open)
	q.mu.Unlock()
	q.lose(l)
	return all
}

// lose lets nobody take l any more. It reports whether commands took it until now.
func (q *queue) lose(l *link) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l == nil || l.lost {
		return false
	}
	l.lost = true
	if l.underWay == 0 {
		close(l.idle)
	}
	if q.link != l {
		return false
	}
	q.link = nil
	return true
}

// borrow lets a command that does not come by the queue take l, or reports false if that is lost.
func (q *queue) borrow(l *link, c *command) bool {
	if !q.keep(l) {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	c.state, c.link = begun, l
	return true
}

// keep lets l not be closed until leaveAlone was called, or reports false if it is lost.
func (q *queue) keep(l *link) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !l.lost {
		l.underWay++
	}
	return !l.lost
}

// leaveAlone ends what keep has begun. It reports whether to look for the device.
func (q *queue) leaveAlone(l *link) (look bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.leaveLink(l, false)
}

// leaveLink notes that one of the commands of l has ended. It reports whether to look for the device now, which was put off because of them. q.mu is held.
func (q *queue) leaveLink(l *link, abandoned bool) (look bool) {
	l.underWay--
	if abandoned {
		l.abandoned--
	}
	if l.underWay > 0 {
		return false
	}
	if l.lost {
		close(l.idle)
		return false
	}
	look, l.look = l.look, false
	return look
}
