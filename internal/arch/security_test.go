package arch

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestSecurity holds that each row of the table of shared resources in docs/guide/security.md names
// tests that are there, or attacks of test/hostile.
func TestSecurity(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/guide/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests, attacks := make(map[string]bool), make(map[string]bool)
	for _, f := range tree(t) {
		if !f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				tests[n.Name.Name] = true
			case *ast.BasicLit:
				if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && strings.HasPrefix(f.path, "test/hostile/") {
					attacks[s] = true
				}
			}
			return true
		})
	}
	test, attack := regexp.MustCompile("`(Test[A-Za-z0-9]+)`"), regexp.MustCompile(`"([^"]+)"`)
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSuffix(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 7 || strings.HasPrefix(line, "| resource") {
			continue
		}
		rows++
		named := 0
		for _, x := range test.FindAllStringSubmatch(cells[6], -1) {
			if named++; !tests[x[1]] {
				t.Errorf("there is no test %s, which shows %s", x[1], cells[1])
			}
		}
		for _, x := range attack.FindAllStringSubmatch(cells[6], -1) {
			if named++; !attacks[x[1]] {
				t.Errorf("there is no attack %q in test/hostile, which shows %s", x[1], cells[1])
			}
		}
		if named == 0 {
			t.Errorf("nothing shows %s", cells[1])
		}
	}
	if rows < 15 {
		t.Errorf("only %d rows were found", rows)
	}
}
