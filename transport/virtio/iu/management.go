package iu

import (
	"encoding/binary"
	"fmt"
)

// Lengths of a task management request, and of its response, which is a Code.
const (
	ManagementLen         = 24
	ManagementResponseLen = 1
)

// A Function is a task management function (virtio 1.3, 5.6.6.2).
type Function uint32

// Task management functions.
const (
	AbortTask Function = iota
	AbortTaskSet
	ClearACA
	ClearTaskSet
	NexusReset // I_T NEXUS RESET
	UnitReset  // LOGICAL UNIT RESET
	QueryTask
	QueryTaskSet
)

var functions = [...]string{
	"ABORT TASK", "ABORT TASK SET", "CLEAR ACA", "CLEAR TASK SET", "I_T NEXUS RESET", "LOGICAL UNIT RESET", "QUERY TASK", "QUERY TASK SET",
}

// String is the name of the function.
func (f Function) String() string {
	if int64(f) < int64(len(functions)) {
		return functions[f]
	}
	return fmt.Sprintf("task management function %d", uint32(f))
}

// A Management is a task management request (virtio 1.3, 5.6.6.2, struct virtio_scsi_ctrl_tmf), in the control queue with the type ControlManagement.
type Management struct {
	Function Function
	Address  Address
	ID       uint64 // of the request that it is about
}

// ParseManagement reads a task management request, of whatever type.
func ParseManagement(b []byte) (x Management, err error) {
	if len(b) < ManagementLen {
		return x, ErrShort
	}
	return Management{Function(binary.LittleEndian.Uint32(b[4:])), Address(b[8:]), binary.LittleEndian.Uint64(b[16:])}, nil
}

// Append appends the request.
func (x *Management) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, ControlManagement)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(x.Function))
	dst = append(dst, x.Address[:]...)
	return binary.LittleEndian.AppendUint64(dst, x.ID)
}
