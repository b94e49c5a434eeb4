// Package kind is what a document can say of a filter that makes a store slow.
package kind

import (
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter/delay"
)

// Kind is the filter "delay".
func Kind() plugin.Filter {
	return plugin.Filter{About: plugin.About{
		Name: "delay",
		Help: "Makes a store slow, to try what relies on it.",
		Options: []model.Option{
			{Name: "read", Type: model.Duration, Help: "Time that a read takes longer."},
			{Name: "write", Type: model.Duration, Help: "Time that a write takes longer."},
			{Name: "flush", Type: model.Duration, Help: "Time that a flush takes longer."},
			{Name: "trim", Type: model.Duration, Help: "Time that giving space back takes longer."},
			{Name: "zero", Type: model.Duration, Help: "Time that writing zeros takes longer."},
			{Name: "jitter", Type: model.Duration, Help: "Random time, up to this, on top of each of the others."},
		},
	}, Wrap: wrap}
}

func wrap(s store.Store, v model.Values) (plugin.Wrapped, error) {
	latency := func(name string) delay.Latency {
		l := delay.Latency{Fixed: v.Duration(name)}
		if l.Fixed > 0 {
			l.Jitter = v.Duration("jitter")
		}
		return l
	}
	return plugin.Wrapped{Store: delay.New(s, delay.Config{
		Read: latency("read"), Write: latency("write"), Flush: latency("flush"),
		Trim: latency("trim"), Zero: latency("zero"),
	})}, nil
}
