package message

import "strconv"

// A Request is the type of a message. A reply has that of what it answers.
type Request uint32

// Requests of a front-end that a back-end of this package's users answers.
const (
	GetFeatures         Request = 1  // VHOST_USER_GET_FEATURES
	SetFeatures         Request = 2  // VHOST_USER_SET_FEATURES
	SetOwner            Request = 3  // VHOST_USER_SET_OWNER
	ResetOwner          Request = 4  // VHOST_USER_RESET_OWNER: deprecated
	SetMemTable         Request = 5  // VHOST_USER_SET_MEM_TABLE
	SetVringNum         Request = 8  // VHOST_USER_SET_VRING_NUM
	SetVringAddr        Request = 9  // VHOST_USER_SET_VRING_ADDR
	SetVringBase        Request = 10 // VHOST_USER_SET_VRING_BASE
	GetVringBase        Request = 11 // VHOST_USER_GET_VRING_BASE
	SetVringKick        Request = 12 // VHOST_USER_SET_VRING_KICK
	SetVringCall        Request = 13 // VHOST_USER_SET_VRING_CALL
	SetVringErr         Request = 14 // VHOST_USER_SET_VRING_ERR
	GetProtocolFeatures Request = 15 // VHOST_USER_GET_PROTOCOL_FEATURES
	SetProtocolFeatures Request = 16 // VHOST_USER_SET_PROTOCOL_FEATURES
	GetQueueNum         Request = 17 // VHOST_USER_GET_QUEUE_NUM
	SetVringEnable      Request = 18 // VHOST_USER_SET_VRING_ENABLE
	GetConfig           Request = 24 // VHOST_USER_GET_CONFIG
	SetConfig           Request = 25 // VHOST_USER_SET_CONFIG
	GetInflightFD       Request = 31 // VHOST_USER_GET_INFLIGHT_FD
	SetInflightFD       Request = 32 // VHOST_USER_SET_INFLIGHT_FD
	ResetDevice         Request = 34 // VHOST_USER_RESET_DEVICE
	GetMaxMemSlots      Request = 36 // VHOST_USER_GET_MAX_MEM_SLOTS
	AddMemReg           Request = 37 // VHOST_USER_ADD_MEM_REG
	RemMemReg           Request = 38 // VHOST_USER_REM_MEM_REG
)

// String is the name in the protocol.
func (r Request) String() string {
	switch r {
	case GetFeatures:
		return "GET_FEATURES"
	case SetFeatures:
		return "SET_FEATURES"
	case SetOwner:
		return "SET_OWNER"
	case ResetOwner:
		return "RESET_OWNER"
	case SetMemTable:
		return "SET_MEM_TABLE"
	case SetVringNum:
		return "SET_VRING_NUM"
	case SetVringAddr:
		return "SET_VRING_ADDR"
	case SetVringBase:
		return "SET_VRING_BASE"
	case GetVringBase:
		return "GET_VRING_BASE"
	case SetVringKick:
		return "SET_VRING_KICK"
	case SetVringCall:
		return "SET_VRING_CALL"
	case SetVringErr:
		return "SET_VRING_ERR"
	case GetProtocolFeatures:
		return "GET_PROTOCOL_FEATURES"
	case SetProtocolFeatures:
		return "SET_PROTOCOL_FEATURES"
	case GetQueueNum:
		return "GET_QUEUE_NUM"
	case SetVringEnable:
		return "SET_VRING_ENABLE"
	case GetConfig:
		return "GET_CONFIG"
	case SetConfig:
		return "SET_CONFIG"
	case GetInflightFD:
		return "GET_INFLIGHT_FD"
	case SetInflightFD:
		return "SET_INFLIGHT_FD"
	case ResetDevice:
		return "RESET_DEVICE"
	case GetMaxMemSlots:
		return "GET_MAX_MEM_SLOTS"
	case AddMemReg:
		return "ADD_MEM_REG"
	case RemMemReg:
		return "REM_MEM_REG"
	}
	return "message " + strconv.Itoa(int(r))
}
