package els

// An Echo is an ECHO, or the LS_ACC of one (FC-LS-4 "echo"), which has the same data. Data refers to the payload that it was read from.
type Echo struct {
	Answer bool
	Data   []byte
}

// ParseEcho reads either.
func ParseEcho(b []byte) (x Echo, err error) {
	if err := check(b, 4, ECHO, LSAcc); err != nil {
		return x, err
	}
	return Echo{Command(b[0]) == LSAcc, b[4:]}, nil
}

// Append appends the payload.
func (x Echo) Append(dst []byte) []byte {
	return append(append(dst, code(x.Answer, ECHO), 0, 0, 0), x.Data...)
}
