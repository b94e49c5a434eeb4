package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/virtio"
	"github.com/lunette-io/lunette/scsi"
)

// VHostLogin says what a [VHost] attaches to.
type VHostLogin struct {
	Rings
	Units  []VHostUnit // in their order
	Queues int         // and so clients
	Depth  int         // commands that each of these keeps outstanding at most
	Memory int64       // bytes of the buffers of all clients
}

// A VHostUnit is where a logical unit is behind a socket.
type VHostUnit struct {
	Target uint8
	LUN    scsi.LUN
}

// A VHost is a driver of virtio's SCSI host: one attachment to a socket, which takes no other meanwhile, with a [Client] for each request queue.
type VHost struct {
	conn    *initiator.Conn
	path    string
	places  []VHostUnit
	units   []Unit
	clients []*vhostClient
}

// A vhostClient is a request queue, which its worker serves itself.
type vhostClient struct {
	host  *VHost
	queue *initiator.Queue
	done  []*Job
}

// A vhostCommand is what a job has at a vhostClient.
type vhostCommand struct {
	initiator.Command
	cdb [16]byte
}

// DialVHost attaches, ends the unit attentions of all units and asks for their sizes. The caller closes it, when no worker is at work any more.
func DialVHost(ctx context.Context, l VHostLogin) (*VHost, error) {
	ctx, cancel := context.WithTimeout(ctx, setUp)
	defer cancel()
	conn, err := initiator.Dial(ctx, l.Path, initiator.Config{
		Queues: l.Queues, Depth: l.Depth, Packed: l.Packed, Direct: l.Direct, Flags: l.Simple, Poll: l.Poll, Manual: true, Buffers: l.Memory + 1<<20,
	})
	if err != nil {
		return nil, err
	}
	v := &VHost{conn: conn, path: l.Path, places: l.Units}
	stop := context.AfterFunc(ctx, conn.Abandon)
	defer stop()
	for _, q := range conn.Queues() {
		v.clients = append(v.clients, &vhostClient{host: v, queue: q})
	}
	for _, x := range l.Units {
		u, err := look(func(cdb, in []byte) (int, error) { return v.do(x, cdb, in) })
		if err != nil {
			conn.Abandon()
			return nil, errors.Join(fmt.Errorf("target %d, LUN %v: %w", x.Target, x.LUN, err), conn.Close())
		}
		v.units = append(v.units, u)
	}
	return v, nil
}

// Units are the units of the login, in their order.
func (v *VHost) Units() []Unit { return v.units }

// Clients are as many as there are queues. Closing one of them breaks the attachment off, which Close ends.
func (v *VHost) Clients() []Client {
	var all []Client
	for _, c := range v.clients {
		all = append(all, c)
	}
	return all
}

// Wakes are how often the two sides have woken each other so far.
func (v *VHost) Wakes() Wakes {
	s := v.conn.Stats()
	return Wakes{Kicks: float64(s.Kicks), Calls: float64(s.Calls), Waits: float64(s.Waits)}
}

// Close ends the attachment, and takes back the memory that workers have.
func (v *VHost) Close() error { return v.conn.Close() }

// do executes one command; a status that is not GOOD is an error.
func (v *VHost) do(x VHostUnit, cdb, in []byte) (int, error) {
	k := &initiator.Command{Target: x.Target, LUN: x.LUN, CDB: cdb, In: in}
	if err := v.conn.Do(k); err != nil {
		return 0, err
	}
	return k.Received, vhostStatus(k)
}

func vhostStatus(k *initiator.Command) error {
	switch {
	case k.Status == scsi.CheckCondition && len(k.SenseData) > 0:
		return k.Sense
	case k.Status != scsi.Good:
		return errors.New(k.Status.String())
	}
	return nil
}

// Buffer is memory that is shared with the device, for a worker. It is there, as a guest's is that has been used: what making pages costs is not a command's.
func (c *vhostClient) Buffer(n int) ([]byte, error) {
	b, err := c.host.conn.Buffer(n)
	clear(b)
	return b, err
}

// Submit implements [Client].
func (c *vhostClient) Submit(j *Job) error {
	k, ok := j.Link.(*vhostCommand)
	if !ok {
		k = &vhostCommand{}
		k.User = j
		j.Link = k
	}
	x := &c.host.places[j.Unit]
	k.Target, k.LUN, k.In, k.Out, k.ID = x.Target, x.LUN, j.Buf, nil, 0
	if j.Write {
		k.In, k.Out = nil, j.Buf
	}
	k.CDB = j.cdb(k.cdb[:0], c.host.units[j.Unit].Block)
	return c.queue.Submit(&k.Command)
}

// Wait implements [Client].
func (c *vhostClient) Wait(limit time.Duration) ([]*Job, error) {
	all, err := c.queue.Wait(min(limit, 100*time.Millisecond))
	c.done = c.done[:0]
	for _, k := range all {
		j := k.User.(*Job)
		switch j.Err = k.Err; {
		case k.Err != nil:
		case k.Status != scsi.Good:
			j.Err = vhostStatus(k)
		case k.Residual != 0:
			j.Err = errors.New("GOOD with a part of the data only")
		}
		c.done = append(c.done, j)
	}
	return c.done, err
}

// Close implements [Client].
func (c *vhostClient) Close() error {
	c.host.conn.Abandon()
	return nil
}

// Address is what the target knows the attachment by: the socket, which takes no other.
func (v *VHost) Address() string { return v.path }
