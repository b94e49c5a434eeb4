package changer

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// statistics count what the robot has done.
type statistics struct {
	moves, picks, places, tags, doors, scans atomic.Uint32
	elements                                 []elementStatistics // as Changer.addresses
}

// elementStatistics are those of one element.
type elementStatistics struct{ places, picks, tags atomic.Uint32 }

// moved counts a move between two elements.
func (s *statistics) moved(from, to int) {
	s.moves.Add(1)
	s.picks.Add(1)
	s.places.Add(1)
	s.elements[from].picks.Add(1)
	s.elements[to].places.Add(1)
}

// scanned counts a scan of all elements.
func (s *statistics) scanned(elements []Element) {
	s.scans.Add(1)
	for i := range min(len(elements), len(s.elements)) {
		if elements[i].Full && elements[i].Barcode != "" {
			s.tags.Add(1)
			s.elements[i].tags.Add(1)
		}
	}
}

func (s *statistics) resetElements() {
	for i := range s.elements {
		e := &s.elements[i]
		e.places.Store(0)
		e.picks.Store(0)
		e.tags.Store(0)
	}
}

func (s *statistics) resetRobot() {
	for _, n := range [...]*atomic.Uint32{&s.moves, &s.picks, &s.places, &s.tags, &s.doors, &s.scans} {
		n.Store(0)
	}
}

// counter appends a log parameter that counts.
func counter(dst []byte, code uint16, values ...uint32) []byte {
	b := make([]byte, 0, 24)
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return page.AppendLogParameter(dst, code, page.LogCounter, b...)
}

// appendRobot appends log page 14h, Medium Changer Statistics (SMC-3 7.2.4). Nothing has to be tried twice.
func (s *statistics) appendRobot(dst []byte, _ *target.Unit) []byte {
	var list []byte
	for code, v := range [...]uint32{
		s.moves.Load(), s.picks.Load(), 0, s.places.Load(), 0, s.tags.Load(), 0, 0, s.doors.Load(), s.scans.Load(),
	} {
		list = counter(list, uint16(code), v)
	}
	return page.AppendLogPage(dst, page.LogChangerStatistics, 0, list)
}

// elementParameter is the length of a parameter of log page 15h, and elementParameters how many fit into a page.
const (
	elementParameter  = 28
	elementParameters = 0xffff / elementParameter
)

// appendElements appends log page 15h, Element Statistics (SMC-3 7.2.5): a parameter for each element, the code of which is the
// address. If there are more elements than fit, those are there that something has happened to, as far as they fit.
func (c *Changer) appendElements(dst []byte, _ *target.Unit) []byte {
	s := c.statistics.elements
	all, n := len(s) <= elementParameters, 0
	var list []byte
	for i := range s {
		places, picks, tags := s[i].places.Load(), s[i].picks.Load(), s[i].tags.Load()
		if !all && places == 0 && picks == 0 {
			continue
		}
		if n++; n > elementParameters {
			break
		}
		list = counter(list, c.addresses[i], places, 0, picks, 0, tags, 0)
	}
	return page.AppendLogPage(dst, page.LogElementStatistics, 0, list)
}
