// Package virtio is the SCSI transport of virtio's SCSI host device (virtio 1.3, 5.6): targets and logical units for the guests of virtual machines, whose requests come by the queues of package vhost. Each
// socket is one SCSI host with up to 256 targets.
package virtio
