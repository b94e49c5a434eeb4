package model

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// A text that is taken in pieces says what it says as a whole.
func FuzzPieces(f *testing.F) {
	f.Add([]byte(goodYAML))
	f.Add([]byte(editYAML))
	f.Add([]byte("a: 'x\n  y'\nb:\n- c\n- d: |\n   x\n"))
	f.Add([]byte(`{"a": [1, {"b": "\u00e9"}], "c": null}`))
	f.Add([]byte("b:\n-\nd: x\n")) // the parser takes d for a part of the list
	f.Fuzz(func(t *testing.T, text []byte) {
		text, _, err := encoded(text)
		if err != nil || len(text) > 2<<10 || bytes.ContainsAny(text, "\t#") { // the parser wants no tabs in lines of blanks, and takes some comments for text
			return
		}
		o := newOutline(text)
		if o == nil {
			return
		}
		d := Document{source: source{text: text, outline: o, recent: new(recent)}}
		pieces, p := d.root()
		if p != nil {
			return
		}
		if o.json {
			r := newJSONReader(text, 0, Position{1, 1})
			if whole, ok := r.value(true); !ok || !same(&whole, &pieces) {
				t.Fatalf("%q is %+v, and in pieces %+v", text, whole, pieces)
			}
			return
		}
		whole, p := parseYAML(text, 1)
		if refused(&pieces) && (p != nil || refused(&whole)) {
			return
		}
		folded(&whole) // the parser differs about the blanks at the end of a text
		folded(&pieces)
		if p != nil || !same(&whole, &pieces) {
			t.Fatalf("%q is %+v (%v), and in pieces %+v", text, whole, p, pieces)
		}
	})
}

// folded has one blank for each run of them in scalars.
func folded(n *node) {
	n.text = strings.Join(strings.Fields(n.text), " ")
	for i := range n.of {
		folded(&n.of[i])
	}
}

// refused reports that there is something in a value that no document has.
func refused(n *node) bool {
	_, plain := n.scalar()
	return !plain && n.form != listNode && n.form != fieldsNode || slices.ContainsFunc(n.of, func(n node) bool { return refused(&n) })
}

// An edit of anything by anything makes a document that is right, or says what is wrong; the document before
// stays as it is.
func FuzzEdited(f *testing.F) {
	f.Add([]byte(editYAML), "put", "unit/db", []byte("name: db\nstore:\n  kind: memory # x\n  size: 1M\n"))
	f.Add([]byte(editYAML), "merge", "target/iqn.2026-11.io.lunette:t", []byte(`{"luns": {"0": null}}`))
	f.Add([]byte(editYAML), "delete", "user/alice", []byte(""))
	f.Add([]byte(editYAML), "put", "access/iqn.2026-11.io.lunette:u/a", []byte("# c\nluns: {0: db}\n"))
	f.Add([]byte(`{"version": 1, "units": []}`), "create", "section/limits", []byte(`{"memory": "1G"}`))
	f.Add([]byte("{version: 1, units: [ ], # c\n portals: [a,]}"), "create", "portal/b", []byte("address: 127.0.0.1\n"))
	f.Fuzz(func(t *testing.T, text []byte, op, key string, body []byte) {
		if len(text)+len(body) > 4<<10 {
			return
		}
		d, err := Read("fuzz", text, testSchema)
		k, ok := ParseKey(key)
		if err != nil || !ok {
			return
		}
		was, before := meaning(d), string(d.Text())
		now, err := d.Edited(testSchema, Edit{Op: EditOp(op), Key: k, Body: body})
		if meaning(d) != was || string(d.Text()) != before {
			t.Fatalf("%q has changed", before)
		}
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("the error has two lines: %q", err)
			}
			return
		}
		again, err := Read("fuzz", now.Text(), testSchema)
		if err != nil || meaning(again) != meaning(now) {
			t.Fatalf("%s %s %q of\n%s\nis\n%s\nwhich is read as\n%s(%v), want\n%s", op, key, body, before, now.Text(), meaning(again), err, meaning(now))
		}
		for _, kind := range []ObjectKind{UserObject, UnitObject, TargetObject, AccessObject, PortalObject, SectionObject} {
			for _, k := range now.Keys(kind) {
				if _, ok := now.ETag(k); !ok {
					t.Fatalf("%v is not there in\n%s", k, now.Text())
				}
			}
		}
	})
}

// What is quoted is read as it was, unless it has so many brackets that a reader that does not look for quotes
// takes it for deep.
func FuzzQuoted(f *testing.F) {
	for _, s := range oddTexts {
		f.Add(s)
	}
	f.Add(strings.Repeat("[", 17))
	f.Fuzz(func(t *testing.T, s string) {
		n := fieldsOf(named("k", textNode(s)), named("l", node{form: listNode, of: []node{textNode(s)}}))
		for _, form := range []Format{YAML, JSON} {
			text := encode(&n, form)
			if _, _, err := encoded(text); err != nil || len(text) > 4<<10 || tooDeep(text) > 0 || strings.ContainsRune(s, '\ufffd') {
				return
			}
			again, p := parseYAML(text, 1)
			if p != nil || !same(&again, &n) {
				t.Fatalf("%q is written %s and read as %+v (%v)", s, text, again, p)
			}
		}
	})
}
