// Package message is the messages of vhost-user (QEMU's docs/interop/vhost-user.rst): with them a front-end, which has the guest, sets up a device whose rings a back-end serves. Each payload is a file of
// its own: bytes in, values out, and back. A [Stream] carries messages with their descriptors over a Unix socket.
//
// Numbers are in the byte order of the host, which both ends are on.
package message

import (
	"encoding/binary"
	"fmt"
)

// Limits of a message. Real front-ends stay far below them.
const (
	MaxPayload     = 4096 // bytes after the header
	MaxDescriptors = 32   // that come with it
)

// Bits that the protocol itself has among the features of a device.
const (
	// FeatureLogAll (VHOST_F_LOG_ALL): the back-end marks what it writes in a bitmap, for a migration.
	FeatureLogAll uint64 = 1 << 26
	// FeatureProtocol (VHOST_USER_F_PROTOCOL_FEATURES): protocol features are agreed on, and rings are enabled one by one.
	FeatureProtocol uint64 = 1 << 30
)

// Protocol features (VHOST_USER_PROTOCOL_F_…).
const (
	ProtocolMQ                  uint64 = 1 << 0  // GET_QUEUE_NUM
	ProtocolLogShmfd            uint64 = 1 << 1  // SET_LOG_BASE has a descriptor
	ProtocolReplyAck            uint64 = 1 << 3  // FlagNeedReply
	ProtocolBackendReq          uint64 = 1 << 5  // SET_BACKEND_REQ_FD
	ProtocolConfig              uint64 = 1 << 9  // GET_CONFIG, SET_CONFIG
	ProtocolInflightShmfd       uint64 = 1 << 12 // GET_INFLIGHT_FD, SET_INFLIGHT_FD
	ProtocolResetDevice         uint64 = 1 << 13 // RESET_DEVICE
	ProtocolInbandNotifications uint64 = 1 << 14 // VRING_KICK
	ProtocolConfigureMemSlots   uint64 = 1 << 15 // GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG
	ProtocolStatus              uint64 = 1 << 16 // SET_STATUS, GET_STATUS
)

// An Error says what is wrong with a message.
type Error struct {
	Request Request
	Detail  string
}

func (e *Error) Error() string { return e.Request.String() + ": " + e.Detail }

// Errorf makes an error of a message of the type r.
func Errorf(r Request, format string, args ...any) error {
	return &Error{r, fmt.Sprintf(format, args...)}
}

// length refuses a payload that has not n bytes.
func length(r Request, b []byte, n int) error {
	if len(b) != n {
		return Errorf(r, "the payload has %d bytes, not %d", len(b), n)
	}
	return nil
}

func u16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

func put16(b []byte, v uint16) []byte { return binary.NativeEndian.AppendUint16(b, v) }
func put32(b []byte, v uint32) []byte { return binary.NativeEndian.AppendUint32(b, v) }
func put64(b []byte, v uint64) []byte { return binary.NativeEndian.AppendUint64(b, v) }
