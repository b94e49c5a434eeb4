package iu

import "encoding/binary"

// NotificationLen is the length of a request about asynchronous notifications.
const NotificationLen = 16

// A Notification is a request about the asynchronous notifications of a logical unit (virtio 1.3, 5.6.6.2, struct virtio_scsi_ctrl_an), in the control queue: which of them there are, or that they
// are wanted.
type Notification struct {
	Subscribe bool // ControlSubscribe, else ControlQuery
	Address   Address
	Events    uint32 // those of the media class that are asked for, as bits
}

// ParseNotification reads a request about asynchronous notifications, of whatever type.
func ParseNotification(b []byte) (x Notification, err error) {
	if len(b) < NotificationLen {
		return x, ErrShort
	}
	return Notification{binary.LittleEndian.Uint32(b) == ControlSubscribe, Address(b[4:]), binary.LittleEndian.Uint32(b[12:])}, nil
}

// Append appends the request.
func (x *Notification) Append(dst []byte) []byte {
	kind := uint32(ControlQuery)
	if x.Subscribe {
		kind = ControlSubscribe
	}
	dst = binary.LittleEndian.AppendUint32(dst, kind)
	dst = append(dst, x.Address[:]...)
	return binary.LittleEndian.AppendUint32(dst, x.Events)
}
