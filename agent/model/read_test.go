package model

import (
	"strings"
	"testing"
)

var testSchema = Schema{
	{Axis: "store", Name: "file", Options: []Option{
		{Name: "path", Type: Path, Required: true, Help: "the file"},
		{Name: "size", Type: Bytes, Multiple: 512},
	}},
	{Axis: "store", Name: "memory", Options: []Option{{Name: "size", Type: Bytes, Required: true, Min: 512, Help: "how much"}}},
	{Axis: "filter", Name: "delay", Options: []Option{{Name: "read", Type: Duration, Default: "1ms"}}},
	{Axis: "device", Name: "disk", Options: []Option{
		{Name: "block-size", Type: Bytes, Default: "512", Values: []string{"512", "4096"}},
		{Name: "read-only", Type: Bool},
	}},
	{Axis: "transport", Name: "iscsi+tcp", Listen: Listen{Port: 3260, Space: "tcp"}},
	{Axis: "transport", Name: "iser+iwarp", Listen: Listen{Port: 3260, Space: "tcp"}},
	{Axis: "transport", Name: "srp+iwarp", Listen: Listen{Port: 5555, Space: "tcp", Names: SRPNames}},
	{Axis: "transport", Name: "fcp+roce"},
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
      mutual: {user: me, secret-file: /s/me}
    initiators: [iqn.2026-11.io.lunette:me]
    srp: {id-ext: "0x00000000000000AB", initiators: ["0x000000000000000000000000000000cd", 192.0.2.7, "2001:DB8::1"]}
portals: ["[::1]:3261", "iscsi+tcp://0.0.0.0", "iser+iwarp://10.0.0.1", "srp+iwarp://10.0.0.1"]
discovery: {auth: {users: [{user: d, secret-file: /s/d}]}}
limits: {memory: 256M, connections: 10, stop-timeout: 3s}
network: {engine: reactors, reactors: 3, busy-poll: 50us, send-buffer: 1M, iwarp: {crc: always, max-fpdu: "9000"}}
iscsi: {initial-r2t: yes, immediate-data: no, first-burst: auto}
`

func TestReadTakesEverything(t *testing.T) {
	d, err := Read("good.yaml", []byte(goodYAML), testSchema)
	if err != nil {
		t.Fatal(err)
	}
	if n := d.Network; n != (Network{Engine: "reactors", Reactors: 3, BusyPoll: "50us", SendBuffer: "1M", IWARP: IWARP{CRC: "always", MaxFPDU: "9000"}}) {
		t.Errorf("the network is %+v", n)
	}
	if i := d.ISCSI; i != (ISCSI{InitialR2T: "yes", ImmediateData: "no", FirstBurst: Auto}) {
		t.Errorf("iSCSI is %+v", i)
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
	if len(g.LUNs) != 2 || g.LUNs[1] != (LUN{5, "m"}) || g.Auth.Users[0].Name != "alice" || g.Auth.Mutual.SecretFile != "/s/me" || g.Alias != "a target" {
		t.Errorf("target is %+v", g)
	}
	if s := g.SRP; s.IDExt != "00000000000000ab" || len(s.IOCGUID) != 16 || s.Initiators[0] != "0x000000000000000000000000000000cd" {
		t.Errorf("over SRP the target is %+v", s)
	}
	if d.Portals[2].Port != 3260 || d.Portals[3].Port != 5555 || d.Portals[3].NoPort {
		t.Errorf("portals are %v", d.Portals)
	}
	if d.Portals[0].Addr() != "[::1]:3261" || d.Portals[1].Port != 3260 || d.Limits.Connections != 10 ||
		d.Limits.Logins != DefaultLogins || d.Discovery.Auth.Users[0].Name != "d" {
		t.Errorf("document is %+v", d)
	}
}

func TestReadTakesJSON(t *testing.T) {
	d, err := Read("good.json", []byte("{\n\t\"version\": 1,\n\t\"units\": [{\"name\": \"a\", \"store\": {\"kind\": \"memory\", \"size\": 1024}}],\n"+
		"\t\"targets\": [{\"name\": \"iqn.2026-11.io.lunette:a\", \"luns\": {\"0\": \"a\"}}]\n}\n"), testSchema)
	if err != nil {
		t.Fatal(err)
	}
	if d.ISCSI != (ISCSI{InitialR2T: Auto, ImmediateData: "yes", FirstBurst: Auto}) {
		t.Errorf("iSCSI is %+v", d.ISCSI)
	}
	if d.Portals[0] != DefaultPortal() || d.Targets[0].LUNs[0].Unit != "a" {
		t.Errorf("document is %+v", d)
	}
}

// Every wrong document is the good one with one change.
func TestReadRefuses(t *testing.T) {
	tests := []struct{ old, now, want string }{
		{"version: 1", "version: 2", `x.yaml:2:10: version: version 2 is not known here: this program reads version 1`},
		{"version: 1\n", "", `x.yaml:2:1: version: it is missing`}, // the position of the document
		{"version: 1", "version: 1\nversion: 1", `x.yaml:3:1: `},
		{"alias: ", "alais: ", `x.yaml:12:5: targets[0]: there is no key "alais" here: the keys are name, alias, luns, auth, initiators, srp`},
		{"secret-file: /s/d", "secret: geheim", "secrets are not part of the document"},
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
		{"5: m", "0: m", `x.yaml:13:18: mapping key "0" already defined`},
		{", 5: m", "", `x.yaml:8:5: units[1]: no target has the unit "m"`},
		{"iqn.2026-11.io.lunette:t", "disk", `targets[0].name: "disk" is not an iSCSI name`},
		{"[::1]:3261", "[::1:3261", `is not a portal`},
		{"iscsi+tcp", "iscsi+udp", `there is no provider "udp" for the transport iscsi: there is tcp`},
		{"iscsi+tcp", "nvme+tcp", `there is no transport "nvme": there is fcp, iscsi, iser or srp (as iscsi+tcp, iser+iwarp, srp+iwarp or fcp+roce)`},
		{"iser+iwarp://10.0.0.1", "10.0.0.1:5555", `srp+iwarp://10.0.0.1:5555 has the same port as iscsi+tcp://10.0.0.1:5555, since both connect by TCP: give one of them another, such as srp+iwarp://10.0.0.1:5556`},
		{"iser+iwarp://10.0.0.1", "iser+iwarp://0.0.0.0", `iser+iwarp://0.0.0.0:3260 has the same port as iscsi+tcp://0.0.0.0:3260`},
		{"iser+iwarp://", "fcp+roce://", `fcp+roce has no port of its own: write fcp+roce://10.0.0.1:PORT`},
		{"00000000000000AB", "00AB", `targets[0].srp.id-ext: "00ab" is not an identifier: it has 16 hexadecimal digits`},
		{"id-ext: \"0x00000000000000AB\"", "ioc-guid: \"xyz\"", `targets[0].srp.ioc-guid: "xyz" is not an identifier`},
		{"0x000000000000000000000000000000cd", "iqn.2026-11.io.lunette:me", `targets[0].srp.initiators[0]: "iqn.2026-11.io.lunette:me" is not an SRP initiator: it is a port`},
		{", initiators: [\"0x000000000000000000000000000000cd\", 192.0.2.7, \"2001:DB8::1\"]", "", `targets[0]: the target asks for CHAP, which SRP does not have: name the initiators that may have it over srp+iwarp://10.0.0.1:5555`},
		{"/s/me", "/s/alice", `the secrets of the two directions must differ`},
		{"memory: 256M", "memory: 1M", `limits.memory: 1M is too little`},
		{"connections: 10", "connections: 0x10", `"0x10" is not a whole number`},
		{"connections: 10", "connections: 9999999", `9999999 is not from 1 to 1048576`},
		{"limits: {", "limits: &l {", "anchors, aliases"},
		{"limits: {", "limits: !!x {", "tags"},
		{"stop-timeout: 3s", "stop-timeout: 3ms", `3ms is not from 1s to 1h`},
		{"stop-timeout: 3s", "stop-timeout: ", `there is no value: leave the key out, or give it a duration`},
		{"engine: reactors", "engine: turbine", `"turbine" is no engine: there is auto, goroutines or reactors`},
		{"engine: reactors", "engine: goroutines", `the engine "goroutines" has no reactors`},
		{"reactors: 3", "reactors: -1", `network.reactors: -1 is not from 0 to`},
		{"reactors: 3", "reactors: 2000", `2000 is not from 0 to 1024`},
		{"busy-poll: 50us", "busy-poll: 2s", `network.busy-poll: 2s is not from 0s to 1s`},
		{"busy-poll: 50us", "busy-poll: soon", `"soon" is neither auto nor a duration`},
		{"busy-poll: 50us", "busy-poll: 50", `network.busy-poll: "50" is a number: a string is wanted`},
		{"send-buffer: 1M", "send-buffer: much", `"much" is neither auto nor none nor a size`},
		{"send-buffer: 1M", "send-buffer: 1K", `1K is not from 128K to 1G`},
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
		{"portals: [", "portals: {0: ", `x.yaml:`},
		{"user: alice, ", "", "there is no user"},
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
		Targets: []Target{{Name: "iqn.2026-11.io.lunette:a", LUNs: []LUN{{0, "a"}}}}}
	d.Label("units[0].store", "--memory 1X")
	if err := d.Validate(testSchema); err == nil || !strings.HasPrefix(err.Error(), `--memory 1X: "1X" is not a size`) {
		t.Error(err)
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
		if err == nil && len(d.Targets) == 0 {
			t.Fatal("valid without targets")
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatalf("the error has two lines: %q", err)
		}
	})
}
