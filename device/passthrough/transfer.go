package passthrough

import "github.com/lunette-io/lunette/initiator/sg"

// A transfer says how many bytes a command moves by its CDB, and which way.
type transfer struct {
	way   sg.Direction
	unit  unit
	at    uint8 // the byte of the CDB where the field with the length begins
	width uint8 // of that field in bytes; 0: always fixed units
	fixed uint32
	zero  uint32 // what a field of 0 means, in units
	// of says it where it depends on more of the CDB, which has its full length: which way, and how much in bytes. false: the CDB alone does not tell how much.
	of func(c []byte, f *facts) (sg.Direction, int64, bool)
}

// A unit is what a transfer counts.
type unit uint8

const (
	byBuffer unit = iota // not told by the CDB: as much as the initiator has room for, or data
	byBytes
	byBlocks // logical blocks of the device
)

// nothing moves.
func nothing() transfer { return transfer{} }

// unknown is a transfer of which the CDB tells neither way nor length: both are the initiator's.
func unknown() transfer {
	return transfer{of: func([]byte, *facts) (sg.Direction, int64, bool) { return sg.None, 0, false }}
}

// in is data-in of at most as many bytes as the field says.
func in(at, width uint8) transfer { return transfer{way: sg.In, unit: byBytes, at: at, width: width} }

// out is data-out of as many bytes as the field says.
func out(at, width uint8) transfer { return transfer{way: sg.Out, unit: byBytes, at: at, width: width} }

// inBlocks and outBlocks are as many blocks as the field says.
func inBlocks(at, width uint8) transfer {
	return transfer{way: sg.In, unit: byBlocks, at: at, width: width}
}

func outBlocks(at, width uint8) transfer {
	return transfer{way: sg.Out, unit: byBlocks, at: at, width: width}
}

// always is a transfer of n units whatever the CDB says.
func (x transfer) always(n uint32) transfer {
	x.width, x.fixed = 0, n
	return x
}

// zeroIs says what a field of 0 means.
func (x transfer) zeroIs(n uint32) transfer {
	x.zero = n
	return x
}

// moves says which way the data of the command c goes and how many bytes there are by its CDB. known is false if the CDB does not tell how many: then
// it is the size of the initiator's buffer; with [sg.None] the way is the initiator's too. c may be of any length, shorter or longer than its operation code says.
func (r *rule) moves(c []byte, f *facts) (way sg.Direction, n int64, known bool) {
	if len(c) > 0 {
		c = c[:length(c)]
	}
	x := &r.data
	if x.of != nil {
		if len(c) < fullLength(c) {
			return sg.None, 0, true
		}
		return x.of(c, f)
	}
	count := int64(x.fixed)
	if x.width > 0 {
		if int(x.at)+int(x.width) > len(c) {
			return sg.None, 0, true
		}
		if count = int64(bigEndian(c[x.at : x.at+x.width])); count == 0 {
			count = int64(x.zero)
		}
	}
	switch {
	case x.way == sg.None:
		return sg.None, 0, true
	case x.unit == byBuffer:
		return x.way, 0, false
	case x.unit == byBlocks:
		size := int64(f.blockSize)
		if size == 0 {
			return x.way, 0, false
		}
		return x.way, count * size, true // 32 bits times 32 bits
	}
	return x.way, count, true
}

// bigEndian is the number in up to eight bytes.
func bigEndian(b []byte) (n uint64) {
	for _, x := range b {
		n = n<<8 | uint64(x)
	}
	return n
}
