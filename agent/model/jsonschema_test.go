package model

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// compiled is the JSON Schema of the test's schema.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := testSchema.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("document.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("document.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// judge validates a document that can be parsed, whether it is right or not.
func judge(t testing.TB, s *jsonschema.Schema, text string) error {
	t.Helper()
	n, p := parseWhole([]byte(text))
	if p != nil {
		t.Fatal(p)
	}
	x, err := jsonschema.UnmarshalJSON(bytes.NewReader(encode(&n, JSON)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(x)
}

// What is right is right by the JSON Schema, too.
func TestJSONSchemaTakesWhatIsRight(t *testing.T) {
	s := compiled(t)
	for _, text := range []string{goodYAML, accessYAML, editYAML, "version: 1", `{version: 1, units: [], targets: [], portals: []}`} {
		if err := judge(t, s, text); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		root := genDocument(r)
		if err := judge(t, s, string(encode(&root, YAML))); err != nil {
			r.Fatalf("%s\n%v", encode(&root, YAML), err)
		}
	})
}

// What is wrong wherever it stands is wrong by the JSON Schema, too.
func TestJSONSchemaRefusesWhatIsWrong(t *testing.T) {
	s := compiled(t)
	for _, test := range []struct{ text, old, now string }{
		{goodYAML, "version: 1\n", ""},
		{goodYAML, "version: 1", "version: 2"},
		{goodYAML, "alias: ", "alais: "},
		{goodYAML, `alias: "a target"`, "alias: 12"},
		{goodYAML, "size: 10G", "size: 10X"},
		{goodYAML, "size: 10G", "size: 1000"},
		{goodYAML, "size: 10G", "size: 10G, fast: true"},
		{goodYAML, "kind: file", "kind: fiel"},
		{goodYAML, "kind: file, ", ""},
		{goodYAML, "path: /x/a.img, ", ""},
		{goodYAML, "read: 2ms", "read: 2"},
		{goodYAML, "block-size: 4096", "block-size: 1024"},
		{goodYAML, "read-only: true", "read-only: yes"},
		{goodYAML, "name: m", "name: 7"},
		{goodYAML, "name: m", "name: \"m/m\""},
		{goodYAML, "5: m", "x: m"},
		{goodYAML, "5: m", "5: 7"},
		{goodYAML, "memory: 256M", "memory: 1024"},
		{goodYAML, "connections: 10", "connections: 9999999"},
		{goodYAML, "stop-timeout: 3s", "stop-timeout: 3"},
		{goodYAML, "engine: reactors", "engine: turbine"},
		{goodYAML, "reactors: 3", "reactors: 2000"},
		{goodYAML, "busy-poll: 50us", "busy-poll: soon"},
		{goodYAML, "send-buffer: 1M", "send-buffer: much"},
		{goodYAML, "iwarp: {max-fpdu: 9000}", "iwarp: 9000"},
		{goodYAML, "max-fpdu: 9000", "max-fdpu: 9000"},
		{goodYAML, "user: alice, ", ""},
		{goodYAML, "kind: iser+iwarp", "kind: iser+warp"},
		{goodYAML, "{kind: iser+iwarp, address: 10.0.0.1, ", "{kind: fcp+roce, address: \"10.0.0.1:7\", speed: x, "},
		{goodYAML, "{kind: iser+iwarp, address: 10.0.0.1, ", "{address: \"10.0.0.1:7\", speed: 7, "},
		{goodYAML, "device: {kind: disk, block-size: 4096, read-only: true}", "device: {kind: clock}"},
		{goodYAML, "device: {kind: disk, block-size: 4096, read-only: true}", "device: {kind: library}"},
		{goodYAML, "store: {kind: memory, size: 1048576}", "stores: {a: {kind: memory, size: 1M}}"},
		{goodYAML, "limits: ", "limts: "},
		{accessYAML, "{unit: logs, read-only: true}", "{read-only: true}"},
		{accessYAML, "{unit: logs, read-only: true}", "{unit: logs, readonly: true}"},
		{accessYAML, "users: [alice]", "users: []"},
		{accessYAML, "name: nobody, ", ""},
		{accessYAML, "{redirect: \"192.0.2.1:3260\"}", "{to: x}"},
		{accessYAML, "{redirect: \"192.0.2.1:3260\"}", "perhaps"},
		{accessYAML, ", secret-file: /s/bob", ""},
		{accessYAML, "tag: 2", "tag: 0"},
	} {
		text := strings.Replace(test.text, test.old, test.now, 1)
		if text == test.text {
			t.Errorf("%q is not in the document", test.old)
		}
		if err := judge(t, s, text); err == nil {
			t.Errorf("with %q it is right", test.now)
		}
		if _, err := Read("x", []byte(text), testSchema); err == nil {
			t.Errorf("with %q it is right, but by the JSON Schema", test.now)
		}
	}
}

// The tables of what every document has are those of what is decoded.
func TestDocumentOptionsAreWhole(t *testing.T) {
	names := func(options []Option) (all []string) {
		for _, o := range options {
			all = append(all, o.Name)
			if o.Help == "" {
				t.Errorf("%s has no help", o.Name)
			}
		}
		return all
	}
	of := func(name string) []Option { return part(name).Options }
	i := slices.IndexFunc(of("targets"), func(o Option) bool { return o.Name == "access" })
	for _, test := range []struct {
		options []Option
		of      any
	}{
		{DocumentOptions(), &Document{}}, {of("users"), &User{}}, {of("units"), &Unit{}}, {of("targets"), &Target{}}, {of("targets")[i].Options, &Access{}}, {of("limits"), &Limits{}},
	} {
		if got, want := names(test.options), keys(test.of); !slices.Equal(got, want) {
			t.Errorf("%v has %v, and %v are told", reflect.TypeOf(test.of), want, got)
		}
	}
	var d Document
	d.fill(testSchema)
	for _, o := range of("limits") {
		x, err := o.Parse(o.Default)
		if err != nil || o.Name == "memory" && x != d.Limits.Memory || o.Name == "connections" && x != int64(d.Limits.Connections) || o.Name == "logins" && x != int64(d.Limits.Logins) ||
			o.Name == "stop-timeout" && x != d.Limits.StopTimeout || o.Name == "idle-timeout" && x != d.Limits.IdleTimeout || o.Name == "login-timeout" && x != d.Limits.LoginTimeout {
			t.Errorf("the default of %s is not %s (%v)", o.Name, o.Default, err)
		}
	}
}
