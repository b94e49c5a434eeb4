package optical

import (
	"math"

	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// What initiators are told of the drive and the disc follows from the disc's shape alone.

// shape is that of the disc in the closed tray; the zero one if there is none.
func (r *Drive) shape() shape { return r.tray.usable().form() }

// form is the shape of l; the zero one if l is nil.
func (l *loaded) form() shape {
	if l == nil {
		return shape{}
	}
	return l.shape
}

// profile is that of l; none if l is nil.
func (l *loaded) profile() profile { return l.form().profile }

// tells ends t with data, of which the CDB has room for allocation bytes, or with what err means.
func (r *Drive) tells(t *target.Task, data []byte, err error, allocation uint32) {
	if err != nil {
		r.FailWith(t, err)
		return
	}
	r.Reply(t, data, allocation)
}

// getConfiguration is GET CONFIGURATION (MMC-6 6.6).
func (r *Drive) getConfiguration(t *target.Task) {
	c, err := cdb.ParseGetConfiguration(t.CDB)
	var data []byte
	if err == nil {
		data, err = r.shape().configuration(c, r.Identity().Serial)
	}
	r.tells(t, data, err, uint32(c.Allocation))
}

// readTOC is READ TOC/PMA/ATIP (MMC-6 6.25).
func (r *Drive) readTOC(t *target.Task) {
	c, err := cdb.ParseReadTOC(t.CDB)
	var data []byte
	if err == nil {
		data, err = r.shape().toc(c)
	}
	r.tells(t, data, err, uint32(c.Allocation))
}

// readDiscInformation is READ DISC INFORMATION (MMC-6 6.21).
func (r *Drive) readDiscInformation(t *target.Task) {
	c, err := cdb.ParseReadDiscInformation(t.CDB)
	var data []byte
	if err == nil {
		data, err = r.shape().information(c)
	}
	r.tells(t, data, err, uint32(c.Allocation))
}

// readTrackInformation is READ TRACK INFORMATION (MMC-6 6.26).
func (r *Drive) readTrackInformation(t *target.Task) {
	c, err := cdb.ParseReadTrackInformation(t.CDB)
	var data []byte
	if err == nil {
		data, err = r.shape().track(c)
	}
	r.tells(t, data, err, uint32(c.Allocation))
}

// readDiscStructure is READ DISC STRUCTURE (MMC-6 6.22).
func (r *Drive) readDiscStructure(t *target.Task) {
	c, err := cdb.ParseReadDiscStructure(t.CDB)
	var data []byte
	if err == nil {
		data, err = r.shape().structure(c, false)
	}
	r.tells(t, data, err, uint32(c.Allocation))
}

// readFormatCapacities is READ FORMAT CAPACITIES (MMC-6 6.23).
func (r *Drive) readFormatCapacities(t *target.Task) {
	c, err := cdb.ParseReadFormatCapacities(t.CDB)
	var data []byte
	if err == nil {
		data = r.shape().formats()
	}
	r.tells(t, data, err, uint32(c.Allocation))
}

// getPerformance is GET PERFORMANCE (MMC-6 6.8). Its CDB says how many descriptors there is room for, not how many bytes.
func (r *Drive) getPerformance(t *target.Task) {
	c, err := cdb.ParseGetPerformance(t.CDB)
	var data []byte
	if err == nil {
		data, err = r.shape().performance(c)
	}
	r.tells(t, data, err, math.MaxUint32)
}
