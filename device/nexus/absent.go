package nexus

import (
	"slices"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
)

// maxAbsent bounds how many nexuses that are not logged in a unit remembers.
const maxAbsent = 1024

// absent holds the conditions that nexuses will be told of when they log in again. When it is
// full the nexus that went first is forgotten: it will be told of a power on instead.
type absent struct {
	conditions map[reserve.Nexus][]scsi.ASC
	order      []reserve.Nexus // by the time at which they went
}

func (a *absent) put(n reserve.Nexus, conditions []scsi.ASC) {
	if a.conditions == nil {
		a.conditions = make(map[reserve.Nexus][]scsi.ASC)
	}
	if _, known := a.conditions[n]; !known {
		if len(a.order) >= maxAbsent {
			delete(a.conditions, a.order[0])
			a.order = a.order[1:]
		}
		a.order = append(a.order, n)
	}
	a.conditions[n] = conditions
}

// establish adds a condition for a nexus that is not forgotten.
func (a *absent) establish(n reserve.Nexus, condition scsi.ASC) {
	all, known := a.conditions[n]
	if known && len(all) < maxAttentions && !slices.Contains(all, condition) {
		a.conditions[n] = append(all, condition)
	}
}

// take removes a nexus that has come back.
func (a *absent) take(n reserve.Nexus) ([]scsi.ASC, bool) {
	all, known := a.conditions[n]
	if known {
		delete(a.conditions, n)
		a.order = slices.DeleteFunc(a.order, func(o reserve.Nexus) bool { return o == n })
	}
	return all, known
}
