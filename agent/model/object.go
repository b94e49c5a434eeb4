package model

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Text is the document as it was written, with its comments; nil for one that was not read, or of which
// parts come from elsewhere (see [Document.Label]). The caller does not change it.
func (d *Document) Text() []byte {
	if len(d.source.labels) > 0 {
		return nil
	}
	return d.source.text
}

// Encode writes the document as it was given, without what validation filled in, and without comments.
func (d *Document) Encode(f Format) ([]byte, error) {
	n, p := d.root()
	if p != nil {
		return nil, Problems{p}
	}
	return encode(&n, f), nil
}

// root is the whole document as it was given, with all its pieces.
func (d *Document) root() (node, *Problem) {
	switch {
	case d.Text() == nil:
		return d.written(), nil
	case d.source.outline == nil:
		return *d.source.whole, nil
	}
	root := d.source.outline.root(d.source.text)
	for i := range root.of {
		f := &root.of[i]
		if p := f.open(); p != nil {
			return node{}, p
		}
		for j := range f.of {
			if p := f.of[j].open(); p != nil {
				return node{}, p
			}
		}
	}
	return root, nil
}

// open puts a piece in its place.
func (n *node) open() *Problem {
	if n.form != pieceNode {
		return nil
	}
	piece, p := n.load()
	piece.name, piece.keyAt, piece.keyForm = n.name, n.keyAt, n.keyForm
	*n = piece
	return p
}

// Format is how the text of the document is written; YAML for one without a text.
func (d *Document) Format() Format {
	if d.Text() != nil && d.source.outline != nil && d.source.outline.json {
		return JSON
	}
	return YAML
}

// listOf is the key of the list in which the objects of a kind are; empty: they are in none.
func listOf(kind ObjectKind) string {
	switch kind {
	case UserObject, UnitObject, TargetObject, PortalObject:
		return string(kind) + "s"
	}
	return ""
}

// Keys are the objects of a kind, in the order of the document. A portal that nobody has written is none.
func (d *Document) Keys(kind ObjectKind) []Key {
	var all []Key
	switch kind {
	case UserObject, UnitObject, TargetObject, PortalObject:
		for i := range d.count(kind) {
			all = append(all, Key{kind, d.nameOf(kind, i)})
		}
	case AccessObject:
		for i := range d.Targets {
			for j := range d.Targets[i].Access {
				all = append(all, Key{kind, d.Targets[i].Name + "/" + d.Targets[i].Access[j].Name})
			}
		}
	case SectionObject:
		for _, name := range d.sections() {
			all = append(all, Key{kind, name})
		}
	}
	return all
}

// count is how many objects of a kind are in its list.
func (d *Document) count(kind ObjectKind) int {
	switch {
	case kind == UserObject:
		return len(d.Users)
	case kind == UnitObject:
		return len(d.Units)
	case kind == TargetObject:
		return len(d.Targets)
	case kind == PortalObject && !d.source.portals:
		return len(d.Portals)
	}
	return 0
}

// nameOf is the name by which the key of an object in a list has it.
func (d *Document) nameOf(kind ObjectKind, i int) string {
	switch kind {
	case UserObject:
		return d.Users[i].Name
	case UnitObject:
		return d.Units[i].Name
	case TargetObject:
		return d.Targets[i].Name
	}
	return d.Portals[i].key()
}

// key is the name by which the key of a portal has it.
func (p *Portal) key() string {
	if p.Name != "" {
		return p.Name
	}
	return p.String()
}

// index finds an object of a list; -1: there is none.
func (d *Document) index(k Key) int {
	name := k.Name
	if k.Kind == TargetObject {
		name = normalTarget(name)
	}
	for i := range d.count(k.Kind) {
		if d.nameOf(k.Kind, i) == name {
			return i
		}
	}
	if k.Kind == PortalObject { // as it is written, if there is but one
		at := func(p Portal) bool { return p.Written == name || p.Address.Text == name }
		if i := slices.IndexFunc(d.Portals, at); i >= 0 && i < d.count(k.Kind) && !slices.ContainsFunc(d.Portals[i+1:], at) {
			return i
		}
	}
	return -1
}

// normalTarget is the name of a target in the form that counts, if it is one.
func normalTarget(name string) string {
	if normal, err := TargetName(name); err == nil {
		return normal
	}
	return name
}

// inTarget takes the name of an access apart, and finds both; -1: there is none.
func (d *Document) inTarget(name string) (target, access int, rest string) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return -1, -1, ""
	}
	target = d.index(Key{TargetObject, name[:i]})
	if target < 0 {
		return -1, -1, name[i+1:]
	}
	access = slices.IndexFunc(d.Targets[target].Access, func(a Access) bool { return a.Name == name[i+1:] })
	return target, access, name[i+1:]
}

// sections are the keys of the document but for its lists and its version, in their order.
func (d *Document) sections() []string {
	var names []string
	add := func(name string) {
		if name != "version" && name != "users" && name != "units" && name != "targets" && name != "portals" {
			names = append(names, name)
		}
	}
	switch {
	case d.Text() != nil && d.source.outline != nil:
		for _, e := range d.source.outline.entries {
			add(e.key)
		}
	default:
		root, _ := d.root()
		for _, n := range root.of {
			add(n.name)
		}
	}
	return names
}

// find returns an object as it was given.
func (d *Document) find(k Key) (n node, ok bool) {
	path := ""
	switch k.Kind {
	case UserObject, UnitObject, TargetObject, PortalObject:
		i := d.index(k)
		if i < 0 {
			return n, false
		}
		path = listOf(k.Kind) + indexed(i)
	case AccessObject:
		target, access, _ := d.inTarget(k.Name)
		if access < 0 {
			return n, false
		}
		path = "targets" + indexed(target) + ".access" + indexed(access)
	case SectionObject:
		if !slices.Contains(d.sections(), k.Name) {
			return n, false
		}
		path = k.Name
	default:
		return n, false
	}
	if d.Text() == nil {
		root := d.written()
		found, ok := root.follow(path)
		return *found, ok
	}
	found, ok := d.source.find(path)
	return *found, ok
}

// Object writes one object as it was given; false: there is none. In YAML it has the comments that are in it.
func (d *Document) Object(k Key, f Format) ([]byte, bool) {
	n, ok := d.find(k)
	if !ok {
		return nil, false
	}
	if f == YAML {
		if text, ok := d.excerpt(k); ok {
			return text, true
		}
	}
	if f == JSON {
		var w writer
		w.flow(&n, JSON)
		return w.Bytes(), true
	}
	return encode(&n, f), true
}

// ETag is the tag of an object as it was given, or of the whole document if k is zero; false: there
// is no such object. Equal tags are of equal objects. That of the whole is of its text, with the comments.
func (d *Document) ETag(k Key) (string, bool) {
	var text []byte
	if k == (Key{}) {
		if text = d.Text(); text == nil {
			n := d.written()
			text = encode(&n, YAML)
		}
	} else {
		var ok bool
		if text, ok = d.Object(k, JSON); !ok {
			return "", false
		}
	}
	const most = 16
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:most]), true
}

// excerpt is the text of an object, if it stands on lines of its own.
func (d *Document) excerpt(k Key) ([]byte, bool) {
	o := d.source.outline
	if d.Text() == nil || o == nil || o.flow {
		return nil, false
	}
	text := d.source.text
	name, i := listOf(k.Kind), d.index(k)
	if k.Kind == AccessObject {
		var target int
		target, i, _ = d.inTarget(k.Name)
		l := o.entry("targets").list
		if l == nil {
			return nil, false
		}
		if o, name = o.within(text, l, l.items[target]), "access"; o == nil || o.flow {
			return nil, false
		}
	}
	if k.Kind == SectionObject {
		e := o.entry(k.Name)
		if e.value >= 0 || e.list != nil {
			return nil, false
		}
		lines := string(text[min(lineEnd(text, e.colon)+1, e.to):e.to])
		blanks := len(lines) - len(strings.TrimLeft(lines, " "))
		return []byte(reindent(lines, blanks, "", "\n") + "\n"), true
	}
	l := o.entry(name).list
	if l == nil || l.flow {
		return nil, false
	}
	s := l.items[i]
	begin := o.begin(text, l, s)
	if begin >= s.to || strings.IndexByte("{[\"'#", text[begin]) >= 0 {
		return nil, false
	}
	return []byte(reindent(string(text[begin:s.to]), begin-s.from, "", "\n") + "\n"), true
}
