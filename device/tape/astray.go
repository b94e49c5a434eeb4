package tape

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// astray are the nexuses whose initiators were writing when the medium was changed, or the drive was made anew, behind their backs: a
// WRITE, WRITE FILEMARKS or ERASE of theirs was answered with the unit attention that says so. Operating systems that do not
// heed it close a file with a filemark all the same; at the beginning, where the medium is after a load, that would be the end
// of all that is on it. So such commands are refused until the initiator has looked where it is: with TEST UNIT READY, as who opens
// a drive does, or any command that moves the medium or asks for its position.
type astray struct {
	some atomic.Int32 // how many there are in of: most often none

	mu sync.Mutex
	of map[*target.ITL]whereabouts
}

// whereabouts are what an initiator knows of the position.
type whereabouts byte

const (
	looked  whereabouts = iota // it has looked
	unheard                    // the drive has not heard of it yet
	strayed                    // it is astray
)

// put notes what x knows.
func (a *astray) put(x *target.ITL, w whereabouts) {
	if w == looked && a.some.Load() == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of == nil {
		a.of = make(map[*target.ITL]whereabouts)
	}
	if a.of[x] = w; w == looked {
		delete(a.of, x)
	}
	a.some.Store(int32(len(a.of)))
}

// get is what x knows.
func (a *astray) get(x *target.ITL) whereabouts {
	if a.some.Load() == 0 {
		return looked
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.of[x]
}

// changesHere reports a command that changes the medium where it happens to be.
func changesHere(op scsi.Opcode) bool {
	return op == scsi.OpWrite6 || op == scsi.OpWriteFilemarks6 || op == scsi.OpErase6
}

// told is told of a command that was answered with a unit attention. A reset leaves the medium where it is; but of a drive that is new
// to the initiator, it may be another medium.
func (d *Drive) told(t *target.Task, a scsi.ASC) {
	x := t.ITL()
	switch {
	case !changesHere(scsi.Opcode(t.CDB[0])):
		d.looks(t)
	case a == scsi.ASCMediumMayHaveChanged, a == scsi.ASCPowerOnResetOrBusDeviceReset && d.astray.get(x) == unheard:
		d.astray.put(x, strayed)
	}
}

// looks notes a command with which an initiator finds out where the medium is.
func (d *Drive) looks(t *target.Task) {
	switch scsi.Opcode(t.CDB[0]) {
	case scsi.OpTestUnitReady, scsi.OpReadPosition, scsi.OpRewind, scsi.OpLocate10, scsi.OpLocate16, scsi.OpSpace6, scsi.OpSpace16,
		scsi.OpRead6, scsi.OpReadReverse6, scsi.OpVerify6, scsi.OpLoadUnload, scsi.OpFormatMedium, scsi.OpSetCapacity:
		d.astray.put(t.ITL(), looked)
	}
}

// heeding makes rows note who looks, and refuse what changes the medium where it is while its initiator is astray.
func (d *Drive) heeding(rows []device.Command) []device.Command {
	for i := range rows {
		run := rows[i].Run
		rows[i].Run = func(t *target.Task) {
			d.looks(t)
			run(t)
		}
		if changesHere(rows[i].Op) {
			rows[i].Run = func(t *target.Task) {
				if d.astray.get(t.ITL()) == strayed {
					d.Fail(t, scsi.NewSense(scsi.KeyMediumError, scsi.ASCSequentialPositioningError))
					return
				}
				run(t)
			}
		}
	}
	return rows
}

// attached is told of a new nexus.
func (d *Drive) attached(x *target.ITL) {
	d.astray.put(x, unheard)
	d.pages.flags.Attach(x)
}
