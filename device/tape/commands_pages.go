package tape

import (
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// pages is the state of mode and log pages, encryption and the like.
type pages struct{}

// pageCommands are the commands that do not move the medium.
func (d *Drive) pageCommands() []device.Command { return nil }

// pageConfig adds pages and what else the server is made of.
func (d *Drive) pageConfig(*device.Config) {}

// mediumLoaded is called by who has the turn when a cartridge has been loaded, before anybody sees it.
func (d *Drive) mediumLoaded(medium.Tape) {}

// mediumUnloaded is called by who has the turn before a cartridge leaves, while it can still be written.
func (d *Drive) mediumUnloaded(medium.Tape) {}

// alert sets a TapeAlert flag.
func (d *Drive) alert(int) {}

// alerts are the flags that are set.
func (d *Drive) alerts() []int { return nil }

// pagesReset is what a reset of the unit undoes.
func (d *Drive) pagesReset() {}

// nexusLost is told of the end of a nexus.
func (d *Drive) nexusLost(*target.ITL) {}

// noKeys is a drive without encryption.
type noKeys struct{}

func (noKeys) Cipher(*target.ITL) (medium.Cipher, error) { return nil, nil }
func (noKeys) Opener(*target.ITL) medium.Opener          { return nil }
func (noKeys) Overhead(*target.ITL) int64                { return 0 }
func (noKeys) Refuses(_ *target.ITL, o medium.Object) scsi.Sense {
	if o.Sealed {
		return scsi.DataProtect(scsi.ASCUnableToDecryptData)
	}
	return scsi.Sense{}
}
