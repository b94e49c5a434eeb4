package iu

import "encoding/binary"

// Types of requests in the control queue (virtio 1.3, 5.6.6.2).
const (
	ControlManagement = 0 // a Management
	ControlQuery      = 1 // a Notification: which there are
	ControlSubscribe  = 2 // a Notification: which are wanted
)

// ControlLen is how many bytes of each request in the control queue say what it is.
const ControlLen = 4

// ParseControl reads the type of a request in the control queue.
func ParseControl(b []byte) (uint32, error) {
	if len(b) < ControlLen {
		return 0, ErrShort
	}
	return binary.LittleEndian.Uint32(b), nil
}
