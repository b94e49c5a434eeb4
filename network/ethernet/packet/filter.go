package packet

import (
	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet"
)

// Where a filter finds what is not in the frame (linux/filter.h).
const (
	skfAD        = 0xfffff000
	vlanTag      = skfAD + 44 // the tag that the kernel has taken out of the frame
	vlanPresence = skfAD + 48
	vlanMask     = 0x0fff
	typeAt       = 12
)

// filter is a program for the kernel that lets through frames of some types in a VLAN; 0: those without a tag, or with one that has a priority alone.
func filter(types []ethernet.Type, vlan uint16) []unix.SockFilter {
	stmt := func(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }
	jump := func(k uint32, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: uint8(yes), Jf: uint8(no)}
	}
	const load = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	n := len(types)
	p := []unix.SockFilter{stmt(load, typeAt)}
	for i, t := range types {
		no := 0
		if i == n-1 {
			no = 6 // to "nothing", the last of those below
		}
		p = append(p, jump(uint32(t), n-1-i, no))
	}
	untagged := 3 // to "let through"
	if vlan != 0 {
		untagged = 4
	}
	return append(p,
		stmt(load, vlanPresence),
		jump(0, untagged, 0),
		stmt(load, vlanTag),
		stmt(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, vlanMask),
		jump(uint32(vlan), 0, 1),
		stmt(unix.BPF_RET|unix.BPF_K, 1<<18),
		stmt(unix.BPF_RET|unix.BPF_K, 0),
	)
}
