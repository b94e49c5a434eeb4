package fcoe

import (
	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// fipFrame puts a FIP frame together, as long as it is or of as many bytes behind the type as atLeast says.
func fipFrame(dst, src ethernet.MAC, f *fip.Frame, atLeast int) []byte {
	b := make([]byte, 0, ethernet.HeaderLen+max(64, atLeast))
	b = append(append(b, dst[:]...), src[:]...)
	b = append(b, byte(fip.EtherType>>8), byte(fip.EtherType&0xff))
	return fip.Pad(f.Append(b), ethernet.HeaderLen, atLeast)
}

// linkFrame is a link service in a FIP frame.
func linkFrame(kind fip.Kind, t fip.DescriptorType, h fc.Header, payload []byte) *fip.Frame {
	return &fip.Frame{Kind: kind, Has: fip.SetOf(t), Link: fip.Link{Header: h, Payload: payload}}
}

// requestHeader is the frame header of an extended link service, and replyHeader that of the answer to it.
func requestHeader(d, s fc.ID, ox uint16) fc.Header {
	return fc.Header{RCtl: fc.RCtlELSRequest, D: d, S: s, Type: fc.TypeELS, FCtl: fc.FCtlRequest, OX: ox, RX: fc.NoID}
}

func replyHeader(d, s fc.ID, ox uint16) fc.Header {
	return fc.Header{RCtl: fc.RCtlELSReply, D: d, S: s, Type: fc.TypeELS, FCtl: fc.FCtlReply, OX: ox, RX: fc.NoID}
}

// typeOf is the descriptor that a link service stands in; 0: it does not stand in one.
func typeOf(c els.Command) fip.DescriptorType {
	switch c {
	case els.FLOGI:
		return fip.TypeFLOGI
	case els.FDISC:
		return fip.TypeFDISC
	case els.LOGO:
		return fip.TypeLOGO
	default:
		return 0
	}
}
