package vhosttest

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Flags of a descriptor.
const (
	Next    = 1
	Write   = 2
	IsTable = 4
)

// A Ring is a split ring in a guest's memory, of which every byte can be written. Its parts are at fixed places: the descriptors at At, the available ring 16 bytes for each
// entry later, the used ring at AtUsed.
type Ring struct {
	Index, Size    int
	KickFD, CallFD int // eventfds, which the Ring closes
	Base           int // where the device goes on with it when it is started

	ram   *RAM
	avail uint16 // entries that were posted
	seen  uint16 // used entries that were looked at
}

// Room is how much memory each ring has at the beginning of the guest's; what is behind those of all rings is free for data.
const Room = 64 << 10

// At is where ring index lies in the memory.
func At(index int) int { return index * Room }

func newRing(r *RAM, index, size int) (*Ring, error) {
	if At(index+1) > len(r.Mem) || 40*size > Room-1024 {
		return nil, errors.New("vhosttest: there is no room for the ring")
	}
	x := &Ring{Index: index, Size: size, ram: r}
	var err error
	if x.KickFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, err
	}
	if x.CallFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		_ = unix.Close(x.KickFD)
		return nil, err
	}
	return x, nil
}

func (r *Ring) close() {
	_ = unix.Close(r.KickFD)
	_ = unix.Close(r.CallFD)
}

// atAvail and atUsed are where those parts are in the memory.
func (r *Ring) atAvail() int { return At(r.Index) + 16*r.Size }

// AtUsed is where the used ring is in the memory.
func (r *Ring) AtUsed() int { return (r.atAvail() + 2*r.Size + 8 + 63) &^ 63 }

// addresses is the payload of SET_VRING_ADDR.
func (r *Ring) addresses() []byte {
	return Addresses(r.Index, r.ram.User+uint64(At(r.Index)), r.ram.User+uint64(r.AtUsed()), r.ram.User+uint64(r.atAvail()))
}

// Addresses is the payload of SET_VRING_ADDR.
func Addresses(index int, desc, used, avail uint64) []byte {
	b := State(index, 0)
	for _, v := range []uint64{desc, used, avail, 0} {
		b = binary.NativeEndian.AppendUint64(b, v)
	}
	return b
}

// Descriptor is one as it lies in memory.
func Descriptor(addr uint64, n uint32, flags, next uint16) (b [16]byte) {
	binary.LittleEndian.PutUint64(b[:], addr)
	binary.LittleEndian.PutUint32(b[8:], n)
	binary.LittleEndian.PutUint16(b[12:], flags)
	binary.LittleEndian.PutUint16(b[14:], next)
	return b
}

// Put puts descriptor i.
func (r *Ring) Put(i int, addr uint64, n uint32, flags, next uint16) {
	b := Descriptor(addr, n, flags, next)
	copy(r.ram.Mem[At(r.Index)+16*(i%r.Size):], b[:])
}

// word is memory that is read and written as the device does: at once.
func (r *Ring) word(at int) *uint32 { return (*uint32)(unsafe.Pointer(&r.ram.Mem[at])) }

// Post makes chains available that begin with the heads.
func (r *Ring) Post(heads ...uint16) {
	for _, h := range heads {
		binary.LittleEndian.PutUint16(r.ram.Mem[r.atAvail()+4+2*(int(r.avail)%r.Size):], h)
		r.avail++
	}
	r.SetAvail(r.avail)
}

// SetAvail says how many chains were posted, whether it is so or not.
func (r *Ring) SetAvail(n uint16) {
	r.avail = n
	atomic.StoreUint32(r.word(r.atAvail()), uint32(n)<<16)
}

// Kick wakes the device.
func (r *Ring) Kick() { _, _ = unix.Write(r.KickFD, U64(1)) }

// Used is how many chains the device has given back so far, modulo 65536.
func (r *Ring) Used() uint16 { return uint16(atomic.LoadUint32(r.word(r.AtUsed())) >> 16) }

// Wait waits until a chain was given back that was not yet returned by Wait: its head, and how much was written. False: none was in time.
func (r *Ring) Wait(d time.Duration) (head uint16, written uint32, ok bool) {
	for end := time.Now().Add(d); r.Used() == r.seen; {
		left := time.Until(end)
		if left <= 0 {
			return 0, 0, false
		}
		p := []unix.PollFd{{Fd: int32(r.CallFD), Events: unix.POLLIN}}
		if n, _ := unix.Poll(p, int(min(left, 10*time.Millisecond)/time.Millisecond)); n > 0 {
			var b [8]byte
			_, _ = unix.Read(r.CallFD, b[:])
		}
	}
	e := r.ram.Mem[r.AtUsed()+4+8*(int(r.seen)%r.Size):]
	r.seen++
	return uint16(binary.LittleEndian.Uint32(e)), binary.LittleEndian.Uint32(e[4:]), true
}
