// Package login is the text negotiation of iSCSI and the target's side of the login phase, as a state machine without I/O (RFC 7143 sections 6 and 13).
package login

import (
	"bytes"
	"fmt"
	"strings"
)

// Bounds of text, before and after login.
const (
	MaxKeyLen    = 63       // bytes of a key name (RFC 7143 section 6.1)
	MaxValueLen  = 255      // bytes of a simple value, and of each member of a list
	MaxBinaryLen = 1024     // bytes that a binary value may stand for
	MaxText      = 64 << 10 // bytes of text in one negotiation step, over all PDUs of a continuation
	MaxKeys      = 256      // pairs in one negotiation step, and in one login
	MaxLoginData = 8192     // bytes in the data segment of a login PDU, in both directions
)

// maxValue bounds a value with all members of its list.
const maxValue = 8192

// Answers that stand in the place of a value (RFC 7143 section 6.2).
const (
	NotUnderstood = "NotUnderstood"
	Irrelevant    = "Irrelevant"
	Rejected      = "Reject"
	None          = "None"
	Yes           = "Yes"
	No            = "No"
)

// A Pair is one key=value.
type Pair struct {
	Key, Value string
}

// String is the pair as it stands in a text. It may hold a peer's unprintable
// bytes: quote it before it goes to a log.
func (p Pair) String() string { return p.Key + "=" + p.Value }

// AppendPair appends key=value and the delimiter.
func AppendPair(b []byte, key, value string) []byte {
	b = append(b, key...)
	b = append(b, '=')
	b = append(b, value...)
	return append(b, 0)
}

// AppendPairs appends all pairs.
func AppendPairs(b []byte, pairs []Pair) []byte {
	for _, p := range pairs {
		b = AppendPair(b, p.Key, p.Value)
	}
	return b
}

// ParseText splits a complete text into its pairs, which do not refer to b.
// Pairs end in a zero byte (RFC 7143 section 6.1). Without one the last pair is taken as it is,
// since the text is complete and some initiators forget it; further zero bytes at the end are
// taken for padding that was counted. Errors say which pair is wrong and why.
func ParseText(b []byte) ([]Pair, error) { return parseText(b, MaxKeys) }

// ParseAnswer is ParseText for what an initiator reads: the answer to
// SendTargets has two keys per target, so only MaxText bounds it.
func ParseAnswer(b []byte) ([]Pair, error) { return parseText(b, MaxText) }

func parseText(b []byte, maxKeys int) ([]Pair, error) {
	if len(b) > MaxText {
		return nil, fmt.Errorf("text of %d bytes; at most %d are allowed", len(b), MaxText)
	}
	if len(b) == 0 {
		return nil, nil
	}
	b = bytes.TrimRight(b, "\x00")
	var pairs []Pair
	for rest, more := b, len(b) > 0; more; {
		var one []byte
		one, rest, more = bytes.Cut(rest, []byte{0})
		if len(pairs) == maxKeys {
			return nil, fmt.Errorf("more than %d keys in one text", maxKeys)
		}
		key, value, ok := strings.Cut(string(one), "=")
		if !ok {
			return nil, fmt.Errorf("%s is no key=value pair", quote(string(one)))
		}
		if err := checkKey(key); err != nil {
			return nil, err
		}
		if err := checkValue(value); err != nil {
			return nil, fmt.Errorf("key %s: %w", key, err)
		}
		pairs = append(pairs, Pair{key, value})
	}
	return pairs, nil
}

// checkKey checks a key name against RFC 7143 section 6.1: a capital letter,
// then letters, digits and . - + @ _, with # second in public extensions.
func checkKey(key string) error {
	if key == "" || len(key) > MaxKeyLen {
		return fmt.Errorf("key name %s of %d bytes; 1 to %d are allowed", quote(key), len(key), MaxKeyLen)
	}
	// The keys of the standards that begin with a small letter are iSCSIProtocolLevel and
	// iSERHelloRequired.
	if (key[0] < 'A' || key[0] > 'Z') && key != "iSCSIProtocolLevel" && key != ISERHelloRequired {
		return fmt.Errorf("key name %s does not begin with a capital letter", quote(key))
	}
	for i := range len(key) {
		c := key[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(".-+@_", c) >= 0:
		case c == '#' && i == 1 && key[0] >= 'X':
		default:
			return fmt.Errorf("key name %s has a forbidden character", quote(key))
		}
	}
	return nil
}

// checkValue checks the bounds that hold for every value.
func checkValue(value string) error {
	if len(value) > maxValue {
		return fmt.Errorf("value of %d bytes; at most %d are allowed", len(value), maxValue)
	}
	for v := range strings.SplitSeq(value, ",") {
		limit := MaxValueLen
		if isBinary(v) {
			limit = 2 + 2*MaxBinaryLen
		}
		if len(v) > limit {
			return fmt.Errorf("value of %d bytes; at most %d are allowed", len(v), limit)
		}
	}
	return nil
}

// quote makes a peer's bytes short and printable.
func quote(s string) string {
	const most = 32
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return fmt.Sprintf("%q", s)
}

// A Collector gathers a text that comes in several PDUs (RFC 7143 section 6.2,
// the C bit).
type Collector struct {
	text []byte
}

// Held is how many bytes have been gathered.
func (c *Collector) Held() int { return len(c.text) }

// Add takes the next piece; cont is its C bit. When the text is complete it is
// returned and belongs to the caller until the next call. The error is that the
// whole exceeds MaxText; the Collector is then empty.
func (c *Collector) Add(piece []byte, cont bool) (text []byte, complete bool, err error) {
	if len(c.text)+len(piece) > MaxText {
		c.text = nil
		return nil, false, fmt.Errorf("text of more than %d bytes", MaxText)
	}
	if !cont && len(c.text) == 0 {
		return piece, true, nil
	}
	c.text = append(c.text, piece...)
	if cont {
		return nil, false, nil
	}
	text, c.text = c.text, nil
	return text, true, nil
}
