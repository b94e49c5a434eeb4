package optical

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// eventClasses are the classes of events that the drive reports.
const eventClasses = cdb.EventsOperational | cdb.EventsPower | cdb.EventsMedia | cdb.EventsBusy

// featuresReported is the operational report of events of the class operational change: other features are current.
const featuresReported = 1

// getEventStatus is GET EVENT STATUS NOTIFICATION (MMC-6 6.7): one event, of the class with the lowest number that has any, else
// that there is none in the lowest class asked for. An event is told once to each nexus, and what there was no room for was told.
func (r *Drive) getEventStatus(t *target.Task) {
	c, err := cdb.ParseGetEventStatus(t.CDB)
	switch {
	case err != nil:
		r.FailWith(t, err)
		return
	case !c.Polled: // there is no queue of commands that wait for events (MMC-6 6.7.2.1)
		r.Fail(t, scsi.InvalidFieldInCDB(1, 0))
		return
	}
	classes := c.Classes & eventClasses
	if classes == 0 {
		r.Reply(t, page.AppendNoEvent(nil, eventClasses), uint32(c.Allocation))
		return
	}
	if c.Allocation <= page.EventHeaderLen {
		// Hosts ask so which classes there are: no event is told (MMC-6 6.7.2.4).
		r.Reply(t, page.Event{Class: lowest(classes)}.Append(nil, eventClasses), uint32(c.Allocation))
		return
	}
	r.Reply(t, r.nextEvent(t.ITL(), classes).Append(nil, eventClasses), uint32(c.Allocation))
}

// nextEvent is the event that x is told, of some of the drive's classes.
func (r *Drive) nextEvent(x *target.ITL, classes uint8) page.Event {
	if classes&cdb.EventsOperational != 0 {
		if r.mail.takeFeatures(x) {
			return r.operational(x, page.OperationalChanged, featuresReported)
		}
	}
	if classes&cdb.EventsMedia != 0 {
		if code := r.mail.takeMedia(x); code != page.MediaNone {
			return page.Event{Class: page.EventMedia, Code: code, Status: r.mediaStatus()}
		}
	}
	switch class := lowest(classes); class {
	case page.EventOperational:
		return r.operational(x, page.OperationalNone, 0)
	case page.EventPower:
		return page.Event{Class: class, Status: page.PowerActive}
	case page.EventMedia:
		return page.Event{Class: class, Status: r.mediaStatus()}
	default:
		return page.Event{Class: class}
	}
}

// operational is an event of the class operational change for x: PERSISTENT PREVENTED is what x has prevented.
func (r *Drive) operational(x *target.ITL, code uint8, report uint16) page.Event {
	e := page.Event{Class: page.EventOperational, Code: code, Report: report}
	if r.prevents.persistently(x) {
		e.Status = 0x80
	}
	return e
}

// mediaStatus is the media status of events: whether there is a disc in the drive, and whether the tray is open.
func (r *Drive) mediaStatus() uint8 {
	l, open, _ := r.tray.look()
	switch {
	case open:
		return page.MediaTrayOpen
	case l != nil:
		return page.MediaPresent
	}
	return 0
}

// lowest is the class with the lowest number of a bitmap that is not 0.
func lowest(classes uint8) uint8 {
	for class := uint8(0); ; class++ {
		if classes&(1<<class) != 0 {
			return class
		}
	}
}
