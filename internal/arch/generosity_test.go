package arch

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGenerosity: each row of the page of what is taken although a standard forbids it names a test,
// and each test that the page names is there. "(every command)" stands for a suite.
func TestGenerosity(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/design/generosity.md"))
	if err != nil {
		t.Fatal(err)
	}
	have := make(map[string]bool)
	for _, f := range tree(t) {
		if !f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				have[d.Name.Name] = true
			}
		}
	}
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	rows := 0
	for line := range strings.Lines(string(text)) {
		tests := name.FindAllStringSubmatch(line, -1)
		for _, x := range tests {
			if !have[x[1]] {
				t.Errorf("docs/design/generosity.md names the test %s, which is not there", x[1])
			}
		}
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| what is taken") {
			continue
		}
		if rows++; len(tests) == 0 && !strings.Contains(line, "(every command)") {
			t.Errorf("docs/design/generosity.md: a row without a test: %.80s", line)
		}
	}
	if rows < 10 {
		t.Errorf("only %d rows were found", rows)
	}
}
