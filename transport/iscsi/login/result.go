package login

import (
	"fmt"
	"strconv"
)

// answer is the result function of the key (RFC 7143 section 6.2): what the
// answerer, who desires a value itself, says to the value offered. ok is false if the offer
// is not acceptable; the answer is then Reject and the old value stays.
func (k *KeySpec) answer(offered, desired string) (value string, ok bool) {
	switch k.Kind {
	case Selection:
		if v, ok := firstSupported(offered, desired); ok {
			return v, true
		}
	case And, Or:
		o, err := ParseBool(offered)
		if err != nil {
			break
		}
		if k.Kind == And {
			return FormatBool(o && desired == Yes), true
		}
		return FormatBool(o || desired == Yes), true
	case Minimum, Maximum:
		o, err := k.number(offered)
		if err != nil {
			break
		}
		w, err := k.number(desired)
		if err != nil {
			break
		}
		if k.Kind == Minimum {
			o = min(o, w)
		} else {
			o = max(o, w)
		}
		return strconv.FormatUint(uint64(o), 10), true
	}
	return Rejected, false
}

// number reads a number in the range of the key.
func (k *KeySpec) number(s string) (uint32, error) {
	n, err := ParseNumber(s)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", k.Name, err)
	}
	if n < uint64(k.Min) || n > uint64(k.Max) {
		return 0, fmt.Errorf("%s=%d is out of the range %d to %d", k.Name, n, k.Min, k.Max)
	}
	return uint32(n), nil
}

// acceptable reports whether an answer is one that the peer may give to the
// value this side offered.
func (k *KeySpec) acceptable(answer, offered string) bool {
	switch k.Kind {
	case Selection:
		_, ok := firstSupported(answer, offered)
		return ok
	case And:
		_, err := ParseBool(answer)
		return err == nil && (offered == Yes || answer == No)
	case Or:
		_, err := ParseBool(answer)
		return err == nil && (offered == No || answer == Yes)
	case Minimum, Maximum:
		a, err := k.number(answer)
		o, err2 := k.number(offered)
		if err != nil || err2 != nil {
			return false
		}
		if k.Kind == Minimum {
			return a <= o
		}
		return a >= o
	}
	return true
}
