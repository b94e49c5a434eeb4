// Package kind is what a document can say of a store in memory.
package kind

import (
	"context"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store/memory"
)

// Kind is the store "memory".
func Kind() plugin.Store {
	return plugin.Store{About: plugin.About{
		Name: "memory",
		Help: "Memory of this process, taken when it is written and given back by UNMAP. What it holds is gone when the daemon stops.",
		Options: []model.Option{
			{Name: "size", Type: model.Bytes, Required: true, Multiple: 512, Min: 512, Change: model.Growing, Help: "How much."},
			{Name: "huge-pages", Type: model.String, Default: model.Auto, Values: []string{model.Auto, "always", "never"}, Change: model.Live, Help: "Asks the kernel for huge pages: faster, but the first write to each 2 MiB takes all of them. auto: if that is a quarter of the memory that is free at most. Another value counts for a unit that is opened from then on."},
		},
	}, Open: open, Look: plugin.SizeAlone, Volatile: true}
}

func open(_ context.Context, v model.Values) (plugin.Opened, error) {
	s, err := memory.Open(memory.Config{Size: v.Size("size"), Pages: pages(v.String("huge-pages"), v.Size("size"))})
	if err != nil {
		return plugin.Opened{}, err
	}
	return plugin.Opened{Store: s, Seed: plugin.NewSeed(), Caveat: plugin.NewCaveat(), Label: "memory", List: s.List}, nil
}
