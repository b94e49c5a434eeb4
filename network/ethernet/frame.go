package ethernet

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/buffer"
)

// HeaderLen is how many bytes destination, source and type have, and TagLen how many an 802.1Q tag has.
const (
	HeaderLen = 14
	TagLen    = 4
)

// A MAC is an address.
type MAC [6]byte

// ParseMAC reads an address as String writes it.
func ParseMAC(text string) (m MAC, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil || len(b) != len(m) || len(text) != 17 {
		return m, fmt.Errorf("%q is not a MAC address such as 02:00:00:00:00:0a", text)
	}
	return MAC(b), nil
}

// String is the address as people write it: 02:00:00:00:00:0a.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// Group reports the address of a group of stations (I/G bit), or of all.
func (m MAC) Group() bool { return m[0]&1 != 0 }

// A Type is an EtherType.
type Type uint16

// A Frame is one to be sent.
type Frame struct {
	// Head begins with the destination, the source and the type; a tag is put in by the wire. Behind it come Body, Len bytes of Data from At
	// on, and Tail. All of it is borrowed until Send has returned. What is not there is nil, or 0.
	Head, Body []byte
	Data       *buffer.Lease
	At, Len    int64
	Tail       []byte
}

// Size is how many bytes the frame has, without a tag.
func (f *Frame) Size() int64 {
	return int64(len(f.Head)+len(f.Body)+len(f.Tail)) + f.Len
}

// Append appends the frame's bytes to b: for those who need them in one piece.
func (f *Frame) Append(b []byte) []byte {
	b = append(append(b, f.Head...), f.Body...)
	for done := int64(0); done < f.Len; {
		p := f.Data.At(f.At + done)
		if len(p) == 0 {
			break
		}
		p = p[:min(int64(len(p)), f.Len-done)]
		b = append(b, p...)
		done += int64(len(p))
	}
	return append(b, f.Tail...)
}
