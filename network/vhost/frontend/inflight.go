package frontend

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/vhost/message"
)

// An inflight is the area in which a back-end notes which requests it has: it makes it, and the front-end keeps it, for the back-end that comes after it.
type inflight struct {
	fd      int // -1: there is none
	about   message.Inflight
	queues  int
	entries int
}

// setInflight asks for an area for all queues that there are, unless there is one, and hands it over.
func (d *Device) setInflight() error {
	if d.protocol&message.ProtocolInflightShmfd == 0 {
		return nil
	}
	queues, entries := 0, 0
	for _, q := range d.queues {
		queues, entries = max(queues, q.Index+1), max(entries, q.Place.Size)
	}
	a := &d.area
	if a.fd >= 0 && (a.queues < queues || a.entries < entries) {
		a.clear()
	}
	if a.fd < 0 {
		if err := d.getInflight(queues, entries); err != nil {
			return err
		}
	}
	return d.Order(message.SetInflightFD, a.about.Append(nil), a.fd)
}

// getInflight has the back-end make an area.
func (d *Device) getInflight(queues, entries int) error {
	ask := message.Inflight{Queues: uint16(queues), QueueSize: uint16(entries), Padded: true}
	x, err := d.Ask(message.GetInflightFD, ask.Append(nil))
	if err != nil {
		return err
	}
	defer x.Descriptors.Close()
	about, err := message.ParseInflight(message.GetInflightFD, x.Payload)
	if err != nil {
		return err
	}
	fd, ok := x.Descriptors.Take()
	if !ok {
		return errors.New("vhost: the back-end has answered GET_INFLIGHT_FD with no descriptor")
	}
	about.Padded, about.Queues, about.QueueSize = true, ask.Queues, ask.QueueSize
	d.area = inflight{fd, about, queues, entries}
	return nil
}

// clear forgets the area.
func (a *inflight) clear() {
	if a.fd >= 0 {
		_ = unix.Close(a.fd) // nothing of it was written by us
		a.fd = -1
	}
}

// Inflight is the file of the in-flight area, and what is said of it; -1: there is none.
func (d *Device) Inflight() (fd int, about message.Inflight) { return d.area.fd, d.area.about }
