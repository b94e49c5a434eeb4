package frontend

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/vhost/message"
)

// A Device is a device of virtio whose back-end is behind a socket: its connection, the memory that its driver has, its queues. Its methods are called one at a time.
type Device struct {
	*Conn  // another one after Reconnect
	Memory *Memory

	path     string
	cfg      Config
	offered  uint64 // features of virtio
	agreed   uint64
	protocol uint64 // features of the protocol that were agreed on
	queues   []*Queue
	area     inflight
}

// Dial connects to the back-end at path, agrees on features, and hands the memory over. Nothing runs yet.
func Dial(ctx context.Context, path string, cfg Config) (*Device, error) {
	cfg.defaults()
	d := &Device{path: path, cfg: cfg, area: inflight{fd: -1}}
	var err error
	if d.Memory, err = NewMemory(cfg.Memory...); err != nil {
		return nil, err
	}
	if err := d.connect(ctx); err != nil {
		return nil, errors.Join(err, d.Memory.Close())
	}
	return d, nil
}

// connect makes a connection, up to where queues can be started.
func (d *Device) connect(ctx context.Context) error {
	c, err := Connect(ctx, d.path, d.cfg.Patience)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	defer stop()
	d.Conn = c
	err = d.negotiate()
	if err == nil {
		err = d.share()
	}
	if err != nil {
		return errors.Join(err, context.Cause(ctx), c.Close())
	}
	return nil
}

// negotiate agrees on features. Whoever comes back wants those that it had.
func (d *Device) negotiate() (err error) {
	if d.offered, err = d.Number(message.GetFeatures); err != nil {
		return err
	}
	d.protocol = 0
	if d.offered&message.FeatureProtocol != 0 {
		all, err := d.Number(message.GetProtocolFeatures)
		if err != nil {
			return err
		}
		d.protocol = all & protocol &^ d.cfg.WithoutProtocol
		if err := d.Send(message.SetProtocolFeatures, message.AppendNumber(nil, d.protocol)); err != nil {
			return err
		}
		d.Acks(d.protocol&message.ProtocolReplyAck != 0)
	}
	if err := d.Order(message.SetOwner, nil); err != nil {
		return err
	}
	agreed := d.offered&(d.cfg.Features|Version1|message.FeatureProtocol) | d.cfg.Forced
	if d.agreed != 0 && d.agreed != agreed {
		return fmt.Errorf("vhost: the back-end has come back with features %#x, not %#x", agreed, d.agreed)
	}
	d.agreed = agreed
	return d.Order(message.SetFeatures, message.AppendNumber(nil, d.agreed))
}

// Features are those of virtio that were agreed on.
func (d *Device) Features() uint64 { return d.agreed &^ message.FeatureProtocol }

// Protocol are the features of the protocol that were agreed on.
func (d *Device) Protocol() uint64 { return d.protocol }

// MaxQueues is how many queues the back-end has; 0: it cannot say.
func (d *Device) MaxQueues() (int, error) {
	if d.protocol&message.ProtocolMQ == 0 {
		return 0, nil
	}
	n, err := d.Number(message.GetQueueNum)
	return int(n), err
}

// share hands all memory over.
func (d *Device) share() error {
	if d.cfg.Table || d.protocol&message.ProtocolConfigureMemSlots == 0 {
		return d.ShareTable()
	}
	slots, err := d.Number(message.GetMaxMemSlots)
	if err != nil {
		return err
	}
	if uint64(len(d.Memory.Regions)) > slots {
		return fmt.Errorf("vhost: %d regions of memory, and the back-end has room for %d", len(d.Memory.Regions), slots)
	}
	for i := range d.Memory.Regions {
		if err := d.AddRegion(i); err != nil {
			return err
		}
	}
	return nil
}

// ShareTable hands all memory over by SET_MEM_TABLE, in place of what the back-end has.
func (d *Device) ShareTable() error {
	var all []message.Region
	var fds []int
	for _, r := range d.Memory.Regions {
		all = append(all, r.wire())
		fds = append(fds, r.FD)
	}
	return d.Order(message.SetMemTable, message.AppendMemTable(nil, all), fds...)
}

// AddRegion hands region i over.
func (d *Device) AddRegion(i int) error {
	r := d.Memory.Regions[i]
	return d.Order(message.AddMemReg, message.AppendMemReg(nil, r.wire()), r.FD)
}

// RemoveRegion has the back-end forget region i.
func (d *Device) RemoveRegion(i int) error {
	return d.Order(message.RemMemReg, message.AppendMemReg(nil, d.Memory.Regions[i].wire()))
}

// ReadConfig reads n bytes of the configuration space at off.
func (d *Device) ReadConfig(off uint32, n int) ([]byte, error) {
	if d.protocol&message.ProtocolConfig == 0 {
		return nil, errors.New("vhost: the back-end does not show the configuration space")
	}
	a, err := d.Ask(message.GetConfig, message.Config{Offset: off, Bytes: make([]byte, n)}.Append(nil))
	if err != nil {
		return nil, err
	}
	a.Descriptors.Close()
	if len(a.Payload) == 0 {
		return nil, &RefusedError{message.GetConfig, 0}
	}
	c, err := message.ParseConfig(message.GetConfig, a.Payload)
	if err == nil && len(c.Bytes) != n {
		err = message.Errorf(message.GetConfig, "%d bytes instead of %d", len(c.Bytes), n)
	}
	return c.Bytes, err
}

// WriteConfig writes into the configuration space at off.
func (d *Device) WriteConfig(off uint32, b []byte) error {
	return d.Order(message.SetConfig, message.Config{Offset: off, Bytes: b}.Append(nil))
}

// Start starts queues: all that do not run if none is named. The first time a driver's life begins with it.
func (d *Device) Start(queues ...*Queue) error {
	if len(queues) == 0 {
		queues = d.queues
	}
	if err := d.setInflight(); err != nil {
		return err
	}
	for _, q := range queues {
		if q.on {
			continue
		}
		if err := q.start(); err != nil {
			return err
		}
	}
	return nil
}

// Stop stops queues: all that run if none is named. It returns when the device has given everything of theirs back, which may still have to be taken by Get.
func (d *Device) Stop(queues ...*Queue) error {
	if len(queues) == 0 {
		queues = d.queues
	}
	for _, q := range queues {
		if q.on {
			if err := errors.Join(q.enable(false), q.stop()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Reset resets the device: it forgets its queues and everything that was in them. The queues here are as new, and stopped.
func (d *Device) Reset() error {
	if err := d.Stop(); err != nil {
		return err
	}
	if d.protocol&message.ProtocolResetDevice != 0 {
		if err := d.Order(message.ResetDevice, nil); err != nil {
			return err
		}
	}
	d.area.clear()
	// The features are agreed on again, as the next driver does.
	if err := d.Order(message.SetFeatures, message.AppendNumber(nil, d.agreed)); err != nil {
		return err
	}
	for _, q := range d.queues {
		if err := q.renew(); err != nil {
			return err
		}
	}
	return nil
}

// Reconnect comes back to a back-end: memory, rings, in-flight area and descriptors are what they were, and the queues that ran run again. It fails if there is nobody at the socket, and may be called again
// then.
func (d *Device) Reconnect(ctx context.Context) error {
	_ = d.Conn.Close() // it has ended, or is to end
	if err := d.connect(ctx); err != nil {
		return err
	}
	again := []*Queue(nil)
	for _, q := range d.queues {
		if q.on {
			q.guess()
			q.on = false
			again = append(again, q)
		}
	}
	if len(again) == 0 {
		return nil
	}
	err := d.Start(again...)
	if err != nil {
		for _, q := range again {
			q.on = true // the next one will
		}
		return errors.Join(err, d.Conn.Close())
	}
	for _, q := range again {
		q.Kick() // who knows what the other has seen
		q.Wake()
	}
	return nil
}

// Close ends the connection, and gives queues and memory back. The queues are not stopped: see Stop.
func (d *Device) Close() error {
	errs := []error{d.Conn.Close()}
	for _, q := range d.queues {
		errs = append(errs, q.Close())
	}
	if d.area.fd >= 0 {
		errs = append(errs, unix.Close(d.area.fd))
		d.area.fd = -1
	}
	return errors.Join(append(errs, d.Memory.Close())...)
}
