package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// A result is what became of a command.
type result struct {
	status       byte // SCSI
	host, driver uint16
	sense        []byte
	residual     int
}

// header is struct sg_io_hdr of <scsi/sg.h>.
type header struct {
	interfaceID    int32
	direction      int32
	cdbLen         uint8
	senseLen       uint8
	iovecCount     uint16
	dataLen        uint32
	data           unsafe.Pointer
	cdb            unsafe.Pointer
	sense          unsafe.Pointer
	timeout        uint32 // milliseconds
	flags          uint32
	packID         int32
	_              uintptr
	status         uint8
	maskedStatus   uint8
	messageStatus  uint8
	senseWritten   uint8
	hostStatus     uint16
	driverStatus   uint16
	residual       int32
	duration, info uint32
}

const (
	sgIO       = 0x2285
	noData     = -1
	toDevice   = -2
	fromDevice = -3
	senseRoom  = 252
)

// command gives one to the device, with data one way at most.
func command(device *os.File, cdb, out, in []byte) (result, error) {
	sense := make([]byte, senseRoom)
	h := header{
		interfaceID: 'S', direction: noData, timeout: 20000,
		cdbLen: uint8(len(cdb)), cdb: unsafe.Pointer(&cdb[0]), senseLen: senseRoom, sense: unsafe.Pointer(&sense[0]),
	}
	switch {
	case len(out) > 0:
		h.direction, h.dataLen, h.data = toDevice, uint32(len(out)), unsafe.Pointer(&out[0])
	case len(in) > 0:
		h.direction, h.dataLen, h.data = fromDevice, uint32(len(in)), unsafe.Pointer(&in[0])
	}
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, device.Fd(), sgIO, uintptr(unsafe.Pointer(&h)))
	runtime.KeepAlive(out)
	runtime.KeepAlive(in)
	if errno != 0 {
		return result{}, fmt.Errorf("SG_IO: %w", errno)
	}
	return result{
		status: h.status, host: h.hostStatus, driver: h.driverStatus, sense: sense[:h.senseWritten], residual: int(h.residual),
	}, nil
}
