package scsi

// CutSense shortens sense data of either format, in place, to at most n bytes where it is longer:
// for transports whose peers have no more room. n is 8 at least, a header. What is left reads as
// sense data does: it ends with a whole descriptor, ADDITIONAL SENSE LENGTH counts what is there,
// and SDAT_OVFL says that there was more (SPC-5 4.4.2.1, 4.4.3).
func CutSense(b []byte, n int) []byte {
	const header = descriptorSenseHeaderLen // of both formats
	if len(b) <= n || n < header {
		return b[:min(len(b), max(n, 0))]
	}
	if b[0]&0x7f < 0x72 {
		b = b[:n]
		b[2] |= 0x10
	} else {
		at := header
		for at+2 <= n && at+2+int(b[at+1]) <= n {
			at += 2 + int(b[at+1])
		}
		b = b[:at]
		b[4] |= 0x80
	}
	b[7] = byte(len(b) - header)
	return b
}
