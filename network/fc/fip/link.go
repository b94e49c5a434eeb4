package fip

import "github.com/lunette-io/lunette/network/fc"

// linkWords is the least length of a descriptor with an ELS in it, in words: four bytes, a frame header, and a word of payload.
const linkWords = 1 + (fc.HeaderLen+4)/4

// MaxLink is how much payload there is room for in such a descriptor.
const MaxLink = 255*4 - 4 - fc.HeaderLen

// A Link is a FLOGI, FDISC, LOGO or ELP descriptor (FC-BB-6): an ELS, or the answer to one, as an FC frame without delimiters and CRC. Payload
// refers to the frame that it was read from; it is a multiple of four bytes.
type Link struct {
	Header  fc.Header
	Payload []byte
}

func parseLink(d []byte) (x Link) {
	x.Header, _ = fc.ParseHeader(d[4:])
	x.Payload = d[4+fc.HeaderLen:]
	return x
}

func (x *Link) append(dst []byte, t DescriptorType) []byte {
	n := min(len(x.Payload), MaxLink) &^ 3
	dst = append(dst, byte(t), byte(1+(fc.HeaderLen+n)/4), 0, 0)
	return append(x.Header.Append(dst), x.Payload[:n]...)
}

// Type is the descriptor that the link service is in; 0 if there is none.
func (x *Frame) Type() DescriptorType {
	for t := TypeFLOGI; t <= TypeELP; t++ {
		if x.Has.Has(t) {
			return t
		}
	}
	return 0
}

// checkLink refuses frames without a link service, and requests without a MAC descriptor: an answer that refuses has none.
func (x *Frame) checkLink() error {
	if x.Type() == 0 {
		return malformed("%v: there is no link service", x.Kind)
	}
	if x.Kind == LinkRequest && !x.Has.Has(TypeMAC) {
		return malformed("%v: it lacks %v", x.Kind, TypeMAC)
	}
	return nil
}
