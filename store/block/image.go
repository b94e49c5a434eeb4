package block

import (
	"fmt"
	"os"

	"github.com/lunette-io/lunette/store/image"
)

// Image says what the device looks like. An image of another format than the plain one is not refused, as that of a file is: nothing is kept
// with a device that says whether it was served before, and then its initiators may have written it.
func (s *Store) Image() image.Found {
	// Through a description of its own, which needs no alignment: it goes by the number of the first, so that it is the same device.
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", s.fd))
	if err != nil {
		return image.Found{}
	}
	defer f.Close()
	return image.Look(f, s.size.Load(), s.path)
}
