package model

import (
	"fmt"
	"math/big"
	"strings"
)

// A Size is a number of bytes.
//
// It is written as a number and, right after it, a unit: none or B for bytes; K, M, G,
// T, P, E or KiB … EiB for powers of 1024; kB, MB … EB for powers of 1000. The number may
// have a decimal point if the result is a whole number of bytes: 512, 10G, 1.5T, 4GB.
type Size int64

// SizeRule is the rule for sizes in one line, for error messages and help.
const SizeRule = "a size is a number of bytes such as 512, 10G, 1.5T (K, M, G, T, P, E and KiB … are powers of 1024; kB, MB … of 1000)"

const sizeLetters = "KMGTPE"

// ParseSize reads a size. The result is not negative.
func ParseSize(text string) (Size, error) {
	bad := func() (Size, error) { return 0, fmt.Errorf("%q is not a size: %s", text, SizeRule) }
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(text)
	}
	number, unit := text[:end], text[end:]
	whole, fraction, point := strings.Cut(number, ".")
	if whole == "" || (point && fraction == "") || strings.Contains(fraction, ".") || len(number) > 40 {
		return bad()
	}
	factor, ok := sizeUnit(unit)
	if !ok {
		return bad()
	}
	n, ok := new(big.Rat).SetString(number)
	if !ok {
		return bad()
	}
	n.Mul(n, new(big.Rat).SetInt(factor))
	switch {
	case !n.IsInt():
		return 0, fmt.Errorf("%q is not a whole number of bytes", text)
	case !n.Num().IsInt64():
		return 0, fmt.Errorf("%q is more than 8E - 1 bytes, the largest size there is", text)
	}
	return Size(n.Num().Int64()), nil
}

// sizeUnit returns the factor of a unit.
func sizeUnit(unit string) (*big.Int, bool) {
	if unit == "" || unit == "B" {
		return big.NewInt(1), true
	}
	power := strings.IndexByte(sizeLetters, strings.ToUpper(unit[:1])[0])
	if power < 0 {
		return nil, false
	}
	base := int64(1024)
	switch unit[1:] {
	case "", "iB":
	case "B":
		base = 1000
	default:
		return nil, false
	}
	return new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(power)+1), nil), true
}

// String returns the shortest exact form: 10G, 1536M, 513.
func (s Size) String() string {
	n, unit := int64(s), 0
	for n != 0 && n%1024 == 0 && unit < len(sizeLetters) {
		n /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d%c", n, sizeLetters[unit-1])
}

// InWords is String, and for bytes that have no unit the word.
func (s Size) InWords() string {
	text := s.String()
	if n := text[len(text)-1]; n >= '0' && n <= '9' {
		text += " bytes"
	}
	return text
}
