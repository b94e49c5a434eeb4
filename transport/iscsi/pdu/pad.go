package pdu

// Padded is n rounded up to a whole number of 4-byte words.
func Padded(n int) int { return (n + 3) &^ 3 }

// PadLen is how many padding bytes follow n bytes: 0 to 3.
func PadLen(n int) int { return -n & 3 }

var zeros [4]byte

// Padding is the zero bytes that follow n bytes on the wire. The slice is
// shared and must not be written.
func Padding(n int) []byte { return zeros[:PadLen(n):PadLen(n)] }
