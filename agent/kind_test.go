package agent_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent"
	"github.com/lunette-io/lunette/agent/model"
)

var kinds = []agent.Kind[func() string]{
	{Name: "memory", Help: "In memory.", New: func() string { return "made of memory" }},
	{Name: "file", Help: "In a file.", New: func() string { return "made of files" }, Options: []model.Option{
		{Name: "path", Type: model.Path, Required: true, Help: "where"},
		{Name: "size", Type: model.Bytes, Min: 4 << 20, Max: 1 << 40, Multiple: 512, Help: "how much"},
		{Name: "delay", Type: model.Duration, Default: "1s", Max: 60e9, Help: "how long"},
		{Name: "many", Type: model.Int, Min: 1, Help: "how many"},
		{Name: "durable", Type: model.Bool, Help: "really"},
		{Name: "mode", Values: []string{"a", "b"}, Default: "a", Help: "which"},
		{Name: "label", Help: "any"},
	}},
}

func TestFind(t *testing.T) {
	for name, want := range map[string]string{"memory": "made of memory", "file": "made of files"} {
		k, err := agent.Find(kinds, "store", name)
		if err != nil || k.Name != name || k.New() != want {
			t.Errorf("%s: %+v %v", name, k, err)
		}
	}
	for _, name := range []string{"", "File", "files"} {
		k, err := agent.Find(kinds, "store", name)
		if err == nil || k.New != nil || !strings.Contains(err.Error(), `store "`+name+`"`) {
			t.Errorf("%q: %+v %v", name, k, err)
		}
	}
}

// The schema has what is said about each kind, under its axis and in the same order.
func TestSchema(t *testing.T) {
	s := agent.Schema("store", kinds)
	if len(s) != 2 || s[0].Name != "memory" || s[1].Name != "file" {
		t.Fatalf("%+v", s)
	}
	for i, k := range s {
		if k.Axis != "store" || k.Help != kinds[i].Help || len(k.Options) != len(kinds[i].Options) {
			t.Errorf("%+v", k)
		}
	}
	if s := agent.Schema("store", []agent.Kind[int]{}); len(s) != 0 {
		t.Errorf("of nothing: %+v", s)
	}
}

func TestWriteReference(t *testing.T) {
	var b strings.Builder
	if err := agent.WriteReference(&b, "Stores", "What holds the bytes.", agent.Schema("store", kinds)); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if !strings.HasPrefix(page, "# Stores\n\n<!-- ") || !strings.Contains(page, "-->\n\nWhat holds the bytes.\n\n## memory\n\nIn memory.\n\n## file\n\nIn a file.\n\n| option |") {
		t.Errorf("the beginning:\n%s", page)
	}
	_, table, _ := strings.Cut(page, "|---|---|---|---|\n")
	const want = "| `path` | path | (required) | where |\n" +
		"| `size` | size, from 4M, up to 1T, a multiple of 512 |  | how much |\n" +
		"| `delay` | duration, up to 1m0s | `1s` | how long |\n" +
		"| `many` | number, from 1 |  | how many |\n" +
		"| `durable` | bool | `false` | really |\n" +
		"| `mode` | `a`, `b` | `a` | which |\n" +
		"| `label` | string |  | any |\n"
	if table != want {
		t.Errorf("the table is\n%s\nwant\n%s", table, want)
	}
}

type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteReferenceFails(t *testing.T) {
	if err := agent.WriteReference(full{}, "", "", nil); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
}
