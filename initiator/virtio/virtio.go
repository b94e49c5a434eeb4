// Package virtio is the driver of a virtio SCSI host, over package frontend: an initiator in this process that asks units of lunette, or of any other back-end of vhost-user, without a virtual machine.
package virtio
