package tape

import (
	"fmt"

	"github.com/lunette-io/lunette/device/alert"
)

// The disk below is nearly full when less than a twentieth of it is free, and less than diskMost. It is looked at when a cartridge is
// loaded, and after so much was written.
const (
	diskShare = 20
	diskMost  = 64 << 30
	diskEvery = 256 << 20
)

// watchDisk tells people and hosts when the disk that the cartridge is on begins to be nearly full: long before a write fails. Hosts are
// told that it is the tape which has less room than it should have, which is the nearest that there is. Its caller has the turn.
func (d *Drive) watchDisk() {
	c := &d.cartridge
	c.unwatched = 0
	free, size := c.tape.Disk()
	low := size > 0 && free < min(size/diskShare, diskMost)
	switch {
	case low == c.diskLow:
		return
	case low:
		d.alert(alert.WriteWarning)
		d.warn("the disk is nearly full", fmt.Errorf("%d bytes are free: give it more room, or delete cartridges, or writes will fail", free))
	default:
		d.pages.flags.Clear(alert.WriteWarning)
	}
	c.diskLow = low
}
