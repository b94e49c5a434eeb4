package socket

import (
	"net"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// zones are names and numbers of interfaces, for link-local addresses. They are kept, since asking takes a system call; and
// forgotten when a number is refused. The interfaces are those of the network namespace that the socket is in.
type zones struct {
	socket *socket // for who is asked

	mu      sync.Mutex
	names   map[uint32]string
	indexes map[string]uint32
}

func newZones(s *socket) *zones {
	return &zones{socket: s, names: make(map[uint32]string), indexes: make(map[string]uint32)}
}

// maxZones is how many are kept.
const maxZones = 256

// name is the zone of an interface.
func (z *zones) name(index uint32) string {
	if index == 0 {
		return ""
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if n, ok := z.names[index]; ok {
		return n
	}
	n := strconv.Itoa(int(index))
	z.ask(unix.SIOCGIFNAME, "", func(r *unix.Ifreq) { r.SetUint32(index) }, func(r *unix.Ifreq) { n = r.Name() })
	z.keep(n, index)
	return n
}

// index is the number of the interface that is a zone; 0: there is none.
func (z *zones) index(name string) uint32 {
	if name == "" {
		return 0
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if i, ok := z.indexes[name]; ok {
		return i
	}
	index, _ := strconv.ParseUint(name, 10, 31)
	z.ask(unix.SIOCGIFINDEX, name, nil, func(r *unix.Ifreq) { index = uint64(r.Uint32()) })
	if index != 0 {
		z.keep(name, uint32(index))
	}
	return uint32(index)
}

// ask asks the kernel about an interface.
func (z *zones) ask(what uint, name string, question, answer func(r *unix.Ifreq)) {
	r, err := unix.NewIfreq(name)
	if err != nil && name != "" {
		return // no interface has such a name
	}
	if r == nil {
		r = new(unix.Ifreq)
	}
	if question != nil {
		question(r)
	}
	if z.socket.lanes[0].udp.control(func(fd uintptr) error { return unix.IoctlIfreq(int(fd), what, r) }) == nil {
		answer(r)
	}
}

// number is the number of the interface that is a zone, in the namespace of this thread; 0: there is none.
func number(name string) uint32 {
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	n, err := strconv.ParseUint(name, 10, 31)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// keep keeps a pair. z.mu is held.
func (z *zones) keep(name string, index uint32) {
	if len(z.names) >= maxZones || len(z.indexes) >= maxZones {
		clear(z.names)
		clear(z.indexes)
	}
	z.names[index], z.indexes[name] = name, index
}

// forget forgets all.
func (z *zones) forget() {
	z.mu.Lock()
	defer z.mu.Unlock()
	clear(z.names)
	clear(z.indexes)
}
