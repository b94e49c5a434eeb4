// Package kind is what a document can say of a filter that checks what is read.
package kind

import (
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store/filter/verify"
)

// Kind is the filter "verify".
func Kind() plugin.Filter {
	return plugin.Filter{About: plugin.About{
		Name: "verify",
		Help: "Keeps a checksum of every 4 KiB that is written, in memory, and fails reads that give back anything else.",
	}, Wrap: plugin.Wraps(verify.New)}
}
