package sg

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/internal/uring"
	"github.com/lunette-io/lunette/scsi"
)

// What the kernel calls things: include/uapi/linux/bsg.h, include/scsi/sg.h, include/scsi/scsi_ioctl.h. Addresses in these structures are of
// memory outside of the Go heap: that of commands' data, and that of slots.

// Ioctls.
const (
	ioctlSGIO  = 0x2285
	ioctlReset = 0x2284 // SG_SCSI_RESET
)

// Arguments of ioctlReset. Without noEscalate a logical unit that does not let itself be reset takes the target with it, then the bus, then the host.
const (
	resetDevice     = 1
	resetNoEscalate = 0x100
)

// queueAtTail is a flag of both sg_io_v4 and sg_io_hdr: commands are sent in the order in which they came. Without it each overtakes all that wait.
const queueAtTail = 0x10

// A v4 is struct sg_io_v4 of bsg.h, 160 bytes. Comments have offsets; [i] goes in, [o] comes out.
type v4 struct {
	guard                     int32  //   0 [i] 'Q'
	protocol, subprotocol     uint32 //   4 [i] 0, 0: a SCSI command
	requestLen                uint32 //  12 [i]
	request                   uint64 //  16 [i] address of the CDB
	_                         uint64 //  24 tag
	_, _, _                   uint32 //  32 attribute, priority, spare: the kernel reads none of them
	maxResponseLen            uint32 //  44 [i]
	response                  uint64 //  48 [i] address of room for sense data
	_                         uint32 //  56 iovecs for out: not supported
	doutLen                   uint32 //  60 [i]
	_                         uint32 //  64 iovecs for in: not supported
	dinLen                    uint32 //  68 [i]
	dout, din                 uint64 //  72 [i] addresses of data
	timeout                   uint32 //  88 [i] milliseconds
	flags                     uint32 //  92 [i]
	_                         uint64 //  96 user pointer
	_                         uint32 // 104 spare
	driver, transport, device uint32 // 108 [o]
	_, _, _                   uint32 // 120 retry delay, info, duration
	responseLen               uint32 // 132 [o] what the kernel has room for, filled with zeros: 96
	dinResid, doutResid       int32  // 136 [o]
	_                         uint64 // 144 generated tag
	_, _                      uint32 // 152 spare, padding
}

// encode makes h the command c with its CDB and sense data in slot i. The kernel makes no timeout shorter than 7 seconds.
func (h *v4) encode(c *Command, s *slots, i int) {
	*h = v4{
		guard: 'Q', requestLen: uint32(len(c.CDB)), request: s.put(i, c.CDB), maxResponseLen: MaxSense, response: s.senseAddress(i),
		timeout: milliseconds(c.Timeout), flags: queueAtTail,
	}
	switch n := uint32(len(c.Data.Mem)); {
	case n == 0:
	case c.Direction == In:
		h.din, h.dinLen = address(c.Data.Mem), n
	default:
		h.dout, h.doutLen = address(c.Data.Mem), n
	}
}

// decode is the result of a command with n bytes of data.
func (h *v4) decode(n int) Result {
	resid := h.dinResid
	if h.doutLen > 0 {
		resid = h.doutResid
	}
	return fold(h.device, h.transport, h.driver, h.responseLen, int64(resid), n)
}

// A v3 is struct sg_io_hdr of sg.h, 88 bytes where addresses have 8.
type v3 struct {
	interfaceID    int32   //  0 [i] 'S'
	direction      int32   //  4 [i]
	cdbLen         uint8   //  8 [i]
	maxSenseLen    uint8   //  9 [i]
	_              uint16  // 10 iovecs: none
	dataLen        uint32  // 12 [i]
	data           uintptr // 16 [i] addresses of data, CDB, room for sense data
	cdb            uintptr // 24 [i]
	sense          uintptr // 32 [i]
	timeout        uint32  // 40 [i] milliseconds
	flags          uint32  // 44 [i]
	packID         int32   // 48 [io]
	_              uintptr // 56 user pointer
	status         uint8   // 64 [o]
	_, _           uint8   // 65 masked status, message status
	senseWritten   uint8   // 67 [o]
	host, driver   uint16  // 68 [o]
	resid          int32   // 72 [o]
	duration, info uint32  // 76 [o]
}

// Directions of sg_io_hdr. There is another one, -4, with which the kernel copies our data to its buffer before the device writes there; newer kernels (7.3) refuse most of
// such commands.
const (
	v3None       = -1
	v3ToDevice   = -2
	v3FromDevice = -3
)

// encode makes h the command c, as number i, with its CDB and sense data in slot i. It does not ask for direct I/O: that takes
// /proc/scsi/sg/allow_dio, which is off, and the kernel copies all the same where it does not like an address.
func (h *v3) encode(c *Command, s *slots, i int) {
	*h = v3{
		interfaceID: 'S', direction: v3None, cdbLen: uint8(len(c.CDB)), cdb: uintptr(s.put(i, c.CDB)), maxSenseLen: MaxSense, sense: uintptr(s.senseAddress(i)),
		timeout: milliseconds(c.Timeout), flags: queueAtTail, packID: int32(i),
	}
	if len(c.Data.Mem) == 0 {
		return
	}
	h.data, h.dataLen = uintptr(address(c.Data.Mem)), uint32(len(c.Data.Mem))
	h.direction = v3ToDevice
	if c.Direction == In {
		h.direction = v3FromDevice
	}
}

// decode is the result of a command with n bytes of data.
func (h *v3) decode(n int) Result {
	return fold(uint32(h.status), uint32(h.host), uint32(h.driver), uint32(h.senseWritten), int64(h.resid), n)
}

// bytes is h as it is written and read.
func (h *v3) bytes() []byte {
	return (*[unsafe.Sizeof(v3{})]byte)(unsafe.Pointer(h))[:]
}

// A ringCommand is struct bsg_uring_cmd of bsg.h, 80 bytes (Linux 7.1). It has no flag: commands are sent in order.
type ringCommand struct {
	request               uint64 //  0 address of the CDB
	requestLen            uint32 //  8
	protocol, subprotocol uint32 // 12 0, 0: a SCSI command
	maxResponseLen        uint32 // 20
	response              uint64 // 24 address of room for sense data
	dout                  uint64 // 32 address of data
	doutLen, _            uint32 // 40 iovecs: not supported
	din                   uint64 // 48
	dinLen, _             uint32 // 56
	timeout               uint32 // 64 milliseconds
	_                     [12]byte
}

// encode makes h the command c with its CDB and sense data in slot i.
func (h *ringCommand) encode(c *Command, s *slots, i int) {
	*h = ringCommand{
		request: s.put(i, c.CDB), requestLen: uint32(len(c.CDB)), maxResponseLen: MaxSense, response: s.senseAddress(i), timeout: milliseconds(c.Timeout),
	}
	switch n := uint32(len(c.Data.Mem)); {
	case n == 0:
	case c.Direction == In:
		h.din, h.dinLen = address(c.Data.Mem), n
	default:
		h.dout, h.doutLen = address(c.Data.Mem), n
	}
}

// payload is h as an SQE has it.
func (h *ringCommand) payload() *[uring.CommandSize]byte {
	return (*[uring.CommandSize]byte)(unsafe.Pointer(h))
}

// decodeRing is the result of a command with n bytes of data by the two words of its CQE: an errno or 0, and, from the lowest bit on, 8 bits of
// device status, 8 of driver status, 8 of host status, 8 of sense length, 32 of residual (bsg_scsi_res2_build).
func decodeRing(res int32, extra uint64, n int) Result {
	if res < 0 {
		return Result{Err: reason(unix.Errno(-res)), Residual: int64(n)}
	}
	return fold(uint32(extra&0xff), uint32(extra>>16&0xff), uint32(extra>>8&0xff), uint32(extra>>24&0xff), int64(int32(extra>>32)), n)
}

// Statuses and codes that fold knows.
const (
	checkCondition = scsi.Status(0x02)
	driverMask     = 0x0f // above it were suggestions, until Linux 2.6
	driverTimeout  = 0x06
	driverSense    = 0x08
)

// fold is the result of a command with n bytes of data that the kernel has sent, from whichever structure, within the bounds that a Result has.
func fold(status, host, driver, sense uint32, residual int64, n int) Result {
	r := Result{Status: scsi.Status(status), Host: HostStatus(host), Driver: uint8(driver), Residual: min(max(residual, 0), int64(n))}
	if status > 0xff || host > 0xff {
		r.Host = HostError
	}
	// Before Linux 5.14 some errors were told as driver status alone.
	switch d := driver & driverMask; {
	case r.Host != HostOK || d == 0 || d == driverSense:
	case d == driverTimeout:
		r.Host = HostTimeOut
	default:
		r.Host = HostError
	}
	if r.Status == checkCondition {
		r.Sense = int(min(sense, MaxSense))
	}
	return r
}

// address is where mem lies; it lies outside of the Go heap.
func address(mem []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))) }

// renounce takes CAP_SYS_ADMIN from this thread alone, which is locked, and ends with its goroutine.
func renounce() error {
	const capSysAdmin = 21 // linux/capability.h
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	if data[0].Effective&(1<<capSysAdmin) == 0 {
		return nil
	}
	data[0].Effective &^= 1 << capSysAdmin
	return unix.Capset(&header, &data[0])
}

// sgIO is the ioctl SG_IO of bsg.
//
// It is never repeated: the kernel waits for the end of a command uninterruptibly here, so that there is no EINTR, and no restart of the
// call by which a signal would have the command sent again, as there is on sg. What returns an error has not been sent.
func sgIO(fd int, h *v4) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlSGIO, uintptr(unsafe.Pointer(h)))
	if errno != 0 {
		return errno
	}
	return nil
}

// slots is memory outside of the Go heap, for the CDB and the sense data of each command that the kernel has: it takes addresses of them.
type slots struct {
	mem []byte
	all []slot
	// free is the first of those that are free, -1: none.
	free int
	used int
}

type slot struct {
	*Command     // nil: free
	next     int // that is free
}

const slotSize = 512 // a CDB at 0, sense data at 128

func newSlots(n int) (*slots, error) {
	mem, err := unix.Mmap(-1, 0, n*slotSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	s := &slots{mem: mem, all: make([]slot, n)}
	for i := range s.all {
		s.all[i].next = i + 1
	}
	s.all[n-1].next = -1
	return s, nil
}

func (s *slots) close() { _ = unix.Munmap(s.mem) }

// take gives c a slot; there is one if s.free is not negative.
func (s *slots) take(c *Command) int {
	i := s.free
	s.free = s.all[i].next
	s.all[i].Command = c
	s.used++
	return i
}

// release gives slot i back, and returns whose it was.
func (s *slots) release(i int) *Command {
	c := s.all[i].Command
	s.all[i] = slot{next: s.free}
	s.free = i
	s.used--
	return c
}

// put copies a CDB into slot i and says where it is.
func (s *slots) put(i int, cdb []byte) uint64 {
	at := s.mem[i*slotSize:][:MaxCDB]
	copy(at, cdb)
	return address(at)
}

func (s *slots) sense(i int) []byte { return s.mem[i*slotSize+128:][:MaxSense] }

func (s *slots) senseAddress(i int) uint64 { return address(s.sense(i)) }

// ended gives c its result and the sense data of slot i.
//
// How much the device said the sense data themselves say (ADDITIONAL SENSE LENGTH, SPC-5 4.4.2 and 4.4.3): behind it the kernel's buffer has zeros. A buffer that begins
// with one is what io_uring gives when the device has said nothing.
func (s *slots) ended(c *Command, i int, r Result) {
	from := s.sense(i)[:r.Sense]
	switch {
	case len(from) > 0 && from[0]&0x7f == 0:
		from = nil
	case len(from) >= 8 && from[0]&0x7c == 0x70:
		from = from[:min(len(from), 8+int(from[7]))]
	}
	r.Sense = copy(c.Sense[:], from)
	c.Result = r
}
