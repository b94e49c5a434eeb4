package model

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const editYAML = `# our lab
version: 1
users:
  # somebody
  - name: alice # she
    secret-file: /s/alice
# what is served
units:
  - name: db            # the database
    store:
      kind: memory
      size: 1M
  # about logs
  - {name: logs, store: {kind: memory, size: 1M}} # small

  - name: web
    store: {kind: memory, size: 1M}
targets: # two
  - name: iqn.2026-11.io.lunette:t
    luns:
      0: db # first
      1: logs
    access:
      # the web
      - name: web
        luns: {0: web}
  - {name: "iqn.2026-11.io.lunette:u", luns: {0: web}, access: [{name: a}]} # last
portals: [127.0.0.1:3260, {name: front, address: 127.0.0.2}] # here
limits: {memory: 256M} # enough
# the end
`

// edit is an edit, for tests.
func edit(op EditOp, key, text string) Edit {
	k, _ := ParseKey(key)
	return Edit{Op: op, Key: k, Body: []byte(text)}
}

// Edits of a text in lines, each from the text above: old in it has become now, and nothing else.
func TestEditedKeepsTheRest(t *testing.T) {
	const t1, u = "iqn.2026-11.io.lunette:t", "iqn.2026-11.io.lunette:u"
	for _, test := range []struct {
		edits    []Edit
		old, now string
	}{
		{[]Edit{edit(PutObject, "unit/db", "name: db\nstore: {kind: memory, size: 2M} # more\n")},
			"name: db            # the database\n    store:\n      kind: memory\n      size: 1M\n", "name: db\n    store: {kind: memory, size: 2M} # more\n"},
		{[]Edit{edit(PutObject, "unit/db", `{"store": {"kind": "memory", "size": "2M"}}`)},
			"name: db            # the database\n    store:\n      kind: memory\n      size: 1M\n", "name: db\n    store:\n      kind: memory\n      size: 2M\n"},
		{[]Edit{edit(PutObject, "unit/logs", `{"name": "logs", "store": {"kind": "memory", "size": "2M"}}`)}, "{name: logs, store: {kind: memory, size: 1M}} #", "{name: logs, store: {kind: memory, size: 2M}} #"},
		{[]Edit{edit(MergeObject, "unit/logs", `{"store": {"size": 1536}, "optional": true}`)}, "{name: logs, store: {kind: memory, size: 1M}} #", "{name: logs, store: {kind: memory, size: 1536}, optional: true} #"},
		{[]Edit{edit(CreateObject, "unit/new", "# why\nstore:\n  kind: memory\n  size: 1M\n")}, "size: 1M}\ntargets", "size: 1M}\n  # why\n  - name: new\n    store:\n      kind: memory\n      size: 1M\ntargets"},
		{[]Edit{edit(CreateObject, "unit/n", `{"store": {"kind": "memory", "size": 512}}`), edit(DeleteObject, "unit/n", "")}, "", ""},
		{[]Edit{edit(DeleteObject, "user/alice", "")}, "users:\n  # somebody\n  - name: alice # she\n    secret-file: /s/alice\n", "users: []\n  # somebody\n"},
		{[]Edit{edit(DeleteObject, "user/alice", ""), edit(PutObject, "user/bob", "secret-file: /s/bob")}, "users:\n  # somebody\n  - name: alice # she\n    secret-file: /s/alice\n", "users:\n  - name: bob\n    secret-file: /s/bob\n  # somebody\n"},
		{[]Edit{edit(DeleteObject, "access/"+t1+"/web", ""), edit(DeleteObject, "unit/logs", ""), edit(MergeObject, "target/"+t1, `{"luns": {"1": null}}`)},
			"  - {name: logs, store: {kind: memory, size: 1M}} # small\n", ""},
		{[]Edit{edit(DeleteObject, "access/"+t1+"/web", "")}, "access:\n      # the web\n      - name: web\n        luns: {0: web}\n", "access: []\n      # the web\n"},
		{[]Edit{edit(PutObject, "access/"+t1+"/db", "users: [alice]\nluns:\n  0: db # too\n")}, "luns: {0: web}\n  - {name: \"iqn", "luns: {0: web}\n      - name: db\n        users: [alice]\n        luns:\n          0: db # too\n  - {name: \"iqn"},
		{[]Edit{edit(PutObject, "access/"+u+"/b", "users: [alice]\n")}, "[{name: a}]}", "[{name: a}, {name: b, users: [alice]}]}"},
		{[]Edit{edit(DeleteObject, "access/"+u+"/a", "")}, "[{name: a}]}", "[]}"},
		{[]Edit{edit(PutObject, "portal/front", "address: 127.0.0.3\n")}, "{name: front, address: 127.0.0.2}", "{name: front, address: 127.0.0.3}"},
		{[]Edit{edit(MergeObject, "portal/127.0.0.1:3260", `{"targets": ["`+u+`"]}`)}, "[127.0.0.1:3260, ", "[{address: \"127.0.0.1:3260\", targets: [\"" + u + "\"]}, "},
		{[]Edit{edit(DeleteObject, "portal/iscsi+tcp://127.0.0.1:3260", "")}, "127.0.0.1:3260, ", ""},
		{[]Edit{edit(DeleteObject, "portal/front", "")}, ", {name: front, address: 127.0.0.2}", ""},
		{[]Edit{edit(CreateObject, "portal/", `"[::1]:3261"`)}, "127.0.0.2}]", "127.0.0.2}, \"[::1]:3261\"]"},
		{[]Edit{edit(PutObject, "section/limits", "memory: 512M\n# how many\nconnections: 5\n")}, "limits: {memory: 256M} # enough\n", "limits: # enough\n  memory: 512M\n  # how many\n  connections: 5\n"},
		{[]Edit{edit(MergeObject, "section/limits", `{"logins": 10}`)}, "limits: {memory: 256M}", "limits: {memory: 256M, logins: 10}"},
		{[]Edit{edit(DeleteObject, "section/limits", "")}, "limits: {memory: 256M} # enough\n", ""},
		{[]Edit{edit(CreateObject, "section/network", `{"engine": "auto"}`)}, "# the end\n", "# the end\nnetwork:\n  engine: auto\n"},
		{[]Edit{edit(MergeObject, "target/"+t1, `{"name": "iqn.2026-11.io.lunette:v", "luns": {"0": {"read-only": true}}}`)},
			"name: iqn.2026-11.io.lunette:t\n    luns:\n      0: db # first\n      1: logs\n    access:\n      # the web\n      - name: web\n        luns: {0: web}\n",
			"name: iqn.2026-11.io.lunette:v\n    luns:\n      0:\n        unit: db\n        read-only: true\n      1: logs\n    access:\n      - name: web\n        luns:\n          0: web\n"},
	} {
		d, err := Read("x.yaml", []byte(editYAML), testSchema)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(editYAML, test.old) {
			t.Errorf("%q is not there", test.old)
		}
		want := strings.Replace(editYAML, test.old, test.now, 1)
		if len(test.edits) == 3 {
			want = strings.Replace(strings.Replace(want, "      1: logs\n    access:\n      # the web\n      - name: web\n        luns: {0: web}\n", "    access: []\n      # the web\n", 1), "0: db # first", "0: db", 1)
		}
		now, err := d.Edited(testSchema, test.edits...)
		if err != nil {
			t.Errorf("%v: %v", test.edits, err)
			continue
		}
		if got := string(now.Text()); got != want {
			t.Errorf("%s %s %s:\n%s\nwant\n%s", test.edits[0].Op, test.edits[0].Key, test.edits[0].Body, got, want)
		}
		again, err := Read("x.yaml", now.Text(), testSchema)
		if err != nil || meaning(again) != meaning(now) {
			t.Errorf("%v is read as\n%s(%v), want\n%s", test.edits, meaning(again), err, meaning(now))
		}
		if string(d.Text()) != editYAML {
			t.Errorf("%v: the document before has changed", test.edits)
		}
	}
}

// meaning is what a document means.
func meaning(d *Document) string {
	if d == nil {
		return "nothing"
	}
	var b strings.Builder
	fmt.Fprintln(&b, d.Version, d.Limits, d.Values)
	for _, u := range d.Users {
		fmt.Fprintln(&b, "user", u)
	}
	for _, u := range d.Units {
		fmt.Fprintln(&b, "unit", u.Name, u.Names, u.Store.Kind, u.Store.Values, u.Device.Kind, u.Device.Values, u.Optional)
		for _, p := range u.Filters {
			fmt.Fprintln(&b, " filter", p.Kind, p.Values)
		}
		for _, s := range u.Stores {
			fmt.Fprintln(&b, " store", s.Name, s.Kind, s.Values)
		}
	}
	for _, t := range d.Targets {
		fmt.Fprintf(&b, "target %q %q %v %+v %v %v\n", t.Name, t.Alias, t.LUNs, t.Access, t.Maintenance, t.Values)
	}
	for _, p := range d.Portals {
		fmt.Fprintln(&b, "portal", p.Name, p.String(), p.Tag, p.Targets, p.Values)
	}
	return b.String()
}

func TestEditedRefuses(t *testing.T) {
	d, err := Read("x.yaml", []byte(editYAML), testSchema)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		edit Edit
		want string
	}{
		{edit(CreateObject, "unit/db", "{}"), "there is a unit db already"},
		{edit(DeleteObject, "unit/bd", ""), "there is no unit bd"},
		{edit(MergeObject, "unit/bd", "{}"), "there is no unit bd"},
		{edit(DeleteObject, "section/network", ""), "there is no section network"},
		{edit(PutObject, "section/units", "[]"), "there is no section units"},
		{edit(PutObject, "session/1", "{}"), "there is no session 1"},
		{edit(PutObject, "access/none/a", "{}"), "there is no target none"},
		{edit("replace", "unit/db", "{}"), `unit/db: there is no edit "replace": there is create, put, merge or delete`},
		{edit(PutObject, "unit/db", ""), "unit/db: the object is empty"},
		{edit(PutObject, "unit/db", "null"), "unit/db:1:1: the object is empty"},
		{edit(PutObject, "unit/db", "[]"), "unit/db:1:1: this is a list: keys and values are wanted"},
		{edit(MergeObject, "unit/db", "[]"), "unit/db:1:1: this is a list: a merge has keys and values"},
		{edit(PutObject, "unit/db", "name: db\nstore:\n  kind: memroy\n  size: 1M\n"), `unit/db:3:9: store.kind: there is no store "memroy": there is file or memory. Did you mean "memory"?`},
		{edit(PutObject, "unit/db", "name: db\nstor: {}\n"), `unit/db:2:1: there is no key "stor" here: the keys are name, store, stores, filters, device, optional. Did you mean "store"?`},
		{edit(PutObject, "unit/db", "name: db\nstore:\n  kind: memory\n  size: 1M\n  sise: 1M\n"), `unit/db:3:3: store: a memory store has no option "sise"`},
		{edit(PutObject, "unit/db", "name: logs\nstore: {kind: memory, size: 1M}\n"), "there is a unit logs already"},
		{edit(PutObject, "unit/db", "name: \"x\n"), "unit/db:1:7: the text in quotes has no end: a \" is missing"},
		{edit(PutObject, "unit/bd", "name: bd\nstore: {kind: memory, size: 1X}\n"), `unit/bd:2:29: store.size: "1X" is not a size`},
		{edit(PutObject, "unit/db", "name: bd\nstore: {kind: memory, size: 1M}\n"), `x.yaml: targets[0].luns.0: there is no unit "db": there is bd, logs or web. Did you mean "bd"?`},
		{edit(DeleteObject, "unit/web", ""), `x.yaml: targets[0].access[0].luns.0: there is no unit "web"`},
		{edit(MergeObject, "target/iqn.2026-11.io.lunette:T", `{"luns": {"9": "x"}}`), `target/iqn.2026-11.io.lunette:T:1:16: luns.9: there is no unit "x"`},
		{edit(PutObject, "access/iqn.2026-11.io.lunette:t/web", "luns: {3: x}"), `access/iqn.2026-11.io.lunette:t/web:1:11: luns.3: there is no unit "x"`},
		{edit(PutObject, "access/iqn.2026-11.io.lunette:t/new", "user: x"), `access/iqn.2026-11.io.lunette:t/new:1:1: there is no key "user" here`},
		{edit(PutObject, "section/limits", "{memory: 1M}"), `section/limits:1:10: memory: 1M is too little`},
		{edit(PutObject, "section/limits", "{memry: 1M}"), `section/limits:1:2: there is no key "memry" here`},
		{edit(PutObject, "section/netwrk", "{engine: auto}"), `section/netwrk: there is no key "netwrk" here`},
		{edit(PutObject, "section/network", "{engine: turbine}"), `section/network:1:10: engine: "turbine" is not auto`},
		{edit(PutObject, "user/alice", "name: bob\n"), `user/alice:1:1: the user "bob" has no secret-file`},
		{edit(PutObject, "unit/db", strings.Repeat("[", 50)), "nested deeper"},
		{edit(PutObject, "portal/front", "address: 127.0.0.1\nname: front\n"), `portal/front:1:1: iscsi+tcp://127.0.0.1:3260 is here twice`},
	} {
		_, err := d.Edited(testSchema, test.edit)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) && (test.edit.Body == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s %s %s:\n got %v\nwant %s", test.edit.Op, test.edit.Key, test.edit.Body, err, test.want)
		}
	}
	var none *NoObjectError
	if _, err := d.Edited(testSchema, edit(DeleteObject, "unit/bd", "")); !errors.As(err, &none) || none.Key != (Key{UnitObject, "bd"}) {
		t.Errorf("%v", err)
	}
	if string(d.Text()) != editYAML {
		t.Error("the document has changed")
	}
}
