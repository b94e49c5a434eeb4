package vhost

import (
	"fmt"
	"maps"
	"slices"

	"github.com/lunette-io/lunette/network/vhost/message"
)

// Features of rings (virtio 1.3, 6).
const (
	featureIndirect       uint64 = 1 << 28 // VIRTIO_F_INDIRECT_DESC
	featureEventIndex     uint64 = 1 << 29 // VIRTIO_F_EVENT_IDX
	featureVersion1       uint64 = 1 << 32 // VIRTIO_F_VERSION_1
	featureAccessPlatform uint64 = 1 << 33 // VIRTIO_F_ACCESS_PLATFORM
	featurePacked         uint64 = 1 << 34 // VIRTIO_F_RING_PACKED
	featureInOrder        uint64 = 1 << 35 // VIRTIO_F_IN_ORDER
)

const (
	ringFeatures     = message.FeatureProtocol | featureIndirect | featureEventIndex | featureVersion1 | featurePacked
	protocolFeatures = message.ProtocolMQ | message.ProtocolReplyAck | message.ProtocolConfig | message.ProtocolInflightShmfd | message.ProtocolResetDevice | message.ProtocolConfigureMemSlots
)

// refusedFeatures are those that change what a ring or an address means, so that nothing would work with them, each with what the user is told to do. Front-ends let their users switch on what was not
// offered. What is neither here nor refused by the back-end changes nothing for us, and is let through.
func refusedFeatures() map[uint64]string {
	return map[uint64]string{
		message.FeatureLogAll: "VHOST_F_LOG_ALL: what is written is not logged for a migration: the guest cannot be migrated live",
		featureAccessPlatform: "VIRTIO_F_ACCESS_PLATFORM: addresses are not translated: switch it off at the device (QEMU: iommu_platform=off)",
		featureInOrder:        "VIRTIO_F_IN_ORDER: requests end in any order: switch it off at the device (QEMU: in_order=off)",
	}
}

// checkFeatures refuses features with which the device cannot work.
func (c *connection) checkFeatures(features uint64) error {
	if features&featureVersion1 == 0 {
		return message.Errorf(message.SetFeatures, "VIRTIO_F_VERSION_1 is missing in %#x: the guest's driver is of before virtio 1.0, or the front-end makes it so (QEMU: disable-modern=off, disable-legacy=on)", features)
	}
	_, refused := c.backend.Features()
	for _, all := range []map[uint64]string{refusedFeatures(), refused} {
		for _, bit := range slices.Sorted(maps.Keys(all)) {
			if features&bit != 0 {
				return message.Errorf(message.SetFeatures, "%s", all[bit])
			}
		}
	}
	return nil
}

// setFeatures agrees on features. c.mu is held.
func (c *connection) setFeatures(features uint64) error {
	if err := c.checkFeatures(features); err != nil {
		return err
	}
	if features != c.features && c.life != nil {
		for _, r := range c.rings {
			if r.queue.Load() != nil {
				return message.Errorf(message.SetFeatures, "%#x instead of %#x while queue %d runs", features, c.features, r.index)
			}
		}
		// The driver that there was has gone without a reset that we were told of.
		c.endLife(nil)
	}
	if !c.agreed || features != c.features {
		c.socket.agreed.Info(c.log, "features are agreed on", "features", fmt.Sprintf("%#x", features))
	}
	c.agreed = true
	c.setShown(features, c.protocol)
	// Without VHOST_USER_F_PROTOCOL_FEATURES rings are enabled from the beginning.
	return c.settle(nil)
}

// setShown has features and protocol features that were agreed. c.mu is held.
func (c *connection) setShown(features, protocol uint64) {
	c.show.Lock()
	c.features, c.protocol = features, protocol
	c.show.Unlock()
}
