package model

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// An editor makes one document of another, edit by edit.
type editor struct {
	schema Schema
	doc    *Document
	// units and targets say which of them are as they were when they were validated.
	units, targets []bool
	bodies         []edited
}

// edited is an object that was put: where it is in the document, and what it was read from.
type edited struct {
	key  Key
	list string // the key of its list; empty: the object is all that the path begins with
	name string // of it, or of the target that it is in
	root *node
}

func newEditor(d *Document, schema Schema) (*editor, error) {
	doc := *d
	if d.Text() == nil {
		text, err := d.Encode(YAML)
		if err != nil {
			return nil, err
		}
		read, err := Read(d.source.name, text, schema)
		if err != nil {
			return nil, err
		}
		doc = *read
	}
	doc.Users, doc.Units, doc.Targets = slices.Clone(doc.Users), slices.Clone(doc.Units), slices.Clone(doc.Targets)
	doc.Portals, doc.Given, doc.Notes = slices.Clone(doc.Portals), slices.Clone(doc.Given), nil
	if doc.source.portals {
		doc.Portals, doc.source.portals = nil, false
	}
	e := &editor{schema: schema, doc: &doc, units: make([]bool, len(doc.Units)), targets: make([]bool, len(doc.Targets))}
	for i := range e.units {
		e.units[i] = doc.source.valid
	}
	for i := range e.targets {
		e.targets[i] = doc.source.valid
	}
	return e, nil
}

// apply does one edit.
func (e *editor) apply(edit Edit) error {
	switch edit.Op {
	case CreateObject, PutObject, MergeObject, DeleteObject:
	default:
		return Problems{{Source: printable(edit.Key.String()), Err: fmt.Errorf("there is no edit %q: there is create, put, merge or delete", edit.Op)}}
	}
	switch edit.Key.Kind {
	case UserObject, UnitObject, TargetObject, PortalObject:
		return e.inList(edit)
	case AccessObject:
		return e.inTarget(edit)
	case SectionObject:
		return e.section(edit)
	}
	return &NoObjectError{edit.Key}
}

// object is what an edit puts; there: what is there now.
func (e *editor) object(edit Edit, old *node) (body, error) {
	switch {
	case edit.Op == CreateObject && old != nil:
		return body{}, &ObjectThereError{edit.Key}
	case (edit.Op == MergeObject || edit.Op == DeleteObject) && old == nil:
		return body{}, &NoObjectError{edit.Key}
	case edit.Op == DeleteObject:
		return body{}, nil
	}
	b, p := parseBody(edit)
	if p != nil {
		return b, Problems{p}
	}
	if edit.Op != MergeObject {
		return b, nil
	}
	if b.n.form != fieldsNode {
		return b, Problems{{Source: printable(edit.Key.String()), At: b.n.at, Err: fmt.Errorf("%s is %s: a merge has keys and values", b.n.excerpt(), b.n.form)}}
	}
	whole := merged(long(edit.Key.Kind, old, b.n), b.n)
	whole.at = b.n.at
	return body{n: &whole}, nil
}

// decode reads an object into v, and says what is wrong with it where it stands in the body.
func (e *editor) decode(k Key, n *node, v reflect.Value) error {
	dec := &decoder{source: &source{name: printable(k.String())}}
	dec.value(n, v, "")
	if len(dec.problems) > 0 {
		return dec.problems
	}
	return nil
}

// withName gives an object without a name that of its key.
func (b *body) withName(name string) {
	if b.n.form != fieldsNode || b.n.field("name") != nil || name == "" {
		return
	}
	made := *b.n
	made.of = append([]node{named("name", textNode(name))}, b.n.of...)
	b.n = &made
	if b.lines != "" {
		b.lines = "name: " + keyText(name, YAML) + "\n" + b.lines
	}
}

// list is the slice of the objects of a kind.
func (e *editor) list(kind ObjectKind) reflect.Value {
	switch kind {
	case UserObject:
		return reflect.ValueOf(&e.doc.Users).Elem()
	case UnitObject:
		return reflect.ValueOf(&e.doc.Units).Elem()
	case TargetObject:
		return reflect.ValueOf(&e.doc.Targets).Elem()
	}
	return reflect.ValueOf(&e.doc.Portals).Elem()
}

// inList edits an object of a list.
func (e *editor) inList(edit Edit) error {
	k := edit.Key
	i := e.doc.index(k)
	var old *node
	if i >= 0 {
		n, _ := e.doc.find(k)
		old = &n
	}
	b, err := e.object(edit, old)
	if err != nil {
		return err
	}
	list, key := e.list(k.Kind), listOf(k.Kind)
	if edit.Op == DeleteObject {
		list.Set(reflect.AppendSlice(list.Slice(0, i), list.Slice(i+1, list.Len())))
		e.keep(k.Kind, i, true)
		return e.retext(change{entry: key, count: list.Len(), splice: func(s *splicer) []byte { return s.cutItem(key, i) }, mutate: func(root *node) {
			root.field(key).of = slices.Delete(root.field(key).of, i, i+1)
		}})
	}
	if k.Kind == PortalObject {
		e.namePortal(k, i, &b)
	} else {
		b.withName(k.Name)
	}
	v := reflect.New(list.Type().Elem()).Elem()
	if err := e.decode(k, b.n, v); err != nil {
		return err
	}
	if err := e.renamed(k, i, v); err != nil {
		return err
	}
	at := i
	if i < 0 {
		list.Set(reflect.Append(list, v))
		at = list.Len() - 1
	} else {
		list.Index(i).Set(v)
	}
	e.keep(k.Kind, at, false)
	e.bodies = append(e.bodies, edited{key: k, list: key, name: e.doc.nameOf(k.Kind, at), root: b.n})
	return e.retext(change{entry: key, count: list.Len(), path: key + indexed(at), want: b.n, splice: func(s *splicer) []byte { return s.putItem(key, i, b) }, mutate: func(root *node) {
		if root.field(key) == nil {
			root.put(named(key, node{form: listNode}))
		}
		if all := root.field(key); i < 0 {
			all.of = append(all.of, *b.n)
		} else {
			all.of[i] = *b.n
		}
	}})
}

// keep notes that an object is not as it was, or is gone.
func (e *editor) keep(kind ObjectKind, i int, gone bool) {
	var kept *[]bool
	switch kind {
	case UnitObject:
		kept = &e.units
	case TargetObject:
		kept = &e.targets
	case UserObject: // whose files are in what targets have
		clear(e.targets)
		return
	default:
		return
	}
	switch {
	case gone:
		*kept = slices.Delete(*kept, i, i+1)
	case i == len(*kept):
		*kept = append(*kept, false)
	default:
		(*kept)[i] = false
	}
}

// namePortal gives a portal without a name that of its key, unless that is where it listens.
func (e *editor) namePortal(k Key, i int, b *body) {
	var p Portal
	if e.decode(k, b.n, reflect.ValueOf(&p).Elem()) != nil || p.Name != "" {
		return
	}
	e.settle(&p)
	has := i >= 0 && e.doc.Portals[i].Name == k.Name
	if !has && (!plainName(k.Name) || k.Name == p.Written || k.Name == p.Address.Text || i >= 0) {
		return
	}
	if b.n.form != fieldsNode {
		b.n = long(PortalObject, b.n, b.n)
	}
	b.withName(k.Name)
}

// settle finds where a portal listens, if it says it rightly.
func (e *editor) settle(p *Portal) {
	setDefault(&p.Kind, e.schema.Default("transport"))
	if kind, err := e.schema.Find("transport", p.Kind); err == nil {
		p.Address, _ = kind.Parse(p.Kind, p.Written, p.Written)
	}
}

// renamed refuses an object that has the name of another than the one at i.
func (e *editor) renamed(k Key, i int, v reflect.Value) error {
	switch x := v.Addr().Interface().(type) {
	case *User:
		k.Name = x.Name
	case *Unit:
		k.Name = x.Name
	case *Target:
		x.Name = normalTarget(x.Name)
		k.Name = x.Name
	case *Portal:
		e.settle(x)
		k.Name = x.key()
	}
	if other := e.doc.index(k); other >= 0 && other != i {
		return &ObjectThereError{k}
	}
	return nil
}

// inTarget edits an access of a target.
func (e *editor) inTarget(edit Edit) error {
	t, i, name := e.doc.inTarget(edit.Key.Name)
	if t < 0 {
		target, _, _ := strings.Cut(edit.Key.Name, "/")
		return &NoObjectError{Key{TargetObject, target}}
	}
	was, _ := e.doc.find(Key{TargetObject, e.doc.Targets[t].Name})
	list := node{form: listNode}
	if l := was.field("access"); l != nil {
		list.of = slices.Clone(l.of)
	}
	var old *node
	if i >= 0 {
		old = &list.of[i]
	}
	b, err := e.object(edit, old)
	if err != nil {
		return err
	}
	if edit.Op == DeleteObject {
		list.of = slices.Delete(list.of, i, i+1)
	} else {
		b.withName(name)
		var a Access
		if err := e.decode(edit.Key, b.n, reflect.ValueOf(&a).Elem()); err != nil {
			return err
		}
		for j, other := range e.doc.Targets[t].Access {
			if other.Name == a.Name && j != i {
				return &ObjectThereError{Key{AccessObject, e.doc.Targets[t].Name + "/" + a.Name}}
			}
		}
		if i < 0 {
			list.of = append(list.of, *b.n)
		} else {
			list.of[i] = *b.n
		}
		e.bodies = append(e.bodies, edited{key: edit.Key, list: "access", name: a.Name, root: b.n})
	}
	now := was
	now.of = slices.Clone(was.of)
	now.put(named("access", list))
	var target Target
	if err := e.decode(Key{TargetObject, e.doc.Targets[t].Name}, &now, reflect.ValueOf(&target).Elem()); err != nil {
		return err
	}
	target.Name = normalTarget(target.Name)
	e.doc.Targets[t] = target
	e.keep(TargetObject, t, false)
	return e.retext(change{entry: "targets", count: len(e.doc.Targets), path: "targets" + indexed(t), want: &now, splice: func(s *splicer) []byte {
		entry := s.o.entry("targets")
		l := entry.listed(s.text)
		if l == nil {
			return nil
		}
		if s.o = s.o.within(s.text, l, l.items[t]); s.o == nil {
			return nil
		}
		if edit.Op == DeleteObject {
			return s.cutItem("access", i)
		}
		return s.putItem("access", i, b)
	}, mutate: func(root *node) { root.field("targets").of[t] = now }})
}
