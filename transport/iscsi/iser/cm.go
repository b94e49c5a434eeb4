package iser

// Private is the private data of a connection's request and of its answer: what each side
// does not do. It is four bytes of which the first has flags (RFC 7145 does not know it; it
// is what initiators and targets of Linux agree on).
type Private struct {
	NoZeroBase   bool // addresses are virtual ones, and do not begin at zero
	NoInvalidate bool // Send with Invalidate is not used
}

const (
	bitNoZeroBase   = 0x80
	bitNoInvalidate = 0x40
)

// ParsePrivate reads private data. Who sent none, or too little, does neither.
func ParsePrivate(b []byte) Private {
	if len(b) < 4 {
		return Private{NoZeroBase: true, NoInvalidate: true}
	}
	return Private{NoZeroBase: b[0]&bitNoZeroBase != 0, NoInvalidate: b[0]&bitNoInvalidate != 0}
}

// Append appends the private data in the form of the wire.
func (p Private) Append(b []byte) []byte {
	flags := byte(0)
	if p.NoZeroBase {
		flags |= bitNoZeroBase
	}
	if p.NoInvalidate {
		flags |= bitNoInvalidate
	}
	return append(b, flags, 0, 0, 0)
}
