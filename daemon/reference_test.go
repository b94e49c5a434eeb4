package daemon

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/lunette-io/lunette/agent"
	"github.com/lunette-io/lunette/agent/model"
)

var update = flag.Bool("update", false, "write the reference pages anew")

// The reference pages are those of the kinds that there are.
func TestReferenceIsCurrent(t *testing.T) {
	schema := Builtin().Schema()
	of := func(axis string) (all []model.Kind) {
		for _, k := range schema.Kinds {
			if k.Axis == axis {
				all = append(all, k)
			}
		}
		return all
	}
	for file, page := range map[string]agent.Page{
		"document.md": {
			Title: "The document", Intro: "What a daemon serves, as YAML or JSON: the keys that every document has. What kinds of plugins have beside `kind` is on the pages of [stores](stores.md), [filters](filters.md), [devices](devices.md) and [transports](transports.md); those have keys in targets and in the document, too.\n\n[document.schema.json](document.schema.json) is the JSON Schema of documents (draft 2020-12), for editors and other programs. A size is a number of bytes such as `512`, `10G` or `1.5T` (K, M, G, T, P, E are powers of 1024; kB, MB … of 1000), a duration a number with its unit such as `250us`, `10ms` or `1m30s`.",
			Sections: []agent.Section{{Title: "Keys", Intro: "`[]` stands behind what is a list, and `NAME` for a name of your choice.", Options: model.DocumentOptions()}},
		},
		"stores.md":  {Title: "Stores", Intro: "Where the bytes of a unit live: the `store` of a unit in the configuration document.", Kinds: of("store")},
		"filters.md": {Title: "Filters", Intro: "What lies between a device and its store: the `filters` of a unit, in the order that a write passes them.", Kinds: of("filter")},
		"devices.md": {Title: "Devices", Intro: "What a unit is to initiators: the `device` of a unit.", Kinds: of("device")},
		"transports.md": {
			Title: "Transports", Intro: "How initiators reach a target: the part before `://` of a portal.", Kinds: of("transport"),
			Sections: []agent.Section{
				{Title: "In a target", Intro: "What transports have in each of the `targets` of a document.", Options: schema.Target},
				{Title: "In the document", Intro: "What transports and providers have in the whole of a document.", Options: schema.Document},
			},
		},
	} {
		var b bytes.Buffer
		if err := page.Write(&b); err != nil {
			t.Fatal(err)
		}
		current(t, file, b.Bytes())
	}
	text, err := schema.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	current(t, "document.schema.json", append(text, '\n'))
}

// current writes a file of the reference, if it is told to, and compares it.
func current(t *testing.T, file string, want []byte) {
	t.Helper()
	path := filepath.Join("..", "docs", "reference", file)
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, want) {
		t.Errorf("%s is not current (%v): go test ./daemon -run Reference -update", path, err)
	}
}

// Documents that are right are so by the JSON Schema, too.
func TestJSONSchemaTakesDocuments(t *testing.T) {
	text, err := Builtin().Schema().JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("document.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("document.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{everything, document, withUsers, fmt.Sprintf(tapesDocument, 4, ", addresses: {storage: 2000}, serial: ABC")} {
		d, err := model.Read("x.yaml", []byte(text), Builtin().Schema())
		if err != nil {
			t.Fatal(err)
		}
		text, err := d.Encode(model.JSON)
		if err != nil {
			t.Fatal(err)
		}
		x, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(x); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
}

// Every kind says what a document needs to know, and so does every option beside the kinds.
func TestKindsAreWhole(t *testing.T) {
	schema := Builtin().Schema()
	seen := make(map[string]bool)
	for _, k := range schema.Kinds {
		if id := k.Axis + " " + k.Name; seen[id] || k.Name == "" || !strings.HasSuffix(k.Help, ".") {
			t.Errorf("%s: twice, without a name, or without a sentence of help", id)
		}
		seen[k.Axis+" "+k.Name] = true
		whole(t, k.Axis+" "+k.Name, k.Options)
		for _, a := range k.Actions {
			if a.Name == "" || !strings.HasSuffix(a.Help, ".") {
				t.Errorf("%s %s: an action without a name, or without a sentence of help", k.Axis, k.Name)
			}
			whole(t, k.Axis+" "+k.Name+" "+a.Name, a.Arguments)
		}
	}
	whole(t, "the document", schema.Document)
	whole(t, "a target", schema.Target)
}

func whole(t *testing.T, where string, options []model.Option) {
	t.Helper()
	names := map[string]bool{"kind": true, "address": true, "targets": true}
	for _, o := range options {
		at := where + ": " + o.Name
		if names[o.Name] || o.Name == "" || (o.Help == "" && len(o.Options) == 0) {
			t.Errorf("%s: twice, reserved, or without help", at)
		}
		names[o.Name] = true
		if o.Default != "" {
			if _, err := o.Parse(o.Default); err != nil {
				t.Errorf("%s: the default: %v", at, err)
			}
		}
		whole(t, at, o.Options)
	}
}
