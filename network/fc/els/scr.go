package els

// RegisterLen is the length of an SCR.
const RegisterLen = 8

// Registration functions of SCR.
const (
	RegisterFabric = 1   // for what the fabric detects
	RegisterPort   = 2   // for what ports report
	RegisterFull   = 3   // for both
	RegisterClear  = 255 // for nothing
)

// A Register is an SCR (FC-LS-4 "state change registration"): RSCN is wanted. The answer is [AppendAccept]'s.
type Register struct{ Function uint8 }

// ParseRegister reads an SCR.
func ParseRegister(b []byte) (x Register, err error) {
	if err := check(b, RegisterLen, SCR); err != nil {
		return x, err
	}
	return Register{b[7]}, nil
}

// Append appends the payload.
func (x Register) Append(dst []byte) []byte { return append(word(dst, SCR), 0, 0, 0, x.Function) }
