package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// header4 is struct sg_io_v4 of <linux/bsg.h>.
type header4 struct {
	guard                               int32
	protocol, subprotocol               uint32
	requestLen                          uint32
	request                             uint64
	requestTag                          uint64
	requestAttr, priority, requestExtra uint32
	responseRoom                        uint32
	response                            uint64
	outVectors, outLen                  uint32
	inVectors, inLen                    uint32
	outData, inData                     uint64
	timeout                             uint32 // milliseconds
	flags                               uint32
	user                                uint64
	_                                   uint32
	driverStatus, hostStatus, status    uint32
	retryDelay, info, duration          uint32
	responseLen                         uint32
	inResidual, outResidual             int32
	tag                                 uint64
	_, _                                uint32
}

// bsgCommand is [command] for a device in /dev/bsg.
func bsgCommand(device *os.File, cdb, out, in []byte) (result, error) {
	sense := make([]byte, senseRoom)
	var pin runtime.Pinner
	defer pin.Unpin()
	at := func(b []byte) uint64 {
		if len(b) == 0 {
			return 0
		}
		pin.Pin(&b[0])
		return uint64(uintptr(unsafe.Pointer(&b[0])))
	}
	h := header4{
		guard: 'Q', timeout: 60000, requestLen: uint32(len(cdb)), request: at(cdb), responseRoom: senseRoom, response: at(sense),
		outLen: uint32(len(out)), outData: at(out), inLen: uint32(len(in)), inData: at(in),
	}
	if len(out) > 0 {
		h.inLen, h.inData = 0, 0
	}
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, device.Fd(), sgIO, uintptr(unsafe.Pointer(&h)))
	if errno != 0 {
		return result{}, fmt.Errorf("SG_IO: %w", errno)
	}
	// The driver's status says only that there is sense, or what the host's says as well.
	return result{
		status: byte(h.status), host: uint16(h.hostStatus), sense: sense[:min(h.responseLen, senseRoom)], residual: int(h.inResidual + h.outResidual),
	}, nil
}
