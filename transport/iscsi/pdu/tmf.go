package pdu

import "fmt"

// TMFFunction is a task management function (RFC 7143 section 11.5.1, RFC 7144
// section 4.3).
type TMFFunction uint8

// Task management functions. Those from TMFQueryTask on need
// iSCSIProtocolLevel 2.
const (
	TMFAbortTask       TMFFunction = 1
	TMFAbortTaskSet    TMFFunction = 2
	TMFClearACA        TMFFunction = 3
	TMFClearTaskSet    TMFFunction = 4
	TMFLUNReset        TMFFunction = 5
	TMFTargetWarmReset TMFFunction = 6
	TMFTargetColdReset TMFFunction = 7
	TMFTaskReassign    TMFFunction = 8
	TMFQueryTask       TMFFunction = 9
	TMFQueryTaskSet    TMFFunction = 10
	TMFNexusReset      TMFFunction = 11
	TMFQueryAsyncEvent TMFFunction = 12
)

var tmfNames = [...]string{
	TMFAbortTask: "ABORT TASK", TMFAbortTaskSet: "ABORT TASK SET", TMFClearACA: "CLEAR ACA",
	TMFClearTaskSet: "CLEAR TASK SET", TMFLUNReset: "LOGICAL UNIT RESET",
	TMFTargetWarmReset: "TARGET WARM RESET", TMFTargetColdReset: "TARGET COLD RESET",
	TMFTaskReassign: "TASK REASSIGN", TMFQueryTask: "QUERY TASK", TMFQueryTaskSet: "QUERY TASK SET",
	TMFNexusReset: "I_T NEXUS RESET", TMFQueryAsyncEvent: "QUERY ASYNCHRONOUS EVENT",
}

// String is the function in the standard's words.
func (f TMFFunction) String() string {
	if f > 0 && int(f) < len(tmfNames) {
		return tmfNames[f]
	}
	return fmt.Sprintf("function %d", uint8(f))
}

// HasLUN reports whether the function works on one logical unit, so that the
// LUN field of its request counts.
func (f TMFFunction) HasLUN() bool {
	switch f {
	case TMFTargetWarmReset, TMFTargetColdReset, TMFTaskReassign, TMFNexusReset:
		return false
	}
	return true
}

// TMFResponseCode answers a task management function (RFC 7143 section 11.6.1).
type TMFResponseCode uint8

// Answers to a task management function.
const (
	TMFComplete             TMFResponseCode = 0
	TMFNoTask               TMFResponseCode = 1 // task does not exist
	TMFNoLUN                TMFResponseCode = 2 // LUN does not exist
	TMFStillAllegiant       TMFResponseCode = 3
	TMFNoReassign           TMFResponseCode = 4 // task allegiance reassignment not supported
	TMFNotSupported         TMFResponseCode = 5
	TMFAuthorizationFailed  TMFResponseCode = 6
	TMFSucceeded            TMFResponseCode = 7 // function succeeded: the answer to a query, RFC 7144 section 4.4
	TMFRejected             TMFResponseCode = 255
	tmfFirstReservedOutcome                 = TMFSucceeded + 1
)

// String is the answer in the standard's words.
func (r TMFResponseCode) String() string {
	switch r {
	case TMFComplete:
		return "function complete"
	case TMFNoTask:
		return "task does not exist"
	case TMFNoLUN:
		return "LUN does not exist"
	case TMFStillAllegiant:
		return "task still allegiant"
	case TMFNoReassign:
		return "task allegiance reassignment not supported"
	case TMFNotSupported:
		return "task management function not supported"
	case TMFAuthorizationFailed:
		return "function authorization failed"
	case TMFSucceeded:
		return "function succeeded"
	case TMFRejected:
		return "function rejected"
	}
	return fmt.Sprintf("response %d", uint8(r))
}

// TMFRequest is a Task Management Function Request PDU (RFC 7143 section 11.5).
type TMFRequest struct {
	Immediate         bool
	Function          TMFFunction // an unknown one is answered with TMFNotSupported, not with a Reject
	LUN               uint64
	ITT               uint32
	ReferencedTaskTag uint32 // NoTag where the function names no task
	RefCmdSN          uint32 // CmdSN of the task to abort
	ExpDataSN         uint32 // for TASK REASSIGN
}

// ParseTMFRequest reads a Task Management Function Request. The value is filled
// even if there is an error.
func ParseTMFRequest(h *BHS) (TMFRequest, error) {
	x := TMFRequest{
		Immediate:         h.Immediate(),
		Function:          TMFFunction(h[1] & 0x7f),
		LUN:               h.LUN(),
		ITT:               h.ITT(),
		ReferencedTaskTag: h.u32(20),
		RefCmdSN:          h.u32(32),
		ExpDataSN:         h.u32(36),
	}
	switch {
	case h.Opcode() != OpTMFRequest:
		return x, h.check(OpTMFRequest)
	case x.ITT == NoTag:
		return x, invalid(OpTMFRequest, "the Initiator Task Tag is the reserved value")
	case h.TotalAHSLength() > 0 || h.DataSegmentLength() > 0:
		return x, violation(OpTMFRequest, "additional headers or data where none may be")
	}
	return x, nil
}

// Put fills h.
func (x TMFRequest) Put(h *BHS) {
	h.reset(OpTMFRequest, x.Immediate, bitFinal|byte(x.Function&0x7f))
	h.putLUN(x.LUN)
	h.putU32(16, x.ITT)
	h.putU32(20, x.ReferencedTaskTag)
	h.putU32(32, x.RefCmdSN)
	h.putU32(36, x.ExpDataSN)
}

// TMFResponse is a Task Management Function Response PDU (RFC 7143 section 11.6).
type TMFResponse struct {
	Response TMFResponseCode
	// AdditionalInfo is the Additional Response Information of a query, 3 bytes,
	// first byte highest (RFC 7144 section 4.4).
	AdditionalInfo uint32
	ITT            uint32
}

// ParseTMFResponse reads a Task Management Function Response. The value is
// filled even if there is an error.
func ParseTMFResponse(h *BHS) (TMFResponse, error) {
	x := TMFResponse{
		Response:       TMFResponseCode(h[2]),
		AdditionalInfo: uint32(h[8])<<16 | uint32(h[9])<<8 | uint32(h[10]),
		ITT:            h.ITT(),
	}
	switch {
	case h.Opcode() != OpTMFResponse:
		return x, h.check(OpTMFResponse)
	case x.Response >= tmfFirstReservedOutcome && x.Response != TMFRejected:
		return x, invalid(OpTMFResponse, "the response is a reserved value")
	}
	return x, nil
}

// Put fills h.
func (x TMFResponse) Put(h *BHS) {
	h.reset(OpTMFResponse, false, bitFinal)
	h[2] = byte(x.Response)
	h[8], h[9], h[10] = byte(x.AdditionalInfo>>16), byte(x.AdditionalInfo>>8), byte(x.AdditionalInfo)
	h.putU32(16, x.ITT)
}
