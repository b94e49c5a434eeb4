package daemon

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent"
	"github.com/lunette-io/lunette/agent/model"
)

var update = flag.Bool("update", false, "write the reference pages anew")

// The reference pages are those of the kinds that there are.
func TestReferenceIsCurrent(t *testing.T) {
	r := Builtin()
	for _, page := range []struct {
		file, title, intro string
		schema             model.Schema
	}{
		{"stores.md", "Stores", "Where the bytes of a unit live: the `store` of a unit in the configuration document.", agent.Schema("store", r.Stores)},
		{"filters.md", "Filters", "What lies between a device and its store: the `filters` of a unit, in the order that a write passes them.", agent.Schema("filter", r.Filters)},
		{"devices.md", "Devices", "What a unit is to initiators: the `device` of a unit.", agent.Schema("device", r.Devices)},
		{"transports.md", "Transports", "How initiators reach a target: the part before `://` of a portal.", r.providers()},
	} {
		var b bytes.Buffer
		if err := agent.WriteReference(&b, page.title, page.intro, page.schema); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("..", "docs", "reference", page.file)
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, b.Bytes()) {
			t.Errorf("%s is not current (%v): go test ./daemon -run Reference -update", path, err)
		}
	}
}

// Every kind says what a document needs to know.
func TestKindsAreWhole(t *testing.T) {
	seen := make(map[string]bool)
	for _, k := range Builtin().Schema() {
		if id := k.Axis + " " + k.Name; seen[id] || k.Name == "" || !strings.HasSuffix(k.Help, ".") {
			t.Errorf("%s: twice, without a name, or without a sentence of help", id)
		}
		seen[k.Axis+" "+k.Name] = true
		names := make(map[string]bool)
		for _, o := range k.Options {
			if names[o.Name] || o.Name == "kind" || o.Name == "" || o.Help == "" {
				t.Errorf("%s %s: option %q: twice, reserved, or without help", k.Axis, k.Name, o.Name)
			}
			names[o.Name] = true
			if o.Default != "" {
				if _, err := o.Parse(o.Default); err != nil {
					t.Errorf("%s %s: the default of %s: %v", k.Axis, k.Name, o.Name, err)
				}
			}
		}
	}
}
