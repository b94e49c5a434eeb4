package main

import (
	"encoding/json"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
)

// testSchema is a JSON Schema with what one of documents may have.
const testSchema = `{"type":"object","properties":{
"limits":{"$ref":"#/$defs/limits"},
"units":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},
  "store":{"oneOf":[
    {"properties":{"kind":{"const":"memory"},"size":{"$ref":"#/$defs/size"}}},
    {"properties":{"kind":{"const":"file"},"path":{"type":"string"},"size":{"$ref":"#/$defs/size"},"read-only":{"type":"boolean"},"direct":{"type":"boolean"}}}]},
  "device":{"allOf":[{"properties":{"kind":{"enum":["disk"]},"read-only":{"type":"boolean"},"serial":{"type":"string"},"block-size":{"enum":[512,4096]}}},
    {"if":{"properties":{"kind":{"const":"tape"}}},"then":{"properties":{"serial":{"type":"integer"}}}}]},
  "filters":{"type":"array","items":{"properties":{"kind":{"type":"string"},"rate":{"type":"number"}}}}}}},
"targets":{"type":"array","items":{"properties":{"alias":{"type":"string"},
  "luns":{"patternProperties":{"^[0-9]+$":{"anyOf":[{"type":"string"},{"type":"object"}]}}},
  "access":{"type":"array","items":{"properties":{"initiators":{"type":"array","items":{"type":"string"}}}}}}}},
"portals":{"type":"array","items":{"anyOf":[{"type":"string"},{"properties":{"tag":{"type":"integer"}}}]}}},
"$defs":{"size":{"anyOf":[{"type":"string"},{"type":"integer"}]},"limits":{"properties":{"connections":{"type":"integer"},"memory":{"$ref":"#/$defs/size"}}},"loop":{"$ref":"#/$defs/loop"}}}`

func TestValuesHaveTheTypesOfTheSchema(t *testing.T) {
	for _, test := range []struct {
		kind         model.ObjectKind
		object, args string
		want         string
	}{
		{"unit", `{}`, "store.size=20G", `{"store":{"size":"20G"}}`},
		{"unit", `{}`, "store.size=1024", `{"store":{"size":1024}}`},
		{"unit", `{}`, "device.serial=1024", `{"device":{"serial":1024}}`}, // of a tape perhaps
		{"unit", `{"device":{"kind":"disk"}}`, "device.serial=1024", `{"device":{"serial":"1024"}}`},
		{"unit", `{"device":{"kind":"tape"}}`, "device.serial=1024", `{"device":{"serial":1024}}`},
		{"unit", `{}`, "device.read-only=true", `{"device":{"read-only":true}}`},
		{"unit", `{}`, "device.read-only=perhaps", `{"device":{"read-only":"perhaps"}}`},
		{"unit", `{}`, "device.block-size=4096", `{"device":{"block-size":4096}}`},
		{"unit", `{}`, "name=true", `{"name":"true"}`},
		{"unit", `{}`, "unknown=12", `{"unknown":12}`},
		{"unit", `{}`, "filters=[{\"kind\":\"x\"}]", `{"filters":[{"kind":"x"}]}`},
		{"unit", `{"filters":[{"kind":"x"}]}`, "filters.0.rate=1.5", `{"filters":[{"kind":"x","rate":1.5}]}`},
		{"unit", `{"filters":[{"kind":"x"}]}`, "filters[0].rate=1.5", `{"filters":[{"kind":"x","rate":1.5}]}`},
		{"unit", `{}`, "filters[0].rate=1.5", `{"filters":[{"rate":1.5}]}`},
		{"unit", `{}`, "filters.0.rate=1.5", `{"filters":[{"rate":1.5}]}`},
		{"unit", `{}`, "others[0].a.b=x", `{"others":[{"a":{"b":"x"}}]}`},
		{"target", `{}`, "luns.3=12", `{"luns":{"3":"12"}}`},
		{"target", `{}`, `luns.3={"unit":"a"}`, `{"luns":{"3":{"unit":"a"}}}`},
		{"access", `{}`, "initiators=a, 12", `{"initiators":["a","12"]}`},
		{"access", `{"others":["x"]}`, "others=a,12", `{"others":["a",12]}`},
		{"portal", `{}`, "tag=7", `{"tag":7}`},
		{"section", `{}`, `a\.b.c=x`, `{"a.b":{"c":"x"}}`},
	} {
		s, err := shapeOf([]byte(testSchema), key(test.kind, "limits"))
		if err != nil {
			t.Fatal(err)
		}
		tree, err := readTree([]byte(test.object))
		if err != nil {
			t.Fatal(err)
		}
		all, err := assignments([]string{test.args})
		if err != nil {
			t.Fatal(err)
		}
		patch, err := assigned(s, tree.(fields), all)
		text, _ := json.Marshal(patch)
		if err != nil || string(text) != test.want {
			t.Errorf("%s: %s, %v, want %s", test.args, text, err, test.want)
		}
	}
	for _, bad := range []string{"filters.x=1", "filters.7=1", "filters={"} {
		all, _ := assignments([]string{bad})
		s, _ := shapeOf([]byte(testSchema), key("unit", "a"))
		if patch, err := assigned(s, fields{{"filters", []any{}}}, all); err == nil {
			t.Errorf("%s is %v", bad, patch)
		}
	}
	looped := shape{root: fields{{"$defs", fields{{"loop", fields{{"$ref", "#/$defs/loop"}}}}}}, any: []fields{{{"$ref", "#/$defs/loop"}}}}
	if types := looped.types(); len(types) > 0 {
		t.Errorf("a loop has %v", types)
	}
}
