// Package iu has the structures of virtio's SCSI host (virtio 1.3, 5.6): bytes in, values out, and back. One a file.
package iu
