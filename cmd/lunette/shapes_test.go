package main

import (
	"encoding/json"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon"
)

// What is written on command lines is what a document can have, by the schema that there is.
func TestValuesOfTheRealSchema(t *testing.T) {
	schema, err := daemon.Builtin().Schema().JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		kind             model.ObjectKind
		name, args, want string
	}{
		{"unit", "", "store.kind=file store.path=12 store.size=20G store.read-only=true", `{"store":{"kind":"file","path":"12","size":"20G","read-only":true}}`},
		{"unit", "", "device.serial=12345 device.block-size=4096 device.read-only=true", `{"device":{"serial":"12345","block-size":4096,"read-only":true}}`},
		{"unit", "", "filters.0.kind=delay filters.0.read=10ms", `{"filters":[{"kind":"delay","read":"10ms"}]}`},
		{"target", "", "alias=12 luns.3=12", `{"alias":"12","luns":{"3":"12"}}`},
		{"target", "", "initiators=a,b", `{"initiators":["a","b"]}`},
		{"target", "", "maintenance=true", `{"maintenance":true}`},
		{"target", "", "maintenance.redirect=192.0.2.1", `{"maintenance":{"redirect":"192.0.2.1"}}`},
		{"target", "", "luns.3.unit=db luns.3.read-only=true", `{"luns":{"3":{"unit":"db","read-only":true}}}`},
		{"target", "", "auth.users.0.user=me auth.algorithms=sha256,md5", `{"auth":{"users":[{"user":"me"}],"algorithms":["sha256","md5"]}}`},
		{"access", "", "initiators=a users=12 luns.0=db", `{"initiators":["a"],"users":["12"],"luns":{"0":"db"}}`},
		{"portal", "", "tag=2 targets=a,b", `{"tag":2,"targets":["a","b"]}`},
		{"user", "", "secret-file=12", `{"secret-file":"12"}`},
		{"section", "limits", "connections=10 memory=1G idle-timeout=1m", `{"connections":10,"memory":"1G","idle-timeout":"1m"}`},
		{"section", "network", "reactors=2 engine=auto busy-poll=50us", `{"reactors":2,"engine":"auto","busy-poll":"50us"}`},
		{"section", "iscsi", "immediate-data=yes first-burst=65536", `{"immediate-data":"yes","first-burst":65536}`},
		{"section", "discovery", "open=true auth.users.0.user=me", `{"open":true,"auth":{"users":[{"user":"me"}]}}`},
	} {
		s, err := shapeOf(schema, key(test.kind, test.name))
		if err != nil {
			t.Fatal(err)
		}
		all, err := assignments(shellWords(test.args))
		if err != nil {
			t.Fatal(err)
		}
		patch, err := assigned(s, kinded(s, fields{}, all), all)
		text, _ := json.Marshal(patch)
		if err != nil || string(text) != test.want {
			t.Errorf("%s %s: %s, %v, want %s", test.kind, test.args, text, err, test.want)
		}
	}
}
