package fc

// onLastAlone are the bits of F_CTL that only the last frame of a sequence has (FS-5 "F_CTL").
const onLastAlone = FCtlLastSequence | FCtlEndSequence | FCtlSequenceInitiative | FCtlFill

// block is what frames do not cut where they need not.
const block = 512

// A Part is one frame of a sequence: how it is sent.
type Part struct {
	Header
	// First and Last say that it begins the sequence (SOFi3, else SOFn3), and that it ends it (EOFt, else EOFn).
	First, Last bool
	// Head is the part of the sequence's head that the frame has: all of it, in the first frame. It is not copied.
	Head []byte
	// Len bytes of the sequence's data follow it, from At in the lease on; the lease may have them in several pieces.
	At, Len int64
	// Fill is how many zero bytes follow the payload; F_CTL says so as well.
	Fill int
}

// Payload is how many bytes of payload the frame has.
func (p *Part) Payload() int64 { return int64(len(p.Head)) + p.Len }

// Size is how many bytes of payload the sequence has.
func (s *Sequence) Size() int64 { return int64(len(s.Head)) + s.Len }

// Frames is how many frames the sequence has; limit is as that of Part.
func (s *Sequence) Frames(limit int) int64 {
	limit, whole := s.limits(limit)
	rest := s.Size() - int64(limit)
	if rest <= 0 {
		return 1
	}
	return 1 + (rest+int64(whole)-1)/int64(whole)
}

// limits are how much payload the last frame has at most, and how much all others have.
func (s *Sequence) limits(limit int) (most, whole int) {
	most = max(min(limit, MaxPayload), MinPayload)
	if s.MaxPayload > 0 {
		most = min(most, max(s.MaxPayload, MinPayload))
	}
	if most >= block {
		return most, most &^ (block - 1)
	}
	return most, most &^ 3
}

// Part is the frame that begins when moved bytes of payload have been sent: 0, and then the sum of [Part.Payload] of all
// before it, until Part.Last. A sequence without payload is one frame. limit is how much payload the network takes in a
// frame, which is the same for all frames of a sequence; limits that no frame may have are taken for the nearest that one
// may. It allocates nothing.
//
// All frames but the last have the same length: as many blocks of 512 bytes as fit, else as many words.
func (s *Sequence) Part(limit int, moved int64) (p Part) {
	limit, whole := s.limits(limit)
	rest := s.Size() - moved
	n := int64(whole)
	if rest <= int64(limit) {
		n, p.Last = rest, true
	}

	p.Header, p.First = s.Header, moved == 0
	p.SeqCnt += uint16(moved / int64(whole))
	if p.FCtl&FCtlRelativeOffset != 0 {
		p.Parameter += uint32(moved)
	}
	p.FCtl &^= FCtlFill
	if p.Last {
		p.Fill = int(-n & 3)
		p.FCtl |= FCtl(p.Fill)
	} else {
		p.FCtl &^= onLastAlone
	}

	if head := int64(len(s.Head)); moved < head {
		p.Head = s.Head[moved:min(head, moved+n)]
	}
	p.Len = n - int64(len(p.Head))
	p.At = s.At + max(moved-int64(len(s.Head)), 0)
	return p
}
