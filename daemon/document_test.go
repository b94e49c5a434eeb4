package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
)

// everything is a document that has all that transports and providers take.
const everything = `# everything
version: 1
units:
  - name: a
    store: {kind: file, path: /x/a.img, size: 10G}
    device: {kind: disk, block-size: 4096, read-only: true}
  - name: m
    store: {kind: memory, size: 1048576}
targets:
  - name: iqn.2026-11.io.lunette:t
    alias: "a target"
    luns: {0: a, 5: m}
    auth:
      users: [{user: alice, secret-file: /s/alice}]
      mutual: {user: me, secret-file: /s/me}
    initiators: [iqn.2026-11.io.lunette:me]
    srp: {id-ext: "0x00000000000000AB", initiators: ["0x000000000000000000000000000000cd", 192.0.2.7, "2001:DB8::1"]}
portals: ["[::1]:3261", "iscsi+tcp://0.0.0.0", "iser+iwarp://10.0.0.1", "srp+iwarp://10.0.0.1"]
discovery: {auth: {users: [{user: d, secret-file: /s/d}]}}
limits: {memory: 256M, connections: 10, stop-timeout: 3s}
network: {engine: reactors, reactors: 3, busy-poll: 50us, send-buffer: 1M, iwarp: {crc: always, max-fpdu: "9000"}}
iscsi: {initial-r2t: yes, immediate-data: no, first-burst: auto}
`

func TestDocumentTakesEverything(t *testing.T) {
	d, err := model.Read("x.yaml", []byte(everything), Builtin().Schema())
	if err != nil {
		t.Fatal(err)
	}
	n, i := d.Values.Group("network"), d.Values.Group("iscsi")
	if n.String("engine") != "reactors" || n.Group("iwarp").String("crc") != "always" || n.Group("iwarp").Size("max-fpdu") != 9000 ||
		i.String("initial-r2t") != "yes" || i.String("immediate-data") != "no" || i.String("first-burst") != model.Auto {
		t.Errorf("the network is %v, iSCSI %v", n, i)
	}
	g := d.Targets[0].Values
	if g.Group("auth").Groups("users")[0].String("user") != "alice" || g.Group("auth").Group("mutual").String("secret-file") != "/s/me" ||
		len(g.Group("srp").Strings("initiators")) != 3 || d.Values.Group("discovery").Group("auth").Groups("users")[0].String("user") != "d" {
		t.Errorf("the target is %v", g)
	}
	var portals []string
	for _, p := range d.Portals {
		portals = append(portals, p.String())
	}
	if got := strings.Join(portals, " "); got != "iscsi+tcp://[::1]:3261 iscsi+tcp://0.0.0.0:3260 iser+iwarp://10.0.0.1:3260 srp+iwarp://10.0.0.1:5555" {
		t.Errorf("portals are %s", got)
	}
}

// Whoever is one of the users of the document is named, and not described again.
const withUsers = `version: 1
users: [{name: alice, secret-file: /s/alice}, {name: bob, secret-file: /s/bob}]
targets: [{name: "iqn.2026-11.io.lunette:t", auth: {users: [alice, {user: bob, secret-file: /s/other}, {user: eve, secret-file: /s/eve}]}}]
discovery: {auth: {users: [bob]}}
`

func TestDocumentNamesUsers(t *testing.T) {
	d, err := model.Read("x.yaml", []byte(withUsers), Builtin().Schema())
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(d.Targets[0].Values.Group("auth")["users"], d.Values.Group("discovery").Group("auth")["users"]); got !=
		"[map[secret-file:/s/alice user:alice] map[secret-file:/s/other user:bob] map[secret-file:/s/eve user:eve]] [map[secret-file:/s/bob user:bob]]" {
		t.Errorf("%s", got)
	}
	for _, test := range []struct{ old, now, want string }{
		{"[alice, ", "[alcie, ", `x.yaml:3:61: targets[0].auth.users[0]: the user "alcie" has no secret-file, and there is no user "alcie": there is alice or bob. Did you mean "alice"?`},
		{"[bob]", "[alice, alice]", `discovery.auth.users[1].user: the user "alice" is here twice`},
	} {
		_, err := model.Read("x.yaml", []byte(strings.Replace(withUsers, test.old, test.now, 1)), Builtin().Schema())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("with %q: %v", test.now, err)
		}
	}
}

// Every wrong document is the good one with one change.
func TestDocumentRefuses(t *testing.T) {
	for _, test := range []struct{ old, now, want string }{
		{"alias: ", "alais: ", `x.yaml:11:5: targets[0]: there is no key "alais" here: the keys are name, alias, luns, access, maintenance, auth, initiators, target-reset, srp, fcp, virtio. Did you mean "alias"?`},
		{"discovery: ", "discvery: ", `x.yaml:19:1: there is no key "discvery" here: the keys are version, users, units, targets, portals, limits, discovery, iscsi, network. Did you mean "discovery"?`},
		{"secret-file: /s/d", "secret: geheim", "secrets are not part of the document"},
		{"00000000000000AB", "00AB", `x.yaml:17:19: targets[0].srp.id-ext: "00ab" is not an identifier: it has 16 hexadecimal digits`},
		{"id-ext: \"0x00000000000000AB\"", "ioc-guid: \"xyz\"", `targets[0].srp.ioc-guid: "xyz" is not an identifier`},
		{"id-ext: \"0x00000000000000AB\"", "id-ext: 7", `targets[0].srp.id-ext: "7" is a number: a string is wanted`},
		{"0x000000000000000000000000000000cd", "iqn.2026-11.io.lunette:me", `targets[0].srp.initiators[0]: "iqn.2026-11.io.lunette:me" is not an SRP initiator: it is a port`},
		{", initiators: [\"0x000000000000000000000000000000cd\", 192.0.2.7, \"2001:DB8::1\"]", "", `targets[0]: the target asks for CHAP, which SRP does not have: name the initiators that may have it over srp+iwarp://10.0.0.1:5555`},
		{"/s/me", "/s/alice", `x.yaml:15:39: targets[0].auth.mutual.secret-file: the secrets of the two directions must differ`},
		{"user: alice, ", "", "targets[0].auth.users[0]: there is no user"},
		{", secret-file: /s/alice", "", "targets[0].auth.users[0]: the user \"alice\" has no secret-file"},
		{"user: alice", "user: \"al\\u0007ice\"", "a CHAP name has up to 255 bytes and no control characters"},
		{"users: [{user: alice", "users: [{user: alice, secret-file: /s/x}, {user: alice", `targets[0].auth.users[1].user: the user "alice" is here twice`},
		{"      users: [{user: alice, secret-file: /s/alice}]\n", "", "targets[0].auth.mutual: we prove who we are only to initiators that do so first"},
		{"engine: reactors", "engine: goroutines", `network.reactors: the engine "goroutines" has no reactors`},
		{"busy-poll: 50us", "busy-poll: 2s", `network.busy-poll: 2s is not from 0s to 1s`},
		{"busy-poll: 50us", "busy-poll: -1s", `network.busy-poll: -1s is not from 0s to 1s`},
		{"crc: always", "crc: never", `network.iwarp.crc: "never" is not auto or always`},
		{"max-fpdu: \"9000\"", "max-fpdu: large", `network.iwarp.max-fpdu: "large" is neither auto nor a size`},
		{"max-fpdu: \"9000\"", "max-fpdu: 1M", `1M is not from 256 to 64K`},
		{"initial-r2t: yes", "initial-r2t: always", `iscsi.initial-r2t: "always" is not auto, yes or no`},
		{"initial-r2t: yes", "initial-r2t: true", `iscsi.initial-r2t: "true" is true or false: a string is wanted`},
		{"immediate-data: no", "immediate-data: auto", `iscsi.immediate-data: "auto" is not yes or no`},
		{"first-burst: auto", "first-burst: 64K", `iscsi.first-burst: nothing comes unasked with initial-r2t: yes and immediate-data: no`},
		{"first-burst: auto", "first-burst: none", `iscsi.first-burst: "none" is neither auto nor a size`},
		{"first-burst: auto", "first-burst: 256B", `iscsi.first-burst: `},
		{"first-burst: auto", "first-burst: 2M", `iscsi.first-burst: 2M is not from 512 to 1M`},
		{"initiators: [iqn", "initiators: [\"iqn.a,b\", iqn", `targets[0].initiators[0]: the initiator's name "iqn.a,b" has a comma: list each name by itself`},
		{"initiators: [iqn", "initiators: [\"iqn.a\\x1b\", iqn", `targets[0].initiators[0]: no initiator logs in with the name "iqn.a\x1b"`},
		{"users: [{user: alice, secret-file: /s/alice}]", "users: []", "x.yaml:14:14: targets[0].auth.users: the list is empty: leave `auth` out to let all in"},
		{"users: [{user: d, secret-file: /s/d}]", "users: []", "discovery.auth.users: the list is empty"},
		{"auth: {users: [{user: d, secret-file: /s/d}]}", "auth: {algorithms: [sha256]}", "discovery.auth: there are no users: nobody would have to prove who they are"},
		{"auth: {users: [{user: d, secret-file: /s/d}]}", "auth: {}", "discovery.auth: there are no users"},
		{"secret-file: /s/d}]", "secret-file: /s/me}]", "targets[0].auth.mutual.secret-file: the secrets of the two directions must differ (RFC 7143 9.2.1), and discovery.auth.users[0] has the same file"},
		{"secret-file: /s/d}]", "secret-file: /s/d}], algorithms: [md4]", `discovery.auth.algorithms[0]: "md4" is not sha3-256, sha256, sha1 or md5`},
		{"secret-file: /s/d}]", "secret-file: /s/d}], algorithms: []", "discovery.auth.algorithms: the list is empty: leave it out to allow all"},
		{"initiators: [iqn.2026-11.io.lunette:me]", "initiators: []", "x.yaml:16:17: targets[0].initiators: the list is empty: leave it out to let all in, or name who may log in"},
		{"initiators: [iqn.2026-11.io.lunette:me]", "initiators: [{user: alice}]", "targets[0].initiators[0]: it needs name"},
		{"initiators: [iqn.2026-11.io.lunette:me]", `initiators: [{name: "iqn.2026-11.io.lunette:me", user: d}]`, "targets[0].initiators[0]: the target has no user \"d\": name one of its \"auth: users\""},
		{"initiators: [iqn.2026-11.io.lunette:me]", `initiators: ["iqn.2026-11.io.lunette:me", {name: "iqn.2026-11.io.lunette:me", user: alice}]`, "targets[0].initiators[1]: iqn.2026-11.io.lunette:me is here with a user and without one"},
		{"initiators: [iqn.2026-11.io.lunette:me]", `initiators: ["iqn.2026-11.io.lunette:me", "iqn.2026-11.io.lunette:me"]`, "targets[0].initiators[1]: iqn.2026-11.io.lunette:me is here twice"},
		{"initiators: [\"0x000000000000000000000000000000cd\", 192.0.2.7, \"2001:DB8::1\"]", "initiators: []", "targets[0].srp.initiators: the list is empty"},
		{`"srp+iwarp://10.0.0.1"]`, `"srp+iwarp://10.0.0.1", {address: "127.0.0.1:9", targets: []}]`, "portals[4].targets: the list is empty: leave it out to show all targets"},
	} {
		text := strings.Replace(everything, test.old, test.now, 1)
		if text == everything {
			t.Errorf("%q is not in the document", test.old)
		}
		_, err := model.Read("x.yaml", []byte(text), Builtin().Schema())
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("with %q:\n got %v\nwant %v", test.now, err, test.want)
		}
	}
}

// A size is a number or a text; names of initiators are those with which they log in, in any case of letters.
func TestDocumentTakes(t *testing.T) {
	for _, test := range []struct{ old, now, note string }{
		{"immediate-data: no, first-burst: auto", "first-burst: 65536", ""},
		{"immediate-data: no, first-burst: auto", `first-burst: "64K"`, ""},
		{"max-fpdu: \"9000\"", "max-fpdu: 9000", ""},
		{"initiators: [iqn", "initiators: [\"IQN.1991-05.com.microsoft:WIN_SRV01\", iqn", ""},
		{"initiators: [iqn", "initiators: [\"iqn.2004-10.com.ubuntu:01:höst\", iqn", ""},
		{"initiators: [iqn", "initiators: [me, iqn", `x.yaml:16:18: targets[0].initiators[0]: "me" does not begin with iqn., eui. or naa. as iSCSI names do`},
		{"initiators: [iqn", "initiators: [\"iqn.a \", iqn", "has blanks at an end"},
	} {
		text := strings.Replace(everything, test.old, test.now, 1)
		d, err := model.Read("x.yaml", []byte(text), Builtin().Schema())
		if err != nil || text == everything {
			t.Errorf("with %q: %v", test.now, err)
			continue
		}
		if len(d.Notes) > 1 || (len(d.Notes) == 1) != (test.note != "") || len(d.Notes) == 1 && !strings.Contains(d.Notes[0].Error(), test.note) {
			t.Errorf("with %q: the notes are %v, want %q", test.now, d.Notes, test.note)
		}
		if name := d.Targets[0].Values.Groups("initiators")[0].String("name"); name != strings.ToLower(name) {
			t.Errorf("%q is compared as it is written", name)
		}
	}
}

// What a target asks of iSCSI initiators is not left out for those of SRP.
func TestSRPIsNoWayRound(t *testing.T) {
	const chap, names, ports = `auth: {users: [{user: me, secret-file: f}]}`, `initiators: ["` + me + `"]`, `srp: {initiators: ["0x00000000000000000000000000000001"]}`
	for name, test := range map[string]struct{ target, want string }{
		"open":                {"", ""},
		"CHAP":                {chap, "asks for CHAP, which SRP does not have"},
		"CHAP and ports":      {chap + ", " + ports, ""},
		"names":               {names, "by their iSCSI names, which SRP does not have"},
		"names and ports":     {names + ", " + ports, ""},
		"ports without names": {ports, ""},
	} {
		text := `{version: 1, units: [{name: a, store: {kind: memory, size: 1M}}], portals: [127.0.0.1, "srp+iwarp://127.0.0.1"],
 targets: [{name: "` + disks + `", luns: {0: a}` + strings.TrimSuffix(", "+test.target, ", ") + `}]}`
		_, err := model.Read("x.yaml", []byte(text), Builtin().Schema())
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		// By a portal that does not show the target nobody comes.
		other := strings.Replace(text, `"srp+iwarp://127.0.0.1"`, `{kind: srp+iwarp, address: 127.0.0.1, targets: ["`+closed+`"]}`, 1)
		other = strings.TrimSuffix(other, "]}") + `, {name: "` + closed + `", luns: {0: a}}]}`
		if _, err := model.Read("x.yaml", []byte(other), Builtin().Schema()); err != nil {
			t.Errorf("%s, by a portal that does not show it: %v", name, err)
		}
	}
	const two = `{version: 1, units: [{name: a, store: {kind: memory, size: 1M}}], targets: [
 {name: "` + disks + `", luns: {0: a}, srp: {id-ext: "0000000000000001", ioc-guid: "0000000000000002"}},
 {name: "` + closed + `", luns: {0: a}, srp: {id-ext: "0000000000000001", ioc-guid: "0000000000000002"}}]}`
	if _, err := model.Read("x.yaml", []byte(two), Builtin().Schema()); err == nil ||
		!strings.Contains(err.Error(), "targets[1].srp: the target "+disks+" has the same id-ext and ioc-guid") {
		t.Errorf("two targets with one port: %v", err)
	}
}

// The documents of the guides are right.
func TestGuidesHaveRightDocuments(t *testing.T) {
	pages, err := filepath.Glob("../docs/guide/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(err)
	}
	found := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1) {
			found++
			if _, err := model.Read(page, doc[1], Builtin().Schema()); err != nil {
				t.Error(err)
			}
		}
	}
	if found == 0 {
		t.Error("there is no document in the guides")
	}
}

func FuzzDocument(f *testing.F) {
	schema := Builtin().Schema()
	f.Add([]byte(everything))
	f.Add([]byte(`{"version": 1, "units": [{"name": "a", "store": {"kind": "null", "size": 1024}}], "portals": [{"kind": "srp+iwarp", "address": "[::]:0", "targets": []}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4<<10 {
			return
		}
		if _, err := model.Read("fuzz", text, schema); err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatalf("the error has two lines: %q", err)
		}
	})
}
