//go:build crash

package crash

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// A document is what a daemon is told to serve: units on files, by name with their sizes in MiB, targets
// with their units, and portals.
type document struct {
	units   map[string]int
	files   map[string]string // where a unit's file is, if not under the unit's name
	targets map[string][]string
	portals []string
}

func firstDocument() document {
	return document{
		units:   map[string]int{"a": 1, "b": 1},
		targets: map[string][]string{"one": {"a", "b"}, "two": {"a"}},
		portals: []string{"127.0.0.1:0"},
	}
}

func (d document) clone() document {
	c := document{maps.Clone(d.units), maps.Clone(d.files), maps.Clone(d.targets), slices.Clone(d.portals)}
	if c.files == nil {
		c.files = make(map[string]string)
	}
	return c
}

// file is the name of a unit's file.
func (d document) file(unit string) string {
	if f, ok := d.files[unit]; ok {
		return f
	}
	return unit + ".img"
}

// disks are the files that it names, with their sizes in MiB.
func (d document) disks() map[string]int {
	all := make(map[string]int)
	for name, size := range d.units {
		all[d.file(name)] = size
	}
	return all
}

const targetPrefix = "iqn.2026-11.io.lunette:"

// text is the document as it is written, with its files in dir.
func (d document) text(dir string) []byte {
	var b strings.Builder
	b.WriteString("version: 1\nunits:\n")
	for _, name := range slices.Sorted(maps.Keys(d.units)) {
		fmt.Fprintf(&b, "  - name: %s\n    store: {kind: file, path: %s, size: %dM}\n", name, filepath.Join(dir, d.file(name)), d.units[name])
	}
	b.WriteString("targets:\n")
	for _, name := range slices.Sorted(maps.Keys(d.targets)) {
		fmt.Fprintf(&b, "  - name: %s%s\n    luns: {", targetPrefix, name)
		for i, unit := range d.targets[name] {
			fmt.Fprintf(&b, "%d: %s, ", i, unit)
		}
		b.WriteString("}\n")
	}
	fmt.Fprintf(&b, "portals: [\"%s\"]\n", strings.Join(d.portals, `", "`))
	return []byte(b.String())
}

// A planKind is one kind of plan: a change of a document, and one that undoes what would keep it from
// being made once more.
type planKind struct {
	name     string
	do, undo func(*document)
}

func planKinds() []planKind {
	rename := func(d *document, from, to string) {
		d.units[to], d.files[to] = d.units[from], d.file(from)
		delete(d.units, from)
		delete(d.files, from)
		for name, units := range d.targets {
			d.targets[name] = slices.Clone(units)
			for i, u := range units {
				if u == from {
					d.targets[name][i] = to
				}
			}
		}
	}
	return []planKind{
		{"unit create",
			func(d *document) { d.units["new"] = 2; d.targets["one"] = []string{"a", "b", "new"} },
			func(d *document) { delete(d.units, "new"); d.targets["one"] = []string{"a", "b"} }},
		{"units create",
			func(d *document) { d.units["new1"], d.units["new2"], d.units["new3"] = 1, 2, 3 },
			func(d *document) { delete(d.units, "new1"); delete(d.units, "new2"); delete(d.units, "new3") }},
		{"unit grow", func(d *document) { d.units["b"]++ }, func(*document) {}},
		{"unit create and grow",
			func(d *document) { d.units["new"] = 1; d.units["a"]++ },
			func(d *document) { delete(d.units, "new") }},
		{"unit rename", func(d *document) { rename(d, "b", "c") }, func(d *document) { rename(d, "c", "b") }},
		{"target create",
			func(d *document) { d.targets["three"] = []string{"b"} },
			func(d *document) { delete(d.targets, "three") }},
		{"target remove",
			func(d *document) { delete(d.targets, "two") },
			func(d *document) { d.targets["two"] = []string{"a"} }},
		{"target rename",
			func(d *document) { delete(d.targets, "two"); d.targets["deux"] = []string{"a"} },
			func(d *document) { delete(d.targets, "deux"); d.targets["two"] = []string{"a"} }},
		{"LUN map",
			func(d *document) { d.targets["one"], d.targets["two"] = []string{"b", "a"}, []string{"b", "a"} },
			func(d *document) { d.targets["one"], d.targets["two"] = []string{"a", "b"}, []string{"a"} }},
		{"portal add",
			func(d *document) { d.portals = []string{"127.0.0.1:0", "127.0.0.2:0"} },
			func(d *document) { d.portals = []string{"127.0.0.1:0"} }},
	}
}

// same reports that two documents are written in the same way.
func (d document) same(other document) bool { return string(d.text("")) == string(other.text("")) }
