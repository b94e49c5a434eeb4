// Package kind is what a document can say of a filter that makes a store fail.
package kind

import (
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter/fault"
)

// Kind is the filter "fault".
func Kind() plugin.Filter {
	return plugin.Filter{About: plugin.About{
		Name: "fault",
		Help: "Makes calls of a store fail, to try what relies on it.",
		Options: []model.Option{
			{Name: "calls", Type: model.String, Default: "all", Values: []string{"all", "read", "write", "flush", "trim", "zero", "map", "compare", "resize"}, Help: "Which calls fail."},
			{Name: "offset", Type: model.Bytes, Help: "Only calls that touch bytes from here on …"},
			{Name: "length", Type: model.Bytes, Help: "… and not behind this many; 0: up to the end."},
			{Name: "skip", Type: model.Int, Help: "How many calls go well first."},
			{Name: "times", Type: model.Int, Help: "How many calls fail; 0: no end."},
			{Name: "percent", Type: model.Int, Default: "100", Min: 1, Max: 100, Help: "How many of the calls that could fail do."},
			{Name: "error", Type: model.String, Default: "medium", Values: []string{"medium", "out-of-space", "read-only", "unavailable"}, Help: "What the call answers."},
			{Name: "late", Type: model.Bool, Help: "Does the work, and then fails."},
			{Name: "seed", Type: model.Int, Help: "Of the random numbers behind percent."},
		},
	}, Wrap: wrap}
}

func wrap(s store.Store, v model.Values) (plugin.Wrapped, error) {
	calls := map[string]fault.Op{
		"all": fault.All, "read": fault.Read, "write": fault.Write, "flush": fault.Flush,
		"trim": fault.Trim, "zero": fault.Zero, "map": fault.Map,
		"compare": fault.Compare, "resize": fault.Resize,
	}
	errs := map[string]error{
		"medium": store.ErrMedium, "out-of-space": store.ErrOutOfSpace, "read-only": store.ErrReadOnly,
		"unavailable": store.ErrUnavailable,
	}
	return plugin.Wrapped{Store: fault.New(s, uint64(v.Int("seed")), fault.Rule{
		Ops: calls[v.String("calls")], Off: v.Size("offset"), Len: v.Size("length"),
		Skip: v.Int("skip"), Times: v.Int("times"), Probability: float64(v.Int("percent")) / 100,
		Err: errs[v.String("error")], Late: v.Bool("late"),
	})}, nil
}
