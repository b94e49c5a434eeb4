package model

import (
	"fmt"
	"strings"
	"testing"
)

// Whatever is in a document, and however often, it is read or refused with work that grows with it, and with no
// more problems than anybody reads.
func TestReadBoundsItsWork(t *testing.T) {
	repeat := func(begin, more, end string) string {
		n := (16<<10 - len(begin) - len(end)) / len(more)
		return begin + strings.Repeat(more, n) + end
	}
	var keys, luns, names strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&keys, `,"k%d":1`, i)
		fmt.Fprintf(&luns, `,"%d":"nothing"`, i)
		fmt.Fprintf(&names, `,"iqn.2026-11.io.lunette:%d"`, i)
	}
	for name, text := range map[string]string{
		"keys":           `{"version":1` + keys.String() + `}`,
		"keys of a unit": `{"version":1,"units":[{"name":"a","store":{"kind":"memory","size":"1M"` + keys.String() + `}}]}`,
		"LUNs":           `{"version":1,"targets":[{"name":"iqn.2026-11.io.lunette:t","luns":{"0":"x"` + luns.String() + `}}]}`,
		"initiators":     `{"version":1,"targets":[{"name":"iqn.2026-11.io.lunette:t","access":[{"name":"a","initiators":["x"` + names.String() + names.String() + `]}]}]}`,
		"portals":        `{"version":1,"portals":["127.0.0.1"` + strings.Repeat(`,"127.0.0.1:1"`, 10000) + `]}`,
		"targets shown":  `{"version":1,"portals":[{"address":"127.0.0.1","targets":["x"` + names.String() + `]}]}`,
		"lists":          repeat(`{"version":1,"units":[`, "[],", "[]]}"),
		"lists, YAML":    repeat("version: 1\nunits: [", "[],", "[]]\n"),
		"dashes":         repeat("version: 1\nunits:\n", "- a\n", ""),
		"dashes in one":  repeat("version: 1\nlimits:\n  memory:\n", "  - a\n", ""),
		"a text":         repeat("version: 1\nlimits: '", "x\n  ", "'\n"),
		"comments":       repeat("version: 1\n", "# c\n", ""),
		"blanks":         repeat("version: 1\n", "\n", ""),
		"quotes":         repeat("version: 1\nlimits: ", "\"", ""),
		"colons":         repeat("version: 1\nlimits: ", ": ", ""),
	} {
		_, err := Read("x", []byte(text), testSchema)
		if all := All(err); err != nil && len(all) > 2*maxProblems {
			t.Errorf("%s: %d problems", name, len(all))
		}
	}
	if _, err := Read("x", make([]byte, maxDocument+1), testSchema); err == nil || !strings.Contains(err.Error(), "longer than 16M") {
		t.Errorf("%v", err)
	}
	long := "{version: 1, units: [a]}" + strings.Repeat(" ", maxPiece)
	if _, err := Read("x", []byte(long), testSchema); err == nil || !strings.Contains(err.Error(), "longer than 512K") {
		t.Errorf("%v", err)
	}
}
