package sgtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
)

// An Entry is a command that the device was given.
type Entry struct {
	CDB       []byte
	Direction sg.Direction
	Data      int // bytes
	Timeout   time.Duration
	Ended     bool // it was: Result is how
	Result    sg.Result

	cdb    [sg.MaxCDB]byte
	length int
}

func entryOf(c *sg.Command) Entry {
	e := Entry{Direction: c.Direction, Data: len(c.Data.Mem), Timeout: c.Timeout}
	e.length = copy(e.cdb[:], c.CDB)
	return e
}

// Op is the operation code.
func (e Entry) Op() scsi.Opcode { return scsi.Opcode(e.CDB[0]) }

// Log are the commands that the device was given since [Device.Forget], in order; match nil: all.
func (d *Device) Log(match func(cdb []byte) bool) []Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Entry
	for i := range d.log {
		e := d.log[i]
		if e.CDB = slices.Clone(e.cdb[:e.length]); match == nil || match(e.CDB) {
			all = append(all, e)
		}
	}
	return all
}

// Forget empties the log. No command is under way.
func (d *Device) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range d.underWay {
		j.entry = -1
	}
	d.log, d.most = d.log[:0], len(d.underWay)
}

// UnderWay is how many commands the device has now, Most how many it had at most since [Device.Forget].
func (d *Device) UnderWay() int { d.mu.Lock(); defer d.mu.Unlock(); return len(d.underWay) }

// Most is explained at [Device.UnderWay].
func (d *Device) Most() int { d.mu.Lock(); defer d.mu.Unlock(); return d.most }

// WaitIdle waits until no command is under way.
func (d *Device) WaitIdle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.underWay) > 0 {
		d.changed.Wait()
	}
}

// Opened is how many handles are open.
func (d *Device) Opened() int { d.mu.Lock(); defer d.mu.Unlock(); return d.handles }

// Wrong is what callers have done that an [sg.Device] does not allow: memory that changed while a command had it, commands that
// were submitted twice or after Close, and the like. A test ends with a look at it.
func (d *Device) Wrong() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.wrong)
}

// complain notes what a caller has done wrong. d.mu is held.
func (d *Device) complain(format string, args ...any) {
	d.wrong = append(d.wrong, fmt.Sprintf(format, args...))
}

func show(cdb []byte) string {
	if len(cdb) == 0 {
		return "an empty CDB"
	}
	return fmt.Sprintf("%v (% x)", scsi.Opcode(cdb[0]), cdb)
}
