package arch

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// neutral is where no plugin is known by name: what is there works with those that are not written yet.
var neutral = []string{"agent/...", "daemon", "daemon/plugin"}

// names are words of plugins, as a part of a string or of a name in the code.
var names = regexp.MustCompile(`(?i)iscsi|iser\b|\bsrp|virtio|vhost|\bfcp|fcoe|\bwwp?n|iwarp|\btcp\b|chap\b|\biqn\b|\bdisks?\b|\bblocks?\b`)

// named are the files where such words stand for something else, each with its reason.
var named = map[string]string{
	"daemon/builtin.go":       "the one list of plugins",
	"agent/model/name.go":     "the names of targets are SCSI name strings (SPC-5 4.3.4.6), whichever transport shows them; a SCSI name string is an iSCSI name",
	"agent/api/profile.go":    "a profile of blocking",
	"agent/server/profile.go": "as above",
	"daemon/plugin/store.go":  "the help of an option that stores on disks have in common",
}

// TestNeutralCodeNamesNoPlugin: a plugin is added with a folder and a line in one list.
func TestNeutralCodeNamesNoPlugin(t *testing.T) {
	used := make(map[string]bool)
	for _, f := range tree(t) {
		in := false
		for _, place := range neutral {
			in = in || fits(f.dir, place)
		}
		if !in || f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			text := ""
			switch x := n.(type) {
			case *ast.ImportSpec:
				return f.path == "daemon/builtin.go"
			case *ast.BasicLit:
				if x.Kind == token.STRING {
					text = x.Value
				}
			case *ast.Ident:
				text = x.Name
			}
			word := names.FindString(text)
			switch {
			case word == "":
			case named[f.path] == "":
				t.Errorf("%s: %q has the word %s: a plugin says it of itself", f.at(n), strings.Trim(text, "`\""), word)
			default:
				used[f.path] = true
			}
			return true
		})
	}
	for path := range named {
		if !used[path] {
			t.Errorf("%s is on the list and names nothing", path)
		}
	}
}
