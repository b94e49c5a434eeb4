package fcp

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
)

// piece is a sequence for data-in ahead of the response. k.mu is held.
func (k *task) piece() *sequence {
	for _, s := range k.pieces {
		if !s.posted {
			return s
		}
	}
	s := new(sequence)
	s.init(k, dataPiece)
	k.pieces = append(k.pieces, s)
	return s
}

// postData posts a sequence of FCP_DATA: it takes data, which goes to offset off of the initiator's buffer, unless it
// reports false. This end keeps the sequence initiative, for what comes behind it. k.mu is held.
func (k *task) postData(s *sequence, off int64, data *buffer.Lease) bool {
	s.Header = fc.Header{
		RCtl: fc.RCtlData, Type: fc.TypeFCP, FCtl: fc.FCtlRelativeOffset | fc.FCtlEndSequence, Parameter: uint32(off),
	}
	s.Data, s.At, s.Len = data, 0, data.Len()
	if !k.post(s) {
		s.Data = nil
		return false
	}
	k.sent = max(k.sent, off+s.Len)
	return true
}
