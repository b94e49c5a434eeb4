package virtio

import (
	"bytes"
	"errors"

	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// How many queues of requests there may be: as many as a front-end can set up beside the two others, and as many as there are if the portal does not say.
const (
	maxQueues     = 256 - iu.QueueRequests
	defaultQueues = 128
)

// What a front-end that asks is told of requests: Linux's driver sends no longer ones than that.
const (
	maxSegments = 126   // with a request and a response they fit in a table of 128
	maxSectors  = 65535 // of 512 bytes
	perUnit     = 128
)

// Features implements [vhost.Backend].
func (p *Portal) Features() (offered uint64, refused map[uint64]string) {
	return iu.FeatureHotplug | iu.FeatureChange, map[uint64]string{
		iu.FeatureInOut: "commands with data both ways (VIRTIO_SCSI_F_INOUT) are not served",
		iu.FeatureT10PI: "protection information (VIRTIO_SCSI_F_T10_PI) is not served: leave out t10_pi=on of QEMU's vhost-user-scsi device",
	}
}

// Queues implements [vhost.Backend].
func (p *Portal) Queues() int {
	p.node.mu.Lock()
	defer p.node.mu.Unlock()
	if p.options.Queues > 0 {
		return p.options.Queues + iu.QueueRequests
	}
	return defaultQueues + iu.QueueRequests
}

// Idle implements [vhost.Idle]: events are told when there are some.
func (p *Portal) Idle(queue int) bool { return queue == iu.QueueEvent }

// config is the configuration space now.
func (p *Portal) config() []byte {
	p.node.mu.Lock()
	defer p.node.mu.Unlock()
	c := iu.Config{
		Queues: uint32(max(1, p.options.Queues)), Segments: maxSegments, Sectors: maxSectors, PerUnit: perUnit,
		EventSize: iu.EventLen, SenseSize: iu.SenseLen, CDBSize: iu.CDBLen,
		MaxTarget: uint16(p.highest()), MaxLUN: iu.MaxLUN,
	}
	return c.Append(nil)
}

// ReadConfig implements [vhost.Backend].
func (p *Portal) ReadConfig(b []byte, off uint32) {
	clear(b)
	if c := p.config(); int64(off) < int64(len(c)) {
		copy(b, c[off:])
	}
}

var errConfig = errors.New("virtio: a driver may write the sizes of sense data and of CDBs alone, and these are 96 and 32 here")

// WriteConfig implements [vhost.Backend]: what a driver may write has one value.
func (p *Portal) WriteConfig(b []byte, off uint32) error {
	end := int64(off) + int64(len(b))
	if c := p.config(); off < iu.SenseSizeAt || end > iu.CDBSizeAt+4 || !bytes.Equal(b, c[off:end]) {
		return errConfig
	}
	return nil
}

// Attach implements [vhost.Backend]: a driver is there, and sees the targets that are shown and let it in.
func (p *Portal) Attach(d *vhost.Driver) vhost.Handler {
	g := newGuest(p, d)
	n := p.node
	n.mu.Lock()
	g.initiator = p.options.Initiator
	p.guest = g
	p.crowded = false
	for _, s := range p.shown {
		if s.target.lets(g.initiator) {
			g.login(s, false) // it looks by itself
		}
	}
	n.mu.Unlock()
	n.log.Debug("a guest's driver has come", "socket", p.path, "initiator", g.initiator)
	return g
}
