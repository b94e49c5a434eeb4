package packet

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet"
)

// hardwareAddress is the MAC of an interface (SIOCGIFHWADDR), which golang.org/x/sys does not give.
func hardwareAddress(fd int, name string) (m ethernet.MAC, err error) {
	var r struct {
		name   [unix.IFNAMSIZ]byte
		family uint16
		data   [22]byte
	}
	copy(r.name[:len(r.name)-1], name)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFHWADDR, uintptr(unsafe.Pointer(&r))); e != 0 {
		return m, e
	}
	copy(m[:], r.data[:])
	return m, nil
}
