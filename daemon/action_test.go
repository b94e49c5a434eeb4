package daemon

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/server"
	"github.com/lunette-io/lunette/test/plugin/pipe"
)

// People do with a unit what its kind has for them: what they say is checked as options are, what changes something is an event, and
// what goes wrong has its error.
func TestActions(t *testing.T) {
	t.Chdir(t.TempDir())
	d := serving(t, pipe.New(), foreign)
	c := client.New(d.Socket())
	all, err := c.Actions(t.Context(), "box")
	if err != nil || len(all) != 2 || all[0].Changes || !all[1].Changes || !reflect.DeepEqual(all[1].Arguments[0], api.Argument{Name: "times", Type: "number", Required: true, Help: "how often"}) {
		t.Fatalf("%+v, %v", all, err)
	}
	if all, err := c.Actions(t.Context(), "plain"); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	from := d.engine.Status().Sequence
	var result struct{ Turned int }
	if err := c.Act(t.Context(), "box", "turn", map[string]any{"times": 3, "to": "L"}, &result); err != nil || result.Turned != 3 {
		t.Errorf("%+v, %v", result, err)
	}
	if err := c.Act(t.Context(), "box", "look", nil, &result); err != nil || result.Turned != 3 {
		t.Errorf("%+v, %v", result, err)
	}
	var missing *client.NotFoundError
	if err := c.Act(t.Context(), "box", "turn", map[string]any{"times": 1, "to": "M"}, nil); !errors.As(err, &missing) || !strings.Contains(err.Error(), `the label "M"`) {
		t.Error(err)
	}
	if err := c.Act(t.Context(), "box", "turn", map[string]any{"times": 9}, nil); err == nil || !strings.Contains(err.Error(), "dizzy") {
		t.Error(err)
	}
	if err := c.Act(t.Context(), "box", "turn", map[string]any{"times": 900}, nil); err == nil || !strings.Contains(err.Error(), "not from 0 to 100") {
		t.Error(err)
	}
	if err := c.Act(t.Context(), "box", "spin", nil, nil); !errors.As(err, &missing) {
		t.Error(err)
	}
	var seen []string
	for ev, err := range d.engine.Watch(t.Context(), from+1) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Key != (model.Key{Kind: model.UnitObject, Name: "box"}) {
			t.Errorf("%+v", ev)
		}
		if seen = append(seen, ev.Type+" "+ev.Message); len(seen) == 3 {
			break
		}
	}
	if !strings.HasPrefix(seen[0], "acted turn: ") || !strings.Contains(seen[0], "uid") || !strings.HasPrefix(seen[1], "failed turn: ") || !strings.HasSuffix(seen[2], "it would be dizzy") {
		t.Errorf("%q", seen)
	}
	if _, err := d.Act(t.Context(), server.ActRequest{Unit: "box", Action: "turn", Arguments: []byte("times: x")}); !errors.As(err, new(model.Problems)) {
		t.Error(err)
	}
}
