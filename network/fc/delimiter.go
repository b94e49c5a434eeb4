package fc

import "fmt"

// A SOF is a start-of-frame delimiter, as encapsulations write it in a byte (FC-BB-6, RFC 3643).
type SOF uint8

// Starts of frames: i begins a sequence, n goes on with one.
const (
	SOFf  SOF = 0x28
	SOFi2 SOF = 0x2d
	SOFi3 SOF = 0x2e
	SOFn2 SOF = 0x35
	SOFn3 SOF = 0x36
)

// First reports a delimiter that begins a sequence.
func (d SOF) First() bool { return d == SOFi2 || d == SOFi3 }

// Class3 reports a frame of class 3.
func (d SOF) Class3() bool { return d == SOFi3 || d == SOFn3 }

// String is the name in the standard.
func (d SOF) String() string {
	switch d {
	case SOFf:
		return "SOFf"
	case SOFi2:
		return "SOFi2"
	case SOFi3:
		return "SOFi3"
	case SOFn2:
		return "SOFn2"
	case SOFn3:
		return "SOFn3"
	}
	return fmt.Sprintf("SOF %02xh", uint8(d))
}

// An EOF is an end-of-frame delimiter in a byte.
type EOF uint8

// Ends of frames: t ends a sequence, n does not; ni and a say that the frame is not valid.
const (
	EOFn  EOF = 0x41
	EOFt  EOF = 0x42
	EOFni EOF = 0x49
	EOFa  EOF = 0x50
)

// Last reports a delimiter that ends a sequence.
func (d EOF) Last() bool { return d == EOFt }

// Valid reports that the frame before it is whole.
func (d EOF) Valid() bool { return d == EOFn || d == EOFt }

// String is the name in the standard.
func (d EOF) String() string {
	switch d {
	case EOFn:
		return "EOFn"
	case EOFt:
		return "EOFt"
	case EOFni:
		return "EOFni"
	case EOFa:
		return "EOFa"
	}
	return fmt.Sprintf("EOF %02xh", uint8(d))
}
