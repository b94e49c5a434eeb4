package model

import (
	"fmt"
	"strings"
	"testing"
)

const accessYAML = `version: 1
users:
  - {name: alice, secret-file: /s/alice}
  - {name: bob, secret-file: /s/bob}
units:
  - {name: db, store: {kind: memory, size: 1M}}
  - {name: logs, store: {kind: memory, size: 1M}}
targets:
  - name: iqn.2026-11.io.lunette:T
    luns: {0: db, 1: {unit: logs, read-only: true}}
    access:
      - name: web
        initiators: [iqn.1994-05.com.redhat:WEB-?, "*"]
        addresses: [192.0.2.0/24, "2001:DB8::1", "::ffff:192.0.2.9"]
        users: [alice]
        luns: {0: {unit: db, read-only: false}, 7: logs}
      - {name: nobody, initiators: ["*"]}
    maintenance: {redirect: "192.0.2.1:3260"}
  - {name: "iqn.2026-11.io.lunette:u", maintenance: true}
portals:
  - {name: front, address: 192.0.2.7, tag: 2, targets: ["iqn.2026-11.io.lunette:t"]}
  - 192.0.2.8
`

func TestReadTakesAccess(t *testing.T) {
	d, err := Read("x.yaml", []byte(accessYAML), testSchema)
	if err != nil {
		t.Fatal(err)
	}
	a := d.Targets[0]
	if got := fmt.Sprint(d.Users, a.LUNs, a.Access, a.Maintenance, d.Targets[1].Maintenance); got != "[{alice /s/alice} {bob /s/bob}] [{0 db false} {1 logs true}] "+
		"[{web [iqn.1994-05.com.redhat:web-? *] [192.0.2.0/24 2001:db8::1 192.0.2.9] [alice] [{0 db false} {7 logs false}]} {nobody [*] [] [] []}] {true 192.0.2.1:3260} {true }" {
		t.Errorf("%s", got)
	}
	if p := d.Portals[0]; p.Name != "front" || p.Tag != 2 || d.Portals[1].Tag != 0 {
		t.Errorf("the portals are %+v", d.Portals)
	}
}

// What may come later is not missed: a document has what it has.
func TestReadTakesLittle(t *testing.T) {
	for text, want := range map[string]struct {
		portals int
		notes   string
	}{
		"version: 1": {1, "[]"},
		`{"version": 1, "units": [], "targets": [], "users": []}`:                            {1, "[]"},
		"version: 1\nportals: []\n":                                                          {0, "[]"},
		"version: 1\nunits: [{name: a, store: {kind: memory, size: 1M}}]\n":                  {1, "[]"},
		"version: 1\ntargets: [{name: \"iqn.2026-11.io.lunette:t\"}]\n":                      {1, "[x:2:11: targets[0]: the target has no LUNs: initiators see nothing]"},
		"version: 1\ntargets: [{name: \"iqn.2026-11.io.lunette:t\", access: [{name: a}]}]\n": {1, "[]"},
		strings.Replace(goodYAML, ", 5: m", "", 1):                                           {4, `[x:8:5: units[1]: no target has the unit "m": nobody sees it until it is in the "luns" of one]`},
		strings.Replace(goodYAML, "{0: a, 5: m}", "{}", 1):                                   {4, `[x:11:5: targets[0]: the target has no LUNs: initiators see nothing x:4:5: units[0]: no target has the units a and m: nobody sees them until they are in the "luns" of one]`},
	} {
		d, err := Read("x", []byte(text), testSchema)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := fmt.Sprint([]*Problem(d.Notes)); len(d.Portals) != want.portals || got != want.notes {
			t.Errorf("%s: %d portals, %s\nwant %v", text, len(d.Portals), got, want)
		}
	}
}

func TestReadRefusesAccess(t *testing.T) {
	for _, test := range []struct{ old, now, want string }{
		{"0: db, ", "0: bd, ", `x.yaml:10:15: targets[0].luns.0: there is no unit "bd": there is db or logs. Did you mean "db"?`},
		{"{unit: logs, read-only: true}", "{unit: lgos, read-only: true}", `x.yaml:10:22: targets[0].luns.1: there is no unit "lgos": there is db or logs. Did you mean "logs"?`},
		{"{unit: logs, read-only: true}", "{read-only: true}", `x.yaml:10:22: targets[0].luns.1: it has no unit: write "{unit: UNIT, read-only: true}"`},
		{"{unit: logs, read-only: true}", "{unit: logs, readonly: true}", `x.yaml:10:35: targets[0].luns.1: there is no key "readonly" here: the keys are unit, read-only. Did you mean "read-only"?`},
		{"users: [alice]", "users: [alcie]", `x.yaml:15:17: targets[0].access[0].users[0]: there is no user "alcie": there is alice or bob. Did you mean "alice"?`},
		{"users: [alice]", "users: []", `targets[0].access[0].users: the list is empty, and nobody is on it: leave it out to ask for nothing`},
		{"users: [alice]", "users: [alice, alice]", `targets[0].access[0].users[1]: "alice" is here twice`},
		{"192.0.2.0/24", "192.0.2.7/24", `x.yaml:14:21: targets[0].access[0].addresses[0]: "192.0.2.7/24" is an address in the network 192.0.2.0/24: leave /24 out, or write the network`},
		{"192.0.2.0/24", "192.0.2.0/33", `"192.0.2.0/33" is not a network`},
		{"192.0.2.0/24", "host", `"host" is neither an address nor a network`},
		{`, "*"]`, `, "a,b"]`, `targets[0].access[0].initiators[1]: "a,b" is not the name of an initiator, or a pattern with * and ?`},
		{`, "*"]`, `, ""]`, `"" is not the name of an initiator`},
		{"7: logs", "0: logs", `targets[0].access[0].luns: the key "0" is here twice`},
		{"7: logs", "7: log", `targets[0].access[0].luns.7: there is no unit "log": there is db or logs. Did you mean "logs"?`},
		{"name: nobody", "name: web", `targets[0].access[1].name: the name "web" is here twice: each is used once in a target`},
		{"name: nobody, ", "", `x.yaml:17:9: targets[0].access[1]: it has no name`},
		{"name: nobody", "name: no/body", `"no/body" is not a name`},
		{"{redirect: \"192.0.2.1:3260\"}", "{redirect: \"192.0.2.1:x\"}", `targets[0].maintenance: "192.0.2.1:x" is not an address to send initiators to, "x" is not a port`},
		{"{redirect: \"192.0.2.1:3260\"}", "{to: \"192.0.2.1:x\"}", `targets[0].maintenance: there is no key "to" here: the keys are redirect`},
		{"{redirect: \"192.0.2.1:3260\"}", "perhaps", `"perhaps" is neither true nor false`},
		{"{redirect: \"192.0.2.1:3260\"}", "", `there is no value: leave the key out, or give it true, false, or {redirect: ADDRESS}`},
		{"name: bob", "name: alice", `x.yaml:4:12: users[1].name: there are two users "alice": each name is used once`},
		{", secret-file: /s/bob", "", `x.yaml:4:5: users[1]: the user "bob" has no secret-file`},
		{"name: bob, ", "", `x.yaml:4:5: users[1]: the user has no name`},
		{"tag: 2", "tag: 0", `x.yaml:21:44: portals[0].tag: the tag of a portal group is from 1 to 65535`},
		{"tag: 2", "tag: 65536", `portals[0].tag: the tag of a portal group is from 1 to 65535`},
		{"name: front", "name: \"a b\"", `portals[0].name: "a b" is not a name of a portal`},
		{"- 192.0.2.8", "- {name: front, address: 192.0.2.8}", `portals[1].name: there are two portals "front": each name is used once`},
		{"lunette:t\"]", "lunette:tt\"]", `portals[0].targets[0]: there is no target "iqn.2026-11.io.lunette:tt": there is iqn.2026-11.io.lunette:t or iqn.2026-11.io.lunette:u. Did you mean "iqn.2026-11.io.lunette:t"?`},
		{"kind: memory", "kind: memroy", `units[0].store.kind: there is no store "memroy": there is file or memory. Did you mean "memory"?`},
		{"targets:\n", "target:\n", `x.yaml:8:1: there is no key "target" here: the keys are version, users, units, targets, portals, limits, network. Did you mean "targets"?`},
		{"access:", "acess:", `Did you mean "access"?`},
	} {
		text := strings.Replace(accessYAML, test.old, test.now, 1)
		if text == accessYAML {
			t.Errorf("%q is not in the document", test.old)
		}
		_, err := Read("x.yaml", []byte(text), testSchema)
		if all := fmt.Sprint(All(err)); err == nil || !strings.Contains(all, test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("with %q:\n got %v\nwant %v", test.now, all, test.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"db", "bd", 1}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"ca", "abc", 3}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
	for name, want := range map[string]string{"memroy": `. Did you mean "memory"?`, "x": "", "": "", "filr": `. Did you mean "file"?`, strings.Repeat("x", 100): ""} {
		if got := meant(name, []string{"file", "memory"}); got != want {
			t.Errorf("meant(%q) = %q", name, got)
		}
	}
}
