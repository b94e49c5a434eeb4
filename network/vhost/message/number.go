package message

// NumberLen is the length of a payload that is one number: features, how many queues there are, how many regions may be, and what is answered to [FlagNeedReply] (0: it is done).
const NumberLen = 8

// ParseNumber reads the payload of a message of the type r that is one number.
func ParseNumber(r Request, b []byte) (uint64, error) {
	if err := length(r, b, NumberLen); err != nil {
		return 0, err
	}
	return u64(b), nil
}

// AppendNumber appends a payload that is one number.
func AppendNumber(dst []byte, n uint64) []byte { return put64(dst, n) }
