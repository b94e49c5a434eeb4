package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/fcp"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/scsi"
)

// FCPLogin says what an [FCP] client logs in to.
type FCPLogin struct {
	Network fc.Network // whose the ports are
	Node    fc.Name    // of the initiator
	Port    fc.Name
	Target  fc.Name    // the target's port
	LUNs    []scsi.LUN // the units, in their order
}

// An FCP is a [Client] that is an I_T nexus of Fibre Channel, with an initiator port of its own.
type FCP struct {
	port  *initiator.Port
	conn  *initiator.Conn
	units []Unit
	luns  []scsi.LUN
	given []*Job

	mu    sync.Mutex
	done  []*Job
	ended bool
	ready chan struct{} // something is in done, or it has ended
}

// An fcpCommand is what a job has at an FCP.
type fcpCommand struct {
	initiator.Command
	cdb [16]byte
}

// DialFCP logs in, ends the unit attentions of all units and asks for their sizes.
func DialFCP(ctx context.Context, l FCPLogin) (*FCP, error) {
	ctx, cancel := context.WithTimeout(ctx, setUp)
	defer cancel()
	p, err := initiator.Open(l.Network, initiator.Config{Node: l.Node, Port: l.Port})
	if err != nil {
		return nil, err
	}
	c := &FCP{port: p, luns: l.LUNs, ready: make(chan struct{}, 1)}
	if c.conn, err = p.Dial(ctx, l.Target); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	for _, lun := range l.LUNs {
		u, err := look(func(cdb, in []byte) (int, error) { return c.do(lun, cdb, in) })
		if err != nil {
			_ = p.Close()
			return nil, fmt.Errorf("LUN %v: %w", lun, err)
		}
		c.units = append(c.units, u)
	}
	return c, nil
}

// Units are the units of the login, in their order.
func (c *FCP) Units() []Unit { return c.units }

// Stats is what the port's link has done.
func (c *FCP) Stats() fc.Stats { return c.port.Stats() }

// do executes one command; a status that is not GOOD is an error.
func (c *FCP) do(lun scsi.LUN, cdb, in []byte) (int, error) {
	k := &initiator.Command{LUN: lun, CDB: cdb, In: in}
	if err := c.conn.Do(k); err != nil {
		return 0, err
	}
	return k.Received, fcpStatus(k)
}

func fcpStatus(k *initiator.Command) error {
	switch {
	case k.Status == scsi.CheckCondition && len(k.SenseData) > 0:
		return k.Sense
	case k.Status != scsi.Good:
		return errors.New(k.Status.String())
	}
	return nil
}

// Submit implements [Client].
func (c *FCP) Submit(j *Job) error {
	k, ok := j.Link.(*fcpCommand)
	if !ok {
		k = &fcpCommand{}
		k.User, k.Ended = j, c.take
		j.Link = k
	}
	k.LUN, k.In, k.Out = c.luns[j.Unit], j.Buf, nil
	if j.Write {
		k.In, k.Out = nil, j.Buf
	}
	k.CDB = j.cdb(k.cdb[:0], c.units[j.Unit].Block)
	return c.conn.Queue(&k.Command)
}

// take has a command that has ended.
func (c *FCP) take(k *initiator.Command) {
	j := k.User.(*Job)
	switch j.Err = k.Err; {
	case k.Err != nil:
	case k.Status != scsi.Good:
		j.Err = fcpStatus(k)
	case k.Residual != 0 || k.Received != len(k.In):
		j.Err = errors.New("GOOD with a part of the data only")
	}
	c.mu.Lock()
	c.done = append(c.done, j)
	c.ended = c.ended || errors.Is(k.Err, initiator.ErrClosed)
	c.mu.Unlock()
	c.wake()
}

func (c *FCP) wake() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// Wait implements [Client].
func (c *FCP) Wait(limit time.Duration) ([]*Job, error) {
	c.conn.Flush()
	var over <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(min(limit, 100*time.Millisecond))
		defer t.Stop()
		over = t.C
	}
	for {
		c.mu.Lock()
		c.given, c.done = c.done, c.given[:0]
		ended := c.ended
		c.mu.Unlock()
		if ended {
			return nil, fmt.Errorf("%w: %w", initiator.ErrClosed, c.conn.Err())
		}
		if len(c.given) > 0 {
			return c.given, nil
		}
		select {
		case <-c.ready:
		case <-over:
			return nil, nil
		case <-c.conn.Gone():
			return nil, c.conn.Err()
		}
	}
}

// Close logs out, and takes the initiator's port out of the network.
func (c *FCP) Close() error { return c.port.Close() }
