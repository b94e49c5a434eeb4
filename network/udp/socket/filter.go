package socket

import "golang.org/x/sys/unix"

// Programs for the kernel (classic BPF).
const (
	loadLen  = unix.BPF_LD | unix.BPF_W | unix.BPF_LEN
	loadByte = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
	loadHalf = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	loadWord = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	andK     = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	modK     = unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K
	retK     = unix.BPF_RET | unix.BPF_K
	retA     = unix.BPF_RET | unix.BPF_A

	everything = 1 << 18 // bytes of a packet that are kept
)

func stmt(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

func jump(what uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | what | unix.BPF_K, K: k, Jt: yes, Jf: no}
}

// nothing lets nothing through.
func nothing() []unix.SockFilter { return []unix.SockFilter{stmt(retK, 0)} }

// byWord says which socket of a group has a datagram: its payload lies at 0 there. A program that loads what is not there
// says 0, which is the lane of those that are too short.
func byWord(word int, mask uint32, lanes int) []unix.SockFilter {
	return []unix.SockFilter{stmt(loadWord, uint32(word)), stmt(andK, mask), stmt(modK, uint32(lanes)), stmt(retA, 0)}
}

// whole lets IP packets of one lane through: without options, no fragments, to the port.
func whole(port uint16, lane, lanes, word int, mask uint32) []unix.SockFilter {
	p := []unix.SockFilter{
		stmt(loadLen, 0), jump(unix.BPF_JGE, headersLen, 0, 0),
		stmt(loadByte, 0), jump(unix.BPF_JEQ, 4<<4|5, 0, 0),
		stmt(loadHalf, 6), jump(unix.BPF_JSET, moreFragments|offsetMask, 0, 0),
		stmt(loadHalf, ipLen+2), jump(unix.BPF_JEQ, uint32(port), 0, 0),
	}
	last := len(p)
	if lanes > 1 {
		at := uint32(headersLen + word)
		short := uint8(4) // to "everything"
		if lane != 0 {
			short = 5
		}
		p = append(p,
			stmt(loadLen, 0), jump(unix.BPF_JGE, at+4, 0, short),
			stmt(loadWord, at), stmt(andK, mask), stmt(modK, uint32(lanes)), jump(unix.BPF_JEQ, uint32(lane), 0, 1),
		)
	}
	p = append(p, stmt(retK, everything), stmt(retK, 0))
	for i := 1; i < last; i += 2 { // those that go to the end
		end := uint8(len(p) - 1 - (i + 1))
		if p[i].Code&0xf0 == unix.BPF_JSET {
			p[i].Jt = end
		} else {
			p[i].Jf = end
		}
	}
	return p
}
