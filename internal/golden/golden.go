// Package golden has bytes of the wire as tests write them, so that they can be read: "op:02 tag:10+00*7 lun:00*8".
package golden

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
)

// Bytes are those of a vector in the notation NAME:HEX, where 00*N is N bytes of zero, + joins, and names say where to look.
func Bytes(t testing.TB, s string) []byte {
	t.Helper()
	var all []byte
	for _, f := range strings.Fields(s) {
		_, f, _ = strings.Cut(f, ":")
		for _, p := range strings.Split(f, "+") {
			digits, times, many := strings.Cut(p, "*")
			n := 1
			if many {
				n, _ = strconv.Atoi(times)
			}
			b, err := hex.DecodeString(digits)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, bytes.Repeat(b, n)...)
		}
	}
	return all
}
