package plugin

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
)

type wire struct{ closed bool }

func (w *wire) Close() error { w.closed = true; return nil }

type rail struct{ *wire }

type node struct{ Node }

var errBusy = errors.New("busy")

// registry has a transport that goes over wires and rails, and one that goes over wires alone; there are two
// providers of wires, and one of rails, which are on wires.
func registry() Registry {
	listen := func(name string) PortalKind { return PortalKind{About: About{Name: name, Help: name + "."}, Port: 7} }
	provider := func(name string) Provider {
		return Provider{
			About:    About{Name: name, Help: "Over " + name + "."},
			Document: []model.Option{{Name: "net", Type: model.Group, Options: []model.Option{{Name: name, Type: model.Int, Help: "h"}}}},
			Listen:   func(port uint16) model.Listen { return model.HostPort("s", port) },
		}
	}
	return List(
		Transport{About: About{Name: "t"}, Portals: []PortalKind{
			Over(listen("w"), func(context.Context, *node, *wire, Binding) (Portal, error) { return nil, errBusy }),
			Over(listen("r"), func(context.Context, *node, rail, Binding) (Portal, error) { return nil, errBusy }),
		}},
		Several{
			Opens(provider("copper"), func(model.Values) (*wire, error) { return &wire{}, nil }),
			Opens(provider("glass"), func(model.Values) (*wire, error) { return nil, errBusy }),
		},
		OpensOn(provider("train"), "copper", func(_ model.Values, below *wire) (rail, error) { return rail{below}, nil }),
	)
}

// Portals are each kind with each provider of what it goes over.
func TestPairs(t *testing.T) {
	r := registry()
	s := r.Schema()
	if got := strings.Join(s.Names("transport"), " "); got != "w+copper w+glass r+train" {
		t.Errorf("portals are %s", got)
	}
	k, err := s.Find("transport", "r+train")
	if err != nil || k.Help != "r. Over train." {
		t.Errorf("%+v, %v", k, err)
	}
	if len(s.Document) != 1 || len(s.Document[0].Options) != 3 {
		t.Errorf("the document has %+v", s.Document)
	}
	pair, err := r.Pair("r+train")
	if err != nil || pair.Provider.On() != "copper" {
		t.Fatalf("%+v, %v", pair, err)
	}
	copper, err := Find(r.Providers, "provider", "copper")
	if err != nil {
		t.Fatal(err)
	}
	below, err := copper.OpenNetwork(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	train, err := pair.Provider.OpenNetwork(nil, below)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Listen(t.Context(), &node{}, train, Binding{}); !errors.Is(err, errBusy) {
		t.Errorf("listen: %v", err)
	}

	glass, _ := Find(r.Providers, "provider", "glass")
	if n, err := glass.OpenNetwork(nil, nil); n != nil || !errors.Is(err, errBusy) {
		t.Errorf("a network that cannot be opened is %v, %v", n, err)
	}
	for what, err := range map[string]error{
		"another network": second(pair.Listen(t.Context(), &node{}, below, Binding{})),
		"another node":    second(pair.Listen(t.Context(), nil, train, Binding{})),
		"no network":      second(pair.Provider.OpenNetwork(nil, nil)),
		"no pair":         second(r.Pair("w+train")),
		"no provider":     second(Find(r.Providers, "provider", "")),
	} {
		if err == nil || errors.Is(err, errBusy) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A registry with more leaves the one that it was made of as it is.
func TestWith(t *testing.T) {
	r := registry()
	more := r.With(Store{About: About{Name: "a"}}, Provider{About: About{Name: "b"}})
	if len(more.Stores) != 1 || len(more.Providers) != 4 || len(r.Stores) != 0 || len(r.Providers) != 3 {
		t.Errorf("%d and %d providers", len(more.Providers), len(r.Providers))
	}
}
