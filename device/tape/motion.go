package tape

import "github.com/lunette-io/lunette/device"

// motionCommands are the commands that move the medium, or depend on its position.
func (d *Drive) motionCommands() []device.Command { return nil }

// start makes the ways of the drive.
func (d *Drive) start() {
	d.encryptor = noKeys{}
	d.ways = ways{inTurn: d.runInTurn, aborted: d.aborted}
}

type (
	writer   struct{}
	reader   struct{}
	prevents struct{}
)
