// Package kind is what a document can say of a store that forgets.
package kind

import (
	"context"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store/null"
)

// Kind is the store "null".
func Kind() plugin.Store {
	return plugin.Store{About: plugin.About{
		Name: "null",
		Help: "Forgets what is written and reads as zeros: the cost of everything but a store.",
		Options: []model.Option{
			{Name: "size", Type: model.Bytes, Required: true, Multiple: 512, Min: 512, Change: model.Growing, Help: "How large it looks."},
		},
	}, Open: open, Look: plugin.SizeAlone, Volatile: true}
}

func open(_ context.Context, v model.Values) (plugin.Opened, error) {
	s, err := null.Open(null.Config{Size: v.Size("size")})
	if err != nil {
		return plugin.Opened{}, err
	}
	return plugin.Opened{Store: s, Seed: plugin.NewSeed(), Caveat: plugin.NewCaveat(), Label: "null"}, nil
}
