package packet

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet"
)

// Sizes of rings. A ring is made of blocks, in which as many slots lie as fit; each slot has one frame.
const (
	blockLen  = 64 << 10
	slotAlign = 64
	// rxHeader is what the kernel has before the frame in a slot that it fills: TPACKET2_HDRLEN and room for the link-layer header, aligned,
	// and 2 so that what is behind the header is aligned.
	rxHeader = 96
	// txHeader is what lies before a frame in a slot that we fill: TPACKET2_HDRLEN without the address.
	txHeader = 32
	// sends is how many bytes of frames may wait in the ring to send.
	sends = 1 << 20
)

// A ring is slots in memory that is shared with the kernel.
type ring struct {
	memory        []byte
	slotLen, per  int // bytes in a slot; slots in a block
	slots, at     int // how many there are; the next one
	blocks, first int // where the ring's blocks are in the mapping
}

// geometry is a ring for so many bytes of frames of that length.
func geometry(frame int, total int64) ring {
	r := ring{slotLen: (frame + rxHeader + slotAlign - 1) &^ (slotAlign - 1)}
	r.per = blockLen / r.slotLen
	want := (total + int64(frame) - 1) / int64(frame)
	r.blocks = int((want + int64(r.per) - 1) / int64(r.per))
	r.slots = r.blocks * r.per
	return r
}

// request is what the kernel is told.
func (r *ring) request() unix.TpacketReq {
	return unix.TpacketReq{Block_size: blockLen, Block_nr: uint32(r.blocks), Frame_size: uint32(r.slotLen), Frame_nr: uint32(r.slots)}
}

// slot is the one that is next.
func (r *ring) slot(at int) []byte {
	o := at/r.per*blockLen + at%r.per*r.slotLen
	return r.memory[o : o+r.slotLen : o+r.slotLen]
}

// step goes to the next slot.
func (r *ring) step() {
	if r.at++; r.at == r.slots {
		r.at = 0
	}
}

// A socket is an AF_PACKET socket with its rings.
type socket struct {
	fd      int
	mapping []byte
	rx      ring
	outs    []*output // the first one is the socket itself
}

// newSocket makes a socket that is bound to nothing yet, so that no frame comes that the filter does not let through.
func newSocket(vlan uint16, c ethernet.Config) (s *socket, err error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s = &socket{fd: fd}
	defer func() {
		if err != nil {
			s.close()
			_ = unix.Close(fd)
		}
	}()
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil { // what this host sends does not come
		return nil, fmt.Errorf("option %d of the socket: %w", unix.PACKET_IGNORE_OUTGOING, err)
	}
	if err := prepare(fd, c.Priority); err != nil {
		return nil, err
	}
	s.outs = append(s.outs, &output{fd: fd})
	for range spareOutputs { // now, when there are the rights, and in the same network namespace
		o, err := newSpare(c.Priority)
		if err != nil {
			return nil, err
		}
		s.outs = append(s.outs, o)
	}
	program := filter(c.Types, vlan)
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}); err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	frame := c.Longest + ethernet.HeaderLen
	tx := geometry(frame+ethernet.TagLen, sends)
	s.rx = geometry(frame, c.Receives)
	for { // A host may be short of memory: less is better than nothing.
		r := s.rx.request()
		if err = setRing(fd, unix.PACKET_RX_RING, &r); err == nil {
			break
		}
		if s.rx.blocks == 1 {
			return nil, fmt.Errorf("memory for frames: %w", err)
		}
		s.rx = geometry(frame, int64(s.rx.blocks/2*s.rx.per*frame))
	}
	r := tx.request()
	if err := setRing(fd, unix.PACKET_TX_RING, &r); err != nil {
		return nil, fmt.Errorf("memory for frames: %w", err)
	}
	n := s.rx.blocks * blockLen
	if s.mapping, err = unix.Mmap(fd, 0, n+tx.blocks*blockLen, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("memory for frames: %w", err)
	}
	s.rx.memory, tx.memory = s.mapping[:n], s.mapping[n:]
	s.outs[0].ring = tx
	return s, nil
}

// close gives the memory back. Nobody uses the rings any more; the descriptor is its file's.
func (s *socket) close() {
	if s.mapping != nil {
		_ = unix.Munmap(s.mapping)
	}
	s.mapping, s.rx.memory = nil, nil
	for i, o := range s.outs {
		o.ring.memory = nil
		if i > 0 {
			o.close()
		}
	}
	s.outs = nil
}

// setRing makes a ring.
func setRing(fd, name int, r *unix.TpacketReq) error {
	_, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_PACKET, uintptr(name), uintptr(unsafe.Pointer(r)), unsafe.Sizeof(*r), 0)
	if e != 0 {
		return os.NewSyscallError("setsockopt", e)
	}
	return nil
}

// bind lets frames of an interface come, and go.
func bind(fd uintptr, index int) error {
	all := uint16(unix.ETH_P_ALL)
	// All types, and the filter chooses: tagged frames are not shown to a socket with a type as what they are.
	return unix.Bind(int(fd), &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: index})
}

// member joins an address, or leaves it (PACKET_ADD_MEMBERSHIP, PACKET_DROP_MEMBERSHIP). An interface that has no filter for more than its own
// address is promiscuous as long as one is joined: the kernel sees to it.
func member(fd uintptr, name, index int, m ethernet.MAC) error {
	r := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_MULTICAST, Alen: uint16(len(m))}
	if !m.Group() {
		r.Type = unix.PACKET_MR_UNICAST
	}
	copy(r.Address[:], m[:])
	return unix.SetsockoptPacketMreq(int(fd), unix.SOL_PACKET, name, &r)
}
