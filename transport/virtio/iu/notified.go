package iu

import "encoding/binary"

// NotifiedLen is the length of the answer to a Notification.
const NotifiedLen = 5

// A Notified is the answer to a Notification.
type Notified struct {
	Events uint32 // those that there are, or that will come
	Code   Code
}

// ParseNotified reads an answer to a Notification.
func ParseNotified(b []byte) (x Notified, err error) {
	if len(b) < NotifiedLen {
		return x, ErrShort
	}
	return Notified{binary.LittleEndian.Uint32(b), Code(b[4])}, nil
}

// Append appends the answer.
func (x Notified) Append(dst []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, x.Events), byte(x.Code))
}
