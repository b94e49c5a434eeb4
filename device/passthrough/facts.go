package passthrough

import (
	"bytes"
	"slices"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// facts are what lunette knows of the device. They do not change: others take their place.
type facts struct {
	identity scsi.Identity
	// standard is standard INQUIRY data as the device has given it, and the others its VPD pages of these numbers, whole; nil: there are none.
	standard, page00, page80, page83 []byte
	// blockSize is that of the medium, for devices with logical blocks; 0: nobody knows now.
	blockSize uint32
	// descriptor: the device sends sense in descriptor format (D_SENSE of the control mode page).
	descriptor bool
	// maxTransfer is how many bytes the adapter moves with one command, 0: nobody knows.
	maxTransfer int64
}

// fullLength is how long the CDB c is by its operation code, 6 at least where that does not tell.
func fullLength(c []byte) int {
	n, _ := cdb.FullLength(c)
	return max(n, 6)
}

// names are the designation descriptors of the device's page 83h that are about the logical unit, as they are there, as far as the page can be read.
func (f *facts) names() (all [][]byte) {
	b := f.page83
	if len(b) < 4 {
		return nil
	}
	for b = b[4:]; len(b) > 0; {
		d, n, err := page.ParseDesignator(b)
		if err != nil {
			break
		}
		if d.Association == page.OfUnit {
			all = append(all, b[:n])
		}
		b = b[n:]
	}
	return all
}

// same reports that f is of the device that o is of, as far as it says who it is: many have no serial number, and makers have given one twice.
func (f *facts) same(o *facts) bool {
	a, b := &f.identity, &o.identity
	return a.Type == b.Type && a.Vendor == b.Vendor && a.Product == b.Product && a.Serial == b.Serial && slices.EqualFunc(f.names(), o.names(), bytes.Equal)
}
