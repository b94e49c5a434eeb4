// Package kind is what a document can say of a filter that refuses writes.
package kind

import (
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store/filter/readonly"
)

// Kind is the filter "readonly".
func Kind() plugin.Filter {
	return plugin.Filter{About: plugin.About{
		Name: "readonly",
		Help: "Refuses writes.",
	}, Wrap: plugin.Wraps(readonly.New)}
}
