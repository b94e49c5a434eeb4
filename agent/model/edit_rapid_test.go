package model

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What is encoded is read as the same, in every format.
func TestEncodeMeansTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := genDocument(t)
		d, err := Read("x", encode(&root, JSON), testSchema)
		if err != nil {
			t.Fatal(err)
		}
		built := Document{Version: d.Version, Users: d.Users, Units: slices.Clone(d.Units), Targets: d.Targets, Portals: slices.Clone(d.Portals), Limits: d.Limits, Given: d.Given}
		if d.source.portals {
			built.Portals = nil
		}
		if err := built.Validate(testSchema); err != nil {
			t.Fatal(err)
		}
		for _, d := range []*Document{d, &built} {
			for _, f := range []Format{YAML, JSON} {
				text, err := d.Encode(f)
				if err != nil {
					t.Fatal(err)
				}
				again, err := Read("x", text, testSchema)
				if err != nil || meaning(again) != meaning(d) {
					t.Fatalf("%s\nis read as\n%s(%v), want\n%s", text, meaning(again), err, meaning(d))
				}
				if f == YAML && again.source.outline == nil {
					t.Fatalf("%s\ncannot be taken in pieces", text)
				}
			}
		}
	})
}

// What people write is read as it is meant, and in pieces as at once.
func TestReadInPiecesMeansTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := genDocument(t)
		s := scribe{t: t, comments: map[string]string{}}
		text := s.document(&root)
		d, err := Read("x", []byte(text), testSchema)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if d.source.outline == nil {
			t.Fatalf("%s\ncannot be taken in pieces", text)
		}
		whole, p := parseWhole([]byte(text))
		if p != nil {
			t.Fatal(p)
		}
		pieces, p := d.root()
		if p != nil || !same(&whole, &pieces) || !same(&whole, &root) || s.eol == "\n" && !samePlaces(&whole, &pieces) { // the parser miscounts other line breaks
			t.Fatalf("%s\n%+v\n%+v", text, whole, pieces)
		}
		for _, kind := range []ObjectKind{UserObject, UnitObject, TargetObject, AccessObject, PortalObject, SectionObject} {
			for _, k := range d.Keys(kind) {
				n, _ := d.find(k)
				for _, f := range []Format{YAML, JSON} {
					text, ok := d.Object(k, f)
					b, p := parseBody(Edit{Op: PutObject, Key: k, Body: text})
					if !ok || p != nil || !same(b.n, &n) {
						t.Fatalf("%v is %s (%v)", k, text, p)
					}
				}
			}
		}
	})
}

// samePlaces reports that keys and scalars stand at the same places.
func samePlaces(a, b *node) bool {
	_, plain := a.scalar()
	if a.keyAt != b.keyAt || plain && a.at != b.at {
		return false
	}
	for i := range a.of {
		if !samePlaces(&a.of[i], &b.of[i]) {
			return false
		}
	}
	return true
}

// An edit changes one object, and nothing else: what comes out is what it would be in any other way, and no
// comment that is not in the object is lost.
func TestEditedMeansTheSame(t *testing.T) {
	edits := 0
	rapid.Check(t, func(t *rapid.T) {
		root := genDocument(t)
		s := scribe{t: t, comments: map[string]string{}}
		text := ""
		switch rapid.IntRange(0, 5).Draw(t, "style") {
		case 0:
			text = string(encode(&root, JSON))
		case 1:
			var w writer
			w.flow(&root, JSON)
			text = w.String()
		case 2:
			s.flow(&root)
			text = s.b.String()
		default:
			text = s.document(&root)
		}
		d, err := Read("x", []byte(text), testSchema)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for range rapid.IntRange(1, 3).Draw(t, "edits") {
			e, path, now := genEdit(t, d, root)
			want, err1 := Read("x", encode(&now, JSON), testSchema)
			got, err2 := d.Edited(testSchema, e)
			if (err1 == nil) != (err2 == nil) {
				t.Fatalf("%s %s %s of\n%s\n%v, want %v", e.Op, e.Key, e.Body, text, err2, err1)
			}
			if err1 != nil {
				return
			}
			edits++
			again, err := Read("x", got.Text(), testSchema)
			if err != nil || meaning(got) != meaning(want) || meaning(again) != meaning(want) {
				t.Fatalf("%s %s %s of\n%s\nis\n%s\n%s(%v), want\n%s", e.Op, e.Key, e.Body, text, got.Text(), meaning(got), err, meaning(want))
			}
			for comment, at := range s.comments {
				if !strings.HasPrefix(at, path) && !strings.Contains(string(got.Text()), comment) {
					t.Fatalf("%s %s %s of\n%s\nis\n%s\nand %s is lost, which was in %q", e.Op, e.Key, e.Body, text, got.Text(), comment, at)
				}
			}
			if tag, _ := got.ETag(Key{}); tag == "" {
				t.Fatal("no tag")
			}
			s.comments, d, root, text = nil, got, now, string(got.Text())
		}
	})
	if edits < 20 {
		t.Errorf("only %d edits were right", edits)
	}
}

// genEdit makes an edit of a document, says where its object is, and what the document is then.
func genEdit(t *rapid.T, d *Document, root node) (Edit, string, node) {
	kind := rapid.SampledFrom([]ObjectKind{UserObject, UnitObject, TargetObject, PortalObject, AccessObject, SectionObject}).Draw(t, "kind")
	if kind == AccessObject && len(d.Targets) == 0 {
		kind = TargetObject
	}
	var units []string
	for _, u := range d.Units {
		units = append(units, u.Name)
	}
	now := deep(root)
	if kind == SectionObject {
		return genSection(t, d, now)
	}
	list, path := &now, listOf(kind)
	prefix := ""
	if kind == AccessObject {
		i := rapid.IntRange(0, len(d.Targets)-1).Draw(t, "target")
		list, path = &now.field("targets").of[i], "access"
		prefix = "targets" + indexed(i) + "."
	}
	all := list.field(path)
	if all == nil {
		list.of = append(list.of, named(path, listed()))
		all = list.field(path)
	}
	i := -1
	if len(all.of) > 0 && rapid.Bool().Draw(t, "one that is there") {
		i = rapid.IntRange(0, len(all.of)-1).Draw(t, "which")
	}
	e := Edit{Op: PutObject, Key: Key{Kind: kind}}
	n := node{}
	name := rapid.SampledFrom([]string{"n", "m", "2", "true"}).Draw(t, "name")
	switch kind {
	case UserObject:
		n = fieldsOf(named("name", textNode(name)), named("secret-file", str(t, "file")))
	case UnitObject:
		n = genUnit(t, name)
	case TargetObject:
		name = "iqn.2026-11.io.x:" + name
		n = genTarget(t, name, units)
	case PortalObject:
		name = "z"
		n = genPortal(t, name)
		if n.form == stringNode {
			name = "iscsi+tcp://" + n.text
		}
	case AccessObject:
		n = genAccess(t, name, units)
		target := strings.TrimSuffix(prefix, ".")
		at, _, _ := cutIndex(strings.TrimPrefix(target, "targets"))
		name = d.Targets[at].Name + "/" + name
	}
	e.Key.Name = name
	if i >= 0 {
		if kind == AccessObject {
			at, _, _ := cutIndex(strings.TrimPrefix(strings.TrimSuffix(prefix, "."), "targets"))
			e.Key.Name = d.Targets[at].Name + "/" + d.Targets[at].Access[i].Name
		} else {
			e.Key = d.Keys(kind)[i]
		}
	}
	if i < 0 { // there may be one of that name
		i = d.index(e.Key)
		if kind == AccessObject {
			_, i, _ = d.inTarget(e.Key.Name)
		}
	}
	at := prefix + path + indexed(max(i, 0))
	switch {
	case i >= 0 && rapid.Bool().Draw(t, "delete"):
		e.Op = DeleteObject
		all.of = slices.Delete(all.of, i, i+1)
		return e, at, now
	case i >= 0 && kind == TargetObject && rapid.Bool().Draw(t, "merge"):
		e.Op, e.Body = MergeObject, []byte(`{"alias": "merged", "luns": {"5000": null}, "maintenance": null}`)
		all.of[i].put(named("alias", textNode("merged")))
		all.of[i].drop("maintenance")
		return e, at, now
	case i >= 0:
		all.of[i] = n
		if kind == PortalObject && n.form == stringNode && !strings.Contains(e.Key.Name, ":") { // it keeps its name
			all.of[i] = fieldsOf(named("name", textNode(e.Key.Name)), named("address", n))
		}
	default:
		all.of = append(all.of, n)
		at = "nowhere"
		if rapid.Bool().Draw(t, "create") {
			e.Op = CreateObject
		}
	}
	e.Body = genBody(t, &n)
	return e, at, now
}

// genBody writes an object in some way.
func genBody(t *rapid.T, n *node) []byte {
	switch rapid.IntRange(0, 3).Draw(t, "body") {
	case 0:
		return encode(n, YAML)
	case 1:
		return encode(n, JSON)
	}
	s := scribe{t: t, comments: map[string]string{}, eol: "\n"}
	if n.form != fieldsNode || len(n.of) == 0 || s.chance(3, "flow") {
		s.flow(n)
		return []byte(s.b.String())
	}
	for i := range n.of {
		s.between("", "")
		s.b.WriteString(n.of[i].name + ":")
		s.value(&n.of[i], "", "", false)
	}
	return []byte(s.b.String())
}

func genSection(t *rapid.T, d *Document, now node) (Edit, string, node) {
	e := Edit{Op: PutObject, Key: Key{SectionObject, rapid.SampledFrom([]string{"limits", "network"}).Draw(t, "section")}}
	if now.field(e.Key.Name) != nil && rapid.Bool().Draw(t, "delete") {
		e.Op = DeleteObject
		now.drop(e.Key.Name)
		return e, e.Key.Name, now
	}
	n := fieldsOf(named("memory", textNode("64M")), named("stop-timeout", textNode("7s")))
	if e.Key.Name == "network" {
		n = fieldsOf(named("reactors", num(2)), named("iwarp", fieldsOf(named("max-fpdu", textNode("auto")))))
	}
	if rapid.Bool().Draw(t, "empty") {
		n = fieldsOf()
	}
	now.put(named(e.Key.Name, n))
	e.Body = genBody(t, &n)
	return e, e.Key.Name, now
}

// deep is a copy of a node with all that is in it.
func deep(n node) node {
	of := make([]node, len(n.of))
	for i := range n.of {
		of[i] = deep(n.of[i])
	}
	n.of = of
	return n
}
