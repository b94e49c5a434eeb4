// Package kind is what a document can say of a filter that counts, and what it says itself.
package kind

import (
	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter/stats"
)

// Kind is the filter "stats".
func Kind() plugin.Filter {
	return plugin.Filter{About: plugin.About{
		Name: "stats",
		Help: "Counts and times what the store does. `lunette units -o json` shows it.",
	}, Wrap: func(s store.Store, _ model.Values) (plugin.Wrapped, error) {
		f := stats.New(s)
		return plugin.Wrapped{Store: f, Describe: func() api.Facts {
			all := counts(f.Snapshot())
			if len(all) == 0 {
				return nil
			}
			return api.Facts{{Name: "storeCounts", Value: all}}
		}}, nil
	}}
}

// A count is what the filter has counted of one operation of a store.
type count struct {
	Operation string  `json:"operation"`
	Calls     int64   `json:"calls"`
	Errors    int64   `json:"errors"`
	Bytes     int64   `json:"bytes"`
	Timed     int64   `json:"timed"`   // calls that may have waited, whose time was taken
	Seconds   float64 `json:"seconds"` // that those took in all
}

// counts are the operations that there were.
func counts(snapshot stats.Snapshot) []count {
	var all []count
	for op, c := range snapshot {
		if c.Calls == 0 {
			continue
		}
		n := count{
			Operation: stats.Op(op).String(), Calls: int64(c.Calls), Errors: int64(c.Errors), Bytes: int64(c.Bytes),
			Seconds: c.Busy.Seconds(),
		}
		for _, calls := range c.Times {
			n.Timed += int64(calls)
		}
		all = append(all, n)
	}
	return all
}
