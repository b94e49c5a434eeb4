package agent_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent"
	"github.com/lunette-io/lunette/agent/model"
)

var options = []model.Option{
	{Name: "path", Type: model.Path, Required: true, Help: "where"},
	{Name: "size", Type: model.Bytes, Min: 4 << 20, Max: 1 << 40, Multiple: 512, Help: "how much"},
	{Name: "delay", Type: model.Duration, Default: "1s", Max: 60e9, Help: "how long"},
	{Name: "many", Type: model.Int, Min: 1, Help: "how many"},
	{Name: "durable", Type: model.Bool, Help: "really"},
	{Name: "mode", Values: []string{"a", "b"}, Default: "a", Help: "which"},
	{Name: "label", Help: "any"},
	{Name: "poll", Type: model.Duration, Words: []string{"auto"}, Default: "auto", Help: "how often"},
	{Name: "slots", Type: model.Map, Help: "slots", Options: []model.Option{{Type: model.Group, Options: []model.Option{{Name: "label", List: true, Help: "labels"}}}}},
}

func TestWriteReference(t *testing.T) {
	var b strings.Builder
	stores := agent.Page{
		Title: "Stores", Intro: "What holds the bytes.",
		Kinds:    []model.Kind{{Name: "memory", Help: "In memory."}, {Name: "file", Help: "In a file.", Options: options}},
		Sections: []agent.Section{{Title: "More", Intro: "In a target.", Options: []model.Option{{Name: "a", Type: model.Group, Options: []model.Option{{Name: "b", Help: "deep"}}}}}},
	}
	if err := stores.Write(&b); err != nil {
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
		"| `label` | string |  | any |\n" +
		"| `poll` | `auto`, duration | `auto` | how often |\n" +
		"| `slots` | names and values |  | slots |\n" +
		"| `slots.NAME.label[]` | string |  | labels |\n" +
		"\n## More\n\nIn a target.\n\n| option | value | default | |\n|---|---|---|---|\n| `a.b` | string |  | deep |\n"
	if table != want {
		t.Errorf("the table is\n%s\nwant\n%s", table, want)
	}
}

type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteReferenceFails(t *testing.T) {
	if err := (agent.Page{}).Write(full{}); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
}
