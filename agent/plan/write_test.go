package plan_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

// TestWrite: plans as people see them.
func TestWrite(t *testing.T) {
	for _, c := range []struct {
		name    string
		replace []string
		delete  []string
	}{
		{"nothing", nil, nil},
		{"unseen", []string{"luns: {0: db}", "alias: x\n  luns: {0: db}"}, nil},
		{"day", []string{
			"name: db", "name: base", "0: db", "0: base", "size: 10G", "size: 20G, sync: true",
			"- name: open\n  store: {kind: vault, path: /d/open}", "- name: new\n  store: {kind: vault, path: /d/new, size: 1G}\n  filters: [{kind: slow, by: 3ms}]",
			", 2: open", ", 3: new", "[i1, i2]", "[i2]", "test:a", "test:c", "users:", "rope: {reactors: 4, discovery: [x, y]}\nusers:",
			"wire+tcp", "rope+tcp"}, []string{"open"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mustMake(t, read(t, base), read(t, strings.NewReplacer(c.replace...).Replace(base)), crowd{iqn + "a": {"i1", "i2", "i3", "i4", "i5"}, iqn + "b": {"i1"}})
			if err := p.DeleteData(c.delete); err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := p.Write(&b); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", c.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("it is\n%s\nnot\n%s", b.String(), want)
			}
		})
	}
}

// TestDeleteData: only data of units that go is deleted.
func TestDeleteData(t *testing.T) {
	p := mustMake(t, read(t, base), read(t, strings.Replace(base, "10G", "11G", 1)), nil)
	if err := p.DeleteData([]string{"db"}); err == nil {
		t.Error("the data of a unit that stays would be deleted")
	}
	if c := p.Confirms(); len(c) != 0 {
		t.Errorf("it needs %v", c)
	}
}
