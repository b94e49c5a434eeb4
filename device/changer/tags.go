package changer

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// sendTag is SEND VOLUME TAG (SMC-3 6.14): it says what REQUEST VOLUME ELEMENT ADDRESS of the same nexus shall look for.
// Tags are read off the cartridges, so that none can be asserted, replaced or undefined.
func (c *Changer) sendTag(t *target.Task) {
	s, err := cdb.ParseSendVolumeTag(t.CDB)
	switch {
	case err != nil:
		c.FailWith(t, err)
	case s.Type > uint8(Drive):
		c.Fail(t, scsi.InvalidFieldInCDB(1, 3))
	case !s.Searches():
		c.Fail(t, scsi.InvalidFieldInCDB(5, 4))
	case s.Length != cdb.VolumeTagTemplateLen:
		c.Fail(t, scsi.ParameterListLengthError())
	default:
		c.ReceiveList(t, int64(s.Length), func(t *target.Task, list []byte) { c.receivedTag(t, s, list) })
	}
}

func (c *Changer) receivedTag(t *target.Task, s cdb.SendVolumeTag, list []byte) {
	template, err := cdb.ParseVolumeTagTemplate(list)
	if err != nil {
		c.FailWith(t, err)
		return
	}
	c.mu.Lock()
	c.of(t.ITL()).search = &search{SendVolumeTag: s, template: template}
	c.mu.Unlock()
	c.Used(t, len(list))
}

// requestAddress is REQUEST VOLUME ELEMENT ADDRESS (SMC-3 6.13): those of the elements that SEND VOLUME TAG has asked for, as
// they are now.
func (c *Changer) requestAddress(t *target.Task) {
	r, err := cdb.ParseRequestVolumeElementAddress(t.CDB)
	if err == nil && r.Type > uint8(Drive) {
		err = scsi.InvalidFieldInCDB(1, 3)
	}
	if err != nil {
		c.FailWith(t, err)
		return
	}
	c.mu.Lock()
	s := c.of(t.ITL()).search
	c.mu.Unlock()
	if s == nil {
		c.Fail(t, scsi.IllegalRequest(scsi.ASCCommandSequenceError))
		return
	}
	q := query{start: max(r.Start, s.Start), count: r.Count, kind: ElementType(r.Type), tags: r.Tags, action: s.Action, allocation: r.Allocation, matches: s.matches}
	c.Workers().Run(t, func(t *target.Task) { c.answer(t, &q) })
}

// matches reports that an element is one of those that are looked for. There are no alternate tags, and sequence numbers are 0.
func (s *search) matches(e *Element) bool {
	if s.Type != 0 && e.Type != ElementType(s.Type) || !e.Full {
		return false
	}
	if s.Action&^cdb.SearchAnySequence == cdb.SearchAlternateTags {
		return false
	}
	return (s.Action&cdb.SearchAnySequence != 0 || s.template.Min == 0) && s.template.Matches(e.Barcode)
}
