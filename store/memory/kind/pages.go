package kind

import (
	"github.com/lunette-io/lunette/internal/limits"
	"github.com/lunette-io/lunette/store/memory"
)

// pages are the pages of a memory store: huge ones make every command cheaper, and cost
// nothing that counts where all of the store fits well into what is free.
func pages(wish string, size int64) memory.Pages {
	switch {
	case wish == "always":
		return memory.InsistOnHuge
	case wish == "auto" && size <= limits.AvailableMemory()/4:
		return memory.HugePages
	}
	return memory.SmallPages
}
