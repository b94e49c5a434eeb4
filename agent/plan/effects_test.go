package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// base is a document in which everything is that the cases below change.
const base = `
users:
- {name: ann, secret-file: /s/ann}
units:
- name: db
  store: {kind: vault, path: /d/db, size: 10G}
  device: {kind: slab, serial: S1}
- name: scratch
  store: {kind: mist, size: 1M}
  filters: [{kind: slow}]
- name: open
  store: {kind: vault, path: /d/open}
targets:
- name: iqn.2026-11.io.test:a
  luns: {0: db, 1: scratch, 2: open}
- name: iqn.2026-11.io.test:b
  luns: {0: db}
  let-in: [i1, i2]
portals:
- 127.0.0.1:3260
- wire+tcp://127.0.0.1:3261
`

// cases are one change each: text that is replaced, and the steps that it has.
var cases = []struct {
	name, old, new string
	steps          []string // OP KEY [<FROM] EFFECT: NOTICE
}{
	{"comment", "units:", "# more\nunits:", nil},
	{"default", "kind: mist, size: 1M", "kind: mist, size: 1024K", nil},
	{"default written out", "serial: S1}", "serial: s1, block-size: 512, read-only: false}", nil},
	{"secret file", "/s/ann", "/s/new", []string{"change user/ann unseen: it counts at the next login"}},
	{"user", "- {name: ann, secret-file: /s/ann}", "- {name: bob, secret-file: /s/bob}",
		[]string{"create user/bob unseen: ", "remove user/ann unseen: "}},
	{"alias", "luns: {0: db}", "luns: {0: db}\n  alias: x", []string{"change target/iqn.2026-11.io.test:b unseen: "}},
	{"grown", "size: 10G", "size: 20G", []string{"change unit/db told: initiators that see it are told: CAPACITY DATA HAS CHANGED"}},
	{"shrunk", "size: 10G", "size: 5G",
		[]string{"change unit/db loses-data: initiators that see it are told: CAPACITY DATA HAS CHANGED; what lies behind its new end is gone"}},
	{"shrunk and replaced", "size: 10G}\n  device: {kind: slab, serial: S1}", "size: 5G}\n  device: {kind: slab, serial: S2}",
		[]string{"change unit/db loses-data: initiators that see it are told: CAPACITY DATA HAS CHANGED; what lies behind its new end is gone; initiators that see it find another unit in its place"}},
	{"smaller at another path", "/d/db, size: 10G", "/d/other, size: 5G",
		[]string{"change unit/db replaces: initiators that see it are told: CAPACITY DATA HAS CHANGED; initiators that see it find another unit in its place"}},
	{"handed over and shrunk", "path: /d/db, size: 10G}\n  device: {kind: slab, serial: S1}", "path: /d/other}\n  device: {kind: slab, serial: S1}\n- name: new\n  store: {kind: vault, path: /d/db, size: 5G}",
		[]string{"change unit/db replaces: initiators that see it are told: CAPACITY DATA HAS CHANGED; initiators that see it find another unit in its place",
			"create unit/new <unit/db loses-data: what lies behind its new end is gone"}},
	{"size of what is there", "path: /d/open", "path: /d/open, size: 1M",
		[]string{"change unit/open loses-data: initiators that see it are told: CAPACITY DATA HAS CHANGED; what lies behind its new end is gone"}},
	{"more than is there", "path: /d/open", "path: /d/open, size: 2M",
		[]string{"change unit/open told: initiators that see it are told: CAPACITY DATA HAS CHANGED"}},
	{"telling", "serial: S1", "serial: S1, read-only: true", []string{"change unit/db told: initiators that see it are told"}},
	{"live", "size: 10G", "size: 10G, sync: true", []string{"change unit/db unseen: "}},
	{"restarted", "serial: S1", "serial: S1, cores: 2", []string{"change unit/db needs-restart: it counts when the daemon is started again"}},
	{"optional", "device: {kind: slab, serial: S1}", "device: {kind: slab, serial: S1}\n  optional: true", []string{"change unit/db unseen: "}},
	{"another path", "/d/db", "/d/other", []string{"change unit/db replaces: initiators that see it find another unit in its place"}},
	{"another serial", "S1", "S2", []string{"change unit/db replaces: initiators that see it find another unit in its place"}},
	{"another filter", "{kind: slow}", "{kind: slow, by: 2ms}",
		[]string{"change unit/scratch loses-data: what it holds is gone: its store keeps nothing when it is closed; initiators that see it find another unit in its place"}},
	{"swap of paths", "path: /d/db, size: 10G}\n  device: {kind: slab, serial: S1}\n- name: scratch\n  store: {kind: mist, size: 1M}\n  filters: [{kind: slow}]\n- name: open\n  store: {kind: vault, path: /d/open}",
		"path: /d/open, size: 10G}\n  device: {kind: slab, serial: S1}\n- name: scratch\n  store: {kind: mist, size: 1M}\n  filters: [{kind: slow}]\n- name: open\n  store: {kind: vault, path: /d/db}",
		[]string{"change unit/db <unit/open replaces: initiators that see it find another unit in its place",
			"change unit/open <unit/db replaces: initiators that see it find another unit in its place"}},
	{"unit renamed", "name: open", "name: shut", nil}, // see below: its LUN has another name too
	{"session may not stay", "[i1, i2]", "[i2]", []string{"change target/iqn.2026-11.io.test:b ends-sessions: it counts for who logs in next; 1 session ends: i1"}},
	{"wider", "[i1, i2]", "[i1, i2, i3]", []string{"change target/iqn.2026-11.io.test:b unseen: it counts for who logs in next"}},
	{"target renamed", "test:b", "test:c", []string{"rename target/iqn.2026-11.io.test:c <target/iqn.2026-11.io.test:b ends-sessions: 2 sessions end: i1, i2"}},
	{"LUN", "luns: {0: db}", "luns: {0: db, 1: open}",
		[]string{"change target/iqn.2026-11.io.test:b told: initiators that are logged in are told: REPORTED LUNS DATA HAS CHANGED"}},
	{"LUN that is not written to", "luns: {0: db}", "luns: {0: {unit: db, read-only: true}}",
		[]string{"change target/iqn.2026-11.io.test:b told: initiators that are logged in are told: REPORTED LUNS DATA HAS CHANGED"}},
	{"portal named", "- 127.0.0.1:3260", "- {address: \"127.0.0.1:3260\", targets: [\"iqn.2026-11.io.test:a\"]}",
		[]string{"change portal/rope+tcp://127.0.0.1:3260 unseen: it counts for who logs in next"}},
	{"portal goes", "- wire+tcp://127.0.0.1:3261", "",
		[]string{"remove portal/wire+tcp://127.0.0.1:3261 unseen: nobody logs in there any more; sessions that have come by it stay"}},
	{"address of another kind", "- 127.0.0.1:3260\n- wire+tcp://127.0.0.1:3261", "- rope+tcp://127.0.0.1:3261",
		[]string{"create portal/rope+tcp://127.0.0.1:3261 <portal/wire+tcp://127.0.0.1:3261 unseen: ",
			"remove portal/rope+tcp://127.0.0.1:3260 unseen: nobody logs in there any more; sessions that have come by it stay",
			"remove portal/wire+tcp://127.0.0.1:3261 unseen: nobody logs in there any more; sessions that have come by it stay"}},
	{"limits", "users:", "limits: {connections: 5}\nusers:", []string{"change section/limits unseen: "}},
	{"memory", "users:", "limits: {memory: 2G}\nusers:", []string{"change section/limits needs-restart: it counts when the daemon is started again"}},
	{"discovery", "users:", "rope: {discovery: [x]}\nusers:", []string{"change section/rope unseen: "}},
	{"reactors", "users:", "rope: {reactors: 2}\nusers:", []string{"change section/rope needs-restart: it counts when the daemon is started again"}},
}

// crowdOfB are two initiators who are logged in to one target.
var crowdOfB = crowd{iqn + "b": {"i1", "i2"}}

func steps(p *plan.Plan) []string {
	var all []string
	for _, s := range p.Steps {
		from := ""
		if s.From.Name != "" {
			from = "<" + s.From.String() + " "
		}
		all = append(all, fmt.Sprintf("%s %v %s%v: %s", s.Op, s.Key, from, s.Effect, s.Notice))
	}
	return all
}

// TestEffects: what is noticed of one change of each class.
func TestEffects(t *testing.T) {
	old := read(t, base)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := strings.ReplaceAll(base, c.old, c.new)
			if text == base {
				t.Fatal("the case changes nothing")
			}
			if c.name == "unit renamed" {
				text = strings.Replace(text, "2: open", "2: shut", 1)
				c.steps = []string{"rename unit/shut <unit/open unseen: ", "change target/iqn.2026-11.io.test:a unseen: "}
			}
			got := steps(mustMake(t, old, read(t, text), crowdOfB))
			if strings.Join(got, "\n") != strings.Join(c.steps, "\n") {
				t.Errorf("the steps are\n\t%s\nnot\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.steps, "\n\t"))
			}
		})
	}
}

// TestTied: where sessions are nothing without their portal they end with it, and with what it showed.
func TestTied(t *testing.T) {
	text := func(portal string) string {
		return strings.Replace(base, "- wire+tcp://127.0.0.1:3261", portal, 1)
	}
	const a, b, at = "iqn.2026-11.io.test:a", "iqn.2026-11.io.test:b", "cord+tcp://127.0.0.1:3261"
	portal := func(more string) string {
		return text("- {name: c, kind: cord+tcp, address: \"127.0.0.1:3261\"" + more + "}")
	}
	for _, c := range []struct{ old, new, want string }{
		{portal(""), text(""), "remove portal/c ends-sessions: nobody logs in there any more; sessions that have come by it end"},
		{portal(""), strings.Replace(portal(""), ":3261", ":3262", 1), "change portal/c ends-sessions: nobody logs in at its old address any more; sessions that have come by it end"},
		{portal(""), portal(", tag: 2"), "change portal/c ends-sessions: sessions that have come by it end with targets that it does not show as before; it counts for who logs in next"},
		{portal(""), portal(", targets: [\"" + a + "\"]"), "change portal/c ends-sessions: sessions that have come by it end with targets that it does not show as before; it counts for who logs in next"},
		{portal(", targets: [\"" + a + "\"]"), portal(", targets: [\"" + a + "\", \"" + b + "\"]"), "change portal/c unseen: it counts for who logs in next"},
		{text(""), portal(""), "create portal/c unseen: "},
	} {
		if got := strings.Join(steps(mustMake(t, read(t, c.old), read(t, c.new), crowdOfB)), "\n"); got != c.want {
			t.Errorf("%s is\n%s, not\n%s", at, got, c.want)
		}
	}
}

// TestDigest: a plan is good for one document on one generation.
func TestDigest(t *testing.T) {
	a, b := read(t, base), read(t, base+"# more\n")
	seen := make(map[string]bool)
	for _, n := range []uint64{1, 2} {
		p, err := plan.Make(schema(), n, a, a, nil)
		if err != nil || p.From != n {
			t.Fatal(p, err)
		}
		q, _ := plan.Make(schema(), n, a, b, nil)
		seen[p.Digest], seen[q.Digest] = true, true
	}
	if len(seen) != 4 {
		t.Errorf("there are %d digests of 2 documents on 2 generations", len(seen))
	}
}

// TestUnmapped: nobody notices what becomes of a unit that no target maps, but data that is gone is told.
func TestUnmapped(t *testing.T) {
	old, new := read(t, base), read(t, base)
	for i := range old.Targets {
		old.Targets[i].LUNs, new.Targets[i].LUNs = nil, nil
	}
	new.Units[0].Store = new.Units[0].Store.With("path", "/d/other")
	new.Units[2].Device = new.Units[2].Device.With("read-only", "true")
	_ = new.Validate(schema())
	new.Units = append(new.Units[:1], new.Units[2:]...)
	got := steps(mustMake(t, old, new, nil))
	want := []string{"change unit/db unseen: ", "change unit/open unseen: ", "remove unit/scratch loses-data: what it holds is gone: its store keeps nothing when it is closed"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the steps are\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestAlike: units that are alike and claim nothing are the same where they are seen at the same LUN.
func TestAlike(t *testing.T) {
	doc := func(first, second string) string {
		const unit = "- {name: %s, store: {kind: mist}}\n"
		return fmt.Sprintf("units:\n"+unit+unit+"targets:\n- {name: \"%sa\", luns: {0: %s, 1: %s}}\n", min(first, second), max(first, second), iqn, first, second)
	}
	got := strings.Join(steps(mustMake(t, read(t, doc("a", "b")), read(t, doc("d", "c")), nil)), "\n")
	want := "rename unit/c <unit/b unseen: \nrename unit/d <unit/a unseen: \nchange target/iqn.2026-11.io.test:a unseen: "
	if got != want {
		t.Errorf("the steps are\n%s\nnot\n%s", got, want)
	}
}

// TestAccess: the first element that is about an initiator counts, so that their order is a change.
func TestAccess(t *testing.T) {
	const one, two = "  - {name: x, initiators: [i1, i2], luns: {0: db}}\n", "  - {name: y, initiators: [i2], luns: {1: open}}\n"
	with := func(access string) string {
		return strings.Replace(base, "let-in: [i1, i2]", "let-in: [i1, i2]\n  access:\n"+access, 1)
	}
	const told = "told: initiators that are logged in are told: REPORTED LUNS DATA HAS CHANGED"
	for _, c := range []struct{ old, new, want string }{
		{one + two, two + one, "change target/iqn.2026-11.io.test:b " + told},
		{one, one + two, "create access/iqn.2026-11.io.test:b/y " + told},
		{one + two, two, "remove access/iqn.2026-11.io.test:b/x " + told},
		{one, strings.Replace(one, "0: db", "0: open", 1), "change access/iqn.2026-11.io.test:b/x " + told},
		{one, strings.Replace(one, "[i1, i2]", "[i2, i1]", 1), ""},
	} {
		got := strings.Join(steps(mustMake(t, read(t, with(c.old)), read(t, with(c.new)), crowdOfB)), "\n")
		if got != c.want {
			t.Errorf("the steps are\n%s\nnot\n%s", got, c.want)
		}
	}
}

// TestUserGoes: sessions of a user who is not there any more end with the user, if their target does not change.
func TestUserGoes(t *testing.T) {
	old, new := read(t, base), read(t, base)
	new.Users = nil
	p := mustMake(t, old, new, ended{})
	if got, want := strings.Join(steps(p), "\n"), "remove user/ann ends-sessions: 2 sessions end: i1"; got != want {
		t.Errorf("the steps are\n%s\nnot\n%s", got, want)
	}
}

// ended is a session with each target, none of which may stay.
type ended struct{ crowd }

func (ended) Ends(old *model.Target, _ *model.Document) []plan.Session {
	return []plan.Session{{Transport: "rope", ID: "1", Initiator: "i1", Target: old.Name}}
}

// TestFields: what changes is told with its place, as it was and as it is.
func TestFields(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"size: 10G", "size: 20480M, sync: true", "store.size 10G>20G; store.sync >true"},
		{"kind: mist, size: 1M", "kind: vault, path: /d/x", "store.kind mist>vault; store.path >/d/x"},
		{"[{kind: slow}]", "[{kind: slow, by: 1s}, {kind: slow}]", "filters[0].by 1ms>1s; filters[1].kind >slow"},
		{"  filters: [{kind: slow}]\n", "  optional: true\n", "filters[0].kind slow>; optional >true"},
		{"{0: db, 1: scratch, 2: open}", "{0: open, 1: scratch, 3: {unit: db, read-only: true}}", "luns.0 db>open; luns.2 open>; luns.3 >db (read-only)"},
		{"let-in: [i1, i2]", "auth: {method: rope, users: [ann]}\n  maintenance: true", "maintenance >true; let-in i1, i2>; auth.users >ann; auth.method none>rope"},
		{"let-in: [i1, i2]", "let-in: [i2, i1]", "let-in i1, i2>i2, i1"},
		{"- 127.0.0.1:3260", "- {kind: rope+tcp, address: \"127.0.0.1:3260\", tag: 2, digest: true, targets: [\"iqn.2026-11.io.test:b\"]}", "targets >iqn.2026-11.io.test:b; tag >2; digest >true"},
		{"users:", "limits: {connections: 5, memory: 2G, idle-timeout: 1m}\nusers:", "memory 1G>2G; connections 20000>5; idle-timeout 30s>1m0s"},
		{"users:", "rope: {discovery: [x, y]}\nusers:", "discovery >x, y"},
	} {
		text := strings.Replace(base, c.old, c.new, 1)
		if text == base {
			t.Fatalf("%q changes nothing", c.old)
		}
		p := mustMake(t, read(t, base), read(t, text), nil)
		var got []string
		for _, s := range p.Steps {
			for _, f := range s.Fields {
				got = append(got, f.Path+" "+f.Old+">"+f.New)
			}
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s:\n\t%s\nnot\n\t%s", c.new, strings.Join(got, "; "), c.want)
		}
	}
}
