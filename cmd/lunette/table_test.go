package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTablesFitTheirLimit(t *testing.T) {
	columns := []column{{"NAME", front}, {"LUNS", back}, {"COMMANDS", never}}
	rows := func() [][]string {
		return [][]string{
			{"iqn.2026-11.io.lunette:" + strings.Repeat("ü", 60), strings.Repeat("0=a ", 30) + "9=z", "1234567890123"},
			{"b\x1b[2J\"\xff", "", "1"},
		}
	}
	for _, limit := range []int{0, 30, 80, 120} {
		var b bytes.Buffer
		if err := writeTable(&b, columns, rows(), limit); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if len(lines) != 3 {
			t.Fatalf("limit %d: %q", limit, lines)
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); limit > 0 && n > max(limit, least+2+least+2+13) {
				t.Errorf("limit %d: %d characters: %s", limit, n, line)
			}
			if strings.ContainsRune(line, '\x1b') || !utf8.ValidString(line) {
				t.Errorf("a terminal gets %q", line)
			}
		}
		if !strings.HasSuffix(lines[1], "1234567890123") || !strings.Contains(lines[1], "ü  0=a") {
			t.Errorf("limit %d: %s", limit, lines[1])
		}
		if cut := strings.Contains(b.String(), "…"); cut != (limit > 0) {
			t.Errorf("limit %d: cut: %v", limit, cut)
		}
		if limit != 30 && (!strings.HasPrefix(lines[2], `b\x1b[2J"\xff  `) || !strings.HasSuffix(strings.TrimRight(strings.TrimSuffix(lines[2], "1"), " "), " -")) {
			t.Errorf("limit %d: %s", limit, lines[2])
		}
	}
}
