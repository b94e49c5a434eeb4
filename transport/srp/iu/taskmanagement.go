package iu

import (
	"encoding/binary"
	"fmt"
)

// TaskManagementLen is the length of an SRP_TSK_MGMT IU.
const TaskManagementLen = 48

// A Function is a task management function (SRP 6.7).
type Function uint8

// Functions.
const (
	AbortTask        Function = 0x01
	AbortTaskSet     Function = 0x02
	ClearTaskSet     Function = 0x04
	LogicalUnitReset Function = 0x08
	ClearACA         Function = 0x40
)

// String is the function in the standard's words.
func (f Function) String() string {
	switch f {
	case AbortTask:
		return "ABORT TASK"
	case AbortTaskSet:
		return "ABORT TASK SET"
	case ClearTaskSet:
		return "CLEAR TASK SET"
	case LogicalUnitReset:
		return "LOGICAL UNIT RESET"
	case ClearACA:
		return "CLEAR ACA"
	}
	return fmt.Sprintf("function %02xh", uint8(f))
}

// A TaskManagement is an SRP_TSK_MGMT IU (SRP 6.7).
type TaskManagement struct {
	Notify   Notify
	Tag      uint64
	LUN      uint64
	Function Function
	Managed  uint64 // the tag of the task
}

// ParseTaskManagement reads an SRP_TSK_MGMT.
func ParseTaskManagement(b []byte) (x TaskManagement, err error) {
	if err := check(b, OpTaskManagement, TaskManagementLen); err != nil {
		return x, err
	}
	x.Notify = Notify(b[1]) & (NotifySuccess | NotifyFailure)
	x.Tag = binary.BigEndian.Uint64(b[8:])
	x.LUN = binary.BigEndian.Uint64(b[20:])
	x.Function = Function(b[30])
	x.Managed = binary.BigEndian.Uint64(b[32:])
	return x, nil
}

// Append appends the IU.
func (x TaskManagement) Append(dst []byte) []byte {
	dst = zeros(append(dst, byte(OpTaskManagement), byte(x.Notify)), 6)
	dst = binary.BigEndian.AppendUint64(dst, x.Tag)
	dst = zeros(dst, 4)
	dst = binary.BigEndian.AppendUint64(dst, x.LUN)
	dst = append(dst, 0, 0, byte(x.Function), 0)
	dst = binary.BigEndian.AppendUint64(dst, x.Managed)
	return zeros(dst, 8)
}
