package model

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// testSchema is what invented plugins say of themselves: this package knows none.
var testSchema = Schema{
	Kinds: []Kind{
		{Axis: "store", Name: "file", Options: []Option{
			{Name: "path", Type: Path, Required: true, Exclusive: true, Help: "the file"},
			{Name: "size", Type: Bytes, Multiple: 512},
		}},
		{Axis: "store", Name: "memory", Options: []Option{{Name: "size", Type: Bytes, Required: true, Min: 512, Help: "how much"}}},
		{Axis: "filter", Name: "delay", Options: []Option{{Name: "read", Type: Duration, Default: "1ms"}}},
		{Axis: "device", Name: "disk", Options: []Option{
			{Name: "block-size", Type: Bytes, Default: "512", Values: []string{"512", "4096"}},
			{Name: "read-only", Type: Bool},
		}},
		{Axis: "device", Name: "library", Device: Device{Stores: ManyStores, Units: drives}, Options: []Option{
			{Name: "drives", Type: Int, Default: "1", Max: 9},
			{Name: "slots", Type: Map, Options: []Option{{Type: Group, Options: []Option{
				{Name: "label", Required: true, Help: "what is written on it"},
				{Name: "sizes", Type: Bytes, List: true},
			}}}},
		}},
		{Axis: "device", Name: "clock", Device: Device{Stores: NoStore}},
		{Axis: "transport", Name: "iscsi+tcp", Listen: HostPort("tcp", 3260)},
		{Axis: "transport", Name: "iser+iwarp", Listen: HostPort("tcp", 3260)},
		{Axis: "transport", Name: "srp+iwarp", Listen: HostPort("tcp", 5555)},
		{Axis: "transport", Name: "fcp+roce", Listen: HostPort("rocket", 0), Options: []Option{{Name: "speed", Type: Int, Default: "32"}}},
		{Axis: "transport", Name: "tube+room", Listen: SocketPath("socket")},
		{Axis: "transport", Name: "pipe+room", Listen: SocketPath("socket")},
	},
	Document: []Option{
		{Name: "network", Type: Group, Options: []Option{
			{Name: "engine", Default: Auto, Values: []string{Auto, "goroutines", "reactors"}},
			{Name: "reactors", Type: Int, Max: 1024},
			{Name: "busy-poll", Type: Duration, Default: Auto, Words: []string{Auto}, Max: int64(time.Second)},
			{Name: "send-buffer", Type: Bytes, Default: Auto, Words: []string{Auto, "none"}, Min: 128 << 10, Max: 1 << 30},
			{Name: "iwarp", Type: Group, Options: []Option{{Name: "max-fpdu", Type: Bytes, Default: Auto, Words: []string{Auto}, Min: 256, Max: 64 << 10}}},
		}},
	},
	Target: []Option{
		{Name: "auth", Type: Group, Options: []Option{{Name: "users", Type: Group, List: true, Options: []Option{
			{Name: "user", Required: true, Help: "the name"}, {Name: "secret-file", Type: Path},
		}}}},
		{Name: "initiators", List: true, Normal: TargetName},
	},
	Checks: []func(*Check){func(c *Check) {
		for i, t := range c.Document.Targets {
			for _, why := range c.Restrictions(t) {
				for _, p := range c.Portals("fcp", t.Name) {
					c.Fail(fmt.Sprintf("targets[%d]", i), "the target %s, and %s cannot", why, p)
				}
			}
		}
	}},
	Restricts: []func(Values) string{func(v Values) string {
		if len(v.Strings("initiators")) > 0 {
			return "has a list"
		}
		return ""
	}},
}

func drives(v Values) []string {
	names := []string{""}
	for i := range v.Int("drives") {
		names = append(names, fmt.Sprintf("drive%d", i))
	}
	return names
}

const goodYAML = `# everything
version: 1
units:
  - name: a
    store: {kind: file, path: /x/a.img, size: 10G}
    filters: [{kind: delay, read: 2ms}, {kind: delay}]
    device: {kind: disk, block-size: 4096, read-only: true}
  - name: m
    store: {kind: memory, size: 1048576}
targets:
  - name: iqn.2026-11.io.lunette:t
    alias: "a target"
    luns: {0: a, 5: m}
    auth:
      users: [{user: alice, secret-file: /s/alice}]
    initiators: [iqn.2026-11.io.lunette:me]
portals: ["[::1]:3261", "iscsi+tcp://0.0.0.0", {kind: iser+iwarp, address: 10.0.0.1, targets: ["iqn.2026-11.io.lunette:t"]}, "srp+iwarp://10.0.0.1"]
limits: {memory: 256M, connections: 10, stop-timeout: 3s}
network: {engine: reactors, reactors: 3, busy-poll: 50us, send-buffer: 1M, iwarp: {max-fpdu: 9000}}
`

func TestReadTakesEverything(t *testing.T) {
	d, err := Read("good.yaml", []byte(goodYAML), testSchema)
	if err != nil {
		t.Fatal(err)
	}
	if n := d.Values.Group("network"); n.String("engine") != "reactors" || n.Int("reactors") != 3 || n.Duration("busy-poll") != 50*time.Microsecond ||
		n.Size("send-buffer") != 1<<20 || n.Group("iwarp").Size("max-fpdu") != 9000 {
		t.Errorf("the network is %+v", n)
	}
	a := d.Units[0]
	if a.Store.Values.Size("size") != 10<<30 || a.Store.Values.String("path") != "/x/a.img" ||
		a.Filters[0].Values.Duration("read") != 2e6 || a.Filters[1].Values.Duration("read") != 1e6 ||
		a.Device.Values.Size("block-size") != 4096 || !a.Device.Values.Bool("read-only") {
		t.Errorf("unit a is %+v", a)
	}
	if m := d.Units[1]; m.Device.Kind != "disk" || m.Device.Values.Size("block-size") != 512 || m.Store.Values.Size("size") != 1<<20 {
		t.Errorf("unit m is %+v", m)
	}
	g := d.Targets[0]
	if len(g.LUNs) != 2 || g.LUNs[1] != (LUN{Number: 5, Unit: "m"}) || g.Values.Group("auth").Groups("users")[0].String("user") != "alice" || g.Values.Strings("initiators")[0] != "iqn.2026-11.io.lunette:me" || g.Alias != "a target" {
		t.Errorf("target is %+v", g)
	}
	if got := fmt.Sprint(d.Portals[0], d.Portals[1], d.Portals[2], d.Portals[3]); got !=
		"iscsi+tcp://[::1]:3261 iscsi+tcp://0.0.0.0:3260 iser+iwarp://10.0.0.1:3260 srp+iwarp://10.0.0.1:5555" {
		t.Errorf("portals are %v", got)
	}
	if d.Portals[2].Shows("other") || !d.Portals[2].Shows(g.Name) || !d.Portals[1].Shows("other") || !d.Portals[1].Address.All || !d.Portals[0].Address.Local {
		t.Errorf("portals are %+v", d.Portals)
	}
	if d.Limits.Connections != 10 || d.Limits.Logins != DefaultLogins {
		t.Errorf("document is %+v", d)
	}
}

// An empty string means what nothing means.
func TestReadTakesEmptyStrings(t *testing.T) {
	d, err := Read("x.yaml", []byte(strings.NewReplacer("engine: reactors, reactors: 3, busy-poll: 50us", `engine: "", busy-poll: ""`, "max-fpdu: 9000", `max-fpdu: ""`).Replace(goodYAML)), testSchema)
	if err != nil {
		t.Fatal(err)
	}
	if n := d.Values.Group("network"); n.String("engine") != Auto || n.String("busy-poll") != Auto || n.Group("iwarp").String("max-fpdu") != Auto {
		t.Errorf("the network is %+v", n)
	}
}

func TestReadTakesJSON(t *testing.T) {
	d, err := Read("good.json", []byte("{\n\t\"version\": 1,\n\t\"units\": [{\"name\": \"a\", \"store\": {\"kind\": \"memory\", \"size\": 1024}}],\n"+
		"\t\"targets\": [{\"name\": \"iqn.2026-11.io.lunette:a\", \"luns\": {\"0\": \"a\"}}]\n}\n"), testSchema)
	if err != nil {
		t.Fatal(err)
	}
	if n := d.Values.Group("network"); n.String("engine") != Auto || n.String("busy-poll") != Auto || n.Group("iwarp").String("max-fpdu") != Auto {
		t.Errorf("the network is %+v", n)
	}
	if d.Portals[0].String() != "iscsi+tcp://127.0.0.1:3260" || d.Targets[0].LUNs[0].Unit != "a" {
		t.Errorf("document is %+v", d)
	}
}

// Every wrong document is the good one with one change.
func TestReadRefuses(t *testing.T) {
	tests := []struct{ old, now, want string }{
		{"version: 1", "version: 2", `x.yaml:2:10: version: version 2 is not known here: this program reads version 1`},
		{"version: 1\n", "", `x.yaml:2:1: version: it is missing`}, // the position of the document
		{"version: 1", "version: 1\nversion: 1", `x.yaml:3:1: `},
		{"alias: ", "alais: ", `x.yaml:12:5: targets[0]: there is no key "alais" here: the keys are name, alias, luns, access, maintenance, auth, initiators. Did you mean "alias"?`},
		{"secret-file: /s/alice", "secret: geheim", "secrets are not part of the document"},
		{`alias: "a target"`, "alias: 12", `x.yaml:12:12: targets[0].alias: "12" is a number: a string is wanted (in quotes: "12")`},
		{"size: 10G", "size: 10X", `x.yaml:5:47: units[0].store.size: "10X" is not a size: a size is`},
		{"size: 10G", "size: 10G, fast: true", `units[0].store: a file store has no option "fast": it has path or size`},
		{"size: 10G", "size: [1]", "a single value is wanted"},
		{"size: 10G", "size: 1000", "not a multiple of 512"},
		{"kind: file", "kind: fiel", `units[0].store.kind: there is no store "fiel": there is file or memory`},
		{"kind: file, ", "", `units[0].store: the store has no kind: add "kind: …" with file or memory`},
		{"path: /x/a.img, ", "", `units[0].store: a file store needs path: the file`},
		{"read: 2ms", "read: 2", `"2" is not a duration`},
		{"block-size: 4096", "block-size: 1024", `"1024" is not 512 or 4096`},
		{"read-only: true", "read-only: yes", `"yes" is neither true nor false`},
		{"name: m", "name: a", `there are two units "a"`},
		{"name: m", "name: 7", `is a number: a string is wanted`},
		{"name: m", "name: \"m/m\"", `is not a name of a unit`},
		{"5: m", "5: n", `x.yaml:13:21: targets[0].luns.5: there is no unit "n": there is a or m`},
		{"5: m", "x: m", `"x" is not a LUN`},
		{"5: m", "16384: m", `a LUN is a number from 0 to 16383`},
		{"5: m", "0: m", `x.yaml:13:18: targets[0].luns: the key "0" is here twice`},
		{"iqn.2026-11.io.lunette:t", "disk", `targets[0].name: "disk" is not an iSCSI name`},
		{"[::1]:3261", "[::1:3261", `is not a portal`},
		{"iscsi+tcp", "iscsi+udp", `there is no provider "udp" for the transport iscsi: there is tcp`},
		{"iscsi+tcp", "nvme+tcp", `there is no transport "nvme": there is fcp, iscsi, iser, pipe, srp or tube (as iscsi+tcp, iser+iwarp, srp+iwarp, fcp+roce, tube+room or pipe+room)`},
		{"{kind: iser+iwarp, address: 10.0.0.1, targets: [\"iqn.2026-11.io.lunette:t\"]}", "\"10.0.0.1:5555\"", `srp+iwarp://10.0.0.1:5555 has the same port as iscsi+tcp://10.0.0.1:5555, since both connect by TCP: give one of them another, such as srp+iwarp://10.0.0.1:5556`},
		{"address: 10.0.0.1", "address: 0.0.0.0", `iser+iwarp://0.0.0.0:3260 has the same port as iscsi+tcp://0.0.0.0:3260`},
		{"kind: iser+iwarp", "kind: fcp+roce", `fcp+roce has no port of its own: write fcp+roce://10.0.0.1:PORT`},
		{"memory: 256M", "memory: 1M", `limits.memory: 1M is too little`},
		{"connections: 10", "connections: 0x10", `"0x10" is not a whole number`},
		{"connections: 10", "connections: 9999999", `9999999 is not from 1 to 1048576`},
		{"limits: {", "limits: &l {", "anchors, aliases"},
		{"limits: {", "limits: !!x {", "tags"},
		{"stop-timeout: 3s", "stop-timeout: 3ms", `3ms is not from 1s to 1h`},
		{"stop-timeout: 3s", "stop-timeout: ", `there is no value: leave the key out, or give it a duration`},
		{"engine: reactors", "engine: turbine", `"turbine" is not auto, goroutines or reactors`},
		{"reactors: 3", "reactors: -1", `network.reactors: -1 is not from 0 to`},
		{"reactors: 3", "reactors: 2000", `2000 is not from 0 to 1024`},
		{"busy-poll: 50us", "busy-poll: 2s", `network.busy-poll: 2s is not from 0s to 1s`},
		{"busy-poll: 50us", "busy-poll: soon", `"soon" is neither auto nor a duration`},
		{"busy-poll: 50us", "busy-poll: 50", `network.busy-poll: "50" is neither auto nor a duration`},
		{"send-buffer: 1M", "send-buffer: much", `"much" is neither auto nor none nor a size`},
		{"send-buffer: 1M", "send-buffer: 1K", `1K is not from 128K to 1G`},
		{"max-fpdu: 9000", "max-fpdu: large", `network.iwarp.max-fpdu: "large" is neither auto nor a size`},
		{"max-fpdu: 9000", "max-fpdu: 1M", `1M is not from 256 to 64K`},
		{"engine: reactors", "engine: 5", `network.engine: "5" is a number: a string is wanted (in quotes: "5")`},
		{"engine: reactors", "engine: [reactors]", `network.engine: this is a list: a single value is wanted`},
		{"iwarp: {max-fpdu: 9000}", "iwarp: 9000", `x.yaml:19:83: network.iwarp: "9000" is a number: keys and values are wanted`},
		{"max-fpdu: 9000", "max-fdpu: 9000", `x.yaml:19:84: network.iwarp: there is no key "max-fdpu" here: the keys are max-fpdu`},
		{"max-fpdu: 9000", "max-fpdu: ", `network.iwarp.max-fpdu: there is no value`},
		{"users: [", "users: {0: ", `x.yaml:`},
		{"user: alice, ", "", `x.yaml:15:15: targets[0].auth.users[0]: it needs user: the name`},
		{"targets: [\"iqn.2026-11.io.lunette:t\"]", "targets: [\"iqn.2026-11.io.lunette:u\"]", `x.yaml:17:96: portals[2].targets[0]: there is no target "iqn.2026-11.io.lunette:u": there is iqn.2026-11.io.lunette:t`},
		{"targets: [\"iqn.2026-11.io.lunette:t\"]", "speed: 1", `portals[2]: a iser+iwarp portal has no option "speed": it has none`},
		{"{kind: iser+iwarp, address: 10.0.0.1, ", "{kind: fcp+roce, address: \"10.0.0.1:7\", speed: x, ", `portals[2].speed: "x" is not a whole number`},
		{"{kind: iser+iwarp, address: 10.0.0.1, ", "{kind: fcp+roce, address: \"10.0.0.1:7\", ", `targets[0]: the target has a list, and fcp+roce://10.0.0.1:7 cannot`},
		{"device: {kind: disk, block-size: 4096, read-only: true}", "device: {kind: clock}", `units[0]: a clock device has no store: leave "store" and "filters" out`},
		{"device: {kind: disk, block-size: 4096, read-only: true}", "device: {kind: library}", `units[0].store: a library device has stores by name`},
		{"store: {kind: memory, size: 1048576}", "stores: {a: {kind: memory, size: 1M}}", `units[1].stores: a disk device does not have several stores`},
		{"portals: [", "portals: {0: ", `x.yaml:`},
		{"initiators: [", "initiators: [me, ", `"me" is not an iSCSI name`},
		{"units:\n", "units: 5\nunits2:\n", `a list is wanted`},
		{"limits:", "---\nlimits:", `a second document`},
		{"limits: {", "limits: " + strings.Repeat("[", 40) + "{", "nested deeper"},
	}
	for _, test := range tests {
		text := strings.Replace(goodYAML, test.old, test.now, 1)
		if text == goodYAML {
			t.Errorf("%q is not in the document", test.old)
		}
		_, err := Read("x.yaml", []byte(text), testSchema)
		if err == nil {
			t.Errorf("with %q: no error, want %q", test.now, test.want)
			continue
		}
		if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("with %q:\n got %v\nwant %v", test.now, err, test.want)
		}
	}
	if _, err := Read("x", nil, testSchema); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("empty document: %v", err)
	}
}

func TestAllProblems(t *testing.T) {
	_, err := Read("x.yaml", []byte(strings.NewReplacer("10G", "10X", "256M", "1M").Replace(goodYAML)), testSchema)
	if all := All(err); len(all) != 2 || !strings.HasSuffix(err.Error(), "(and 1 more)") {
		t.Errorf("%v\n%v", err, all)
	}
}

func TestLabel(t *testing.T) {
	d := &Document{Version: 1, Units: []Unit{{Name: "a", Store: Plugin{Kind: "memory"}.With("size", "1X")}},
		Targets: []Target{{Name: "iqn.2026-11.io.lunette:a", LUNs: []LUN{{Unit: "a"}}}}}
	d.Label("units[0].store", "--memory 1X")
	if err := d.Validate(testSchema); err == nil || !strings.HasPrefix(err.Error(), `--memory 1X: "1X" is not a size`) {
		t.Error(err)
	}
}

// A device that is many logical units on many stores, with options that have options.
func TestReadTakesALibrary(t *testing.T) {
	const text = `version: 1
units:
  - name: backup
    device: {kind: library, drives: 2, slots: {a: {label: A1, sizes: [1K, 2K]}, b: {label: B1}}}
    stores: {a: {kind: file, path: /x/a}, b: {kind: memory, size: 1M}}
    filters: [{kind: delay}]
targets: [{name: "iqn.2026-11.io.lunette:t", luns: {0: backup, 1: backup/drive1}}]
`
	d, err := Read("x.yaml", []byte(text), testSchema)
	if err != nil {
		t.Fatal(err)
	}
	u := d.Units[0]
	if got := strings.Join(u.Names, " "); got != "backup backup/drive0 backup/drive1" {
		t.Errorf("the logical units are %s", got)
	}
	slots := u.Device.Values.Group("slots")
	if len(slots) != 2 || slots.Group("b").String("label") != "B1" || fmt.Sprint(slots.Group("a")["sizes"]) != "[1K 2K]" {
		t.Errorf("the slots are %+v", slots)
	}
	if len(u.Stores) != 2 || u.Stores[1].Name != "b" || u.Stores[1].Values.Size("size") != 1<<20 {
		t.Errorf("the stores are %+v", u.Stores)
	}
	for _, test := range []struct{ old, now, want string }{
		{"drive1}", "drive2}", `x.yaml:7:67: targets[0].luns.1: there is no unit "backup/drive2": there is backup, backup/drive0 or backup/drive1`},
		{"label: B1", "labl: B1", `x.yaml:4:85: units[0].device.slots.b: there is no key "labl" here: the keys are label, sizes. Did you mean "label"? (and 1 more)`},
		{"sizes: [1K, 2K]", "sizes: [1K, 2X]", `units[0].device.slots.a.sizes[1]: "2X" is not a size`},
		{"sizes: [1K, 2K]", "sizes: 1K", `units[0].device.slots.a.sizes: "1K" is a string: a list is wanted`},
		{"slots: {a: {label: A1, sizes: [1K, 2K]}, b: {label: B1}}", "slots: [a]", `units[0].device.slots: this is a list: names and values are wanted`},
		{"{kind: memory, size: 1M}", "{kind: file, path: /x/a}", `units[0].stores.b.path: /x/a is the store of unit "backup" already`},
		{"b: {kind: memory", "b: {kind: memery", `units[0].stores.b.kind: there is no store "memery"`},
		{"b: {kind: memory", "b b: {kind: memory", `"b b" is not a name of a store`},
	} {
		changed := strings.Replace(text, test.old, test.now, 1)
		if _, err := Read("x.yaml", []byte(changed), testSchema); err == nil || changed == text || !strings.Contains(err.Error(), test.want) {
			t.Errorf("with %q:\n got %v\nwant %v", test.now, err, test.want)
		}
	}
}

// What is put into settings takes the place of what was there, key by key.
func TestSettingsPut(t *testing.T) {
	was := Settings{Grouped("a", Text("x", "1"), Text("y", "2")), Text("b", "3")}
	now := was.Put(Grouped("a", Text("y", "4"), Text("z", "5"))).Put(Texts("b", "6", "7"))
	if got := fmt.Sprint(now); got != fmt.Sprint(Settings{Grouped("a", Text("x", "1"), Text("y", "4"), Text("z", "5")), Texts("b", "6", "7")}) {
		t.Errorf("%s", got)
	}
	if was[0].Of[1].Text != "2" || was[1].Text != "3" {
		t.Errorf("who had the old settings sees others: %v", was)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(goodYAML))
	f.Add([]byte(`{"version": 1, "units": [], "limits": {"memory": "1G"}}`))
	f.Add([]byte("? a\n: *x\n- &x !!str |\n  y\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4<<10 {
			return
		}
		d, err := Read("fuzz", text, testSchema)
		if err == nil && d.Version != Version {
			t.Fatal("valid without a version")
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatalf("the error has two lines: %q", err)
		}
	})
}
