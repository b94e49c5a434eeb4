package kind

import (
	"fmt"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/changer"
)

// describe is what the robot says of itself.
func (u *unit) describe() plugin.Description {
	full := make(map[changer.ElementType]int)
	for _, e := range u.lib.Elements() {
		if e.Full {
			full[e.Type]++
		}
	}
	where := fmt.Sprintf("%s in %s", u.name, u.store)
	return plugin.Description{
		Summary: fmt.Sprintf("%s with %d drives, %d of %d slots full, %s", u.model.Help, len(u.drives), full[changer.Storage], u.slots, where),
		Facts: api.Facts{
			{Name: "size", Column: "SIZE", Text: fmt.Sprintf("%d/%d slots", full[changer.Storage], u.slots), Value: u.slots},
			{Name: "library", Value: u.model.Name, Column: "MODEL", Text: u.model.Name, Wide: true},
			{Name: "store", Value: where, Column: "STORE", Text: where},
			{Name: "serial", Value: u.serial},
			{Name: "naa", Value: naa(u.serial, robotName).String()[len("naa."):]},
			{Name: "slots", Value: u.slots},
			{Name: "slotsUsed", Value: full[changer.Storage]},
			{Name: "mailSlots", Value: u.mail},
			{Name: "mailSlotsUsed", Value: full[changer.Mail]},
			{Name: "drives", Value: len(u.drives)},
			{Name: "drivesUsed", Value: full[changer.Drive]},
		},
	}
}

// describeDrive is what a drive says of itself.
func (u *unit) describeDrive(i int) plugin.Description {
	s, m := u.drives[i].Status(), u.parts.drives[i]
	what := "empty"
	if s.Loaded {
		what = s.Barcode + ", " + s.Activity
	}
	if s.Problem != "" {
		what += ": " + s.Problem
	}
	facts := api.Facts{
		{Name: "barcode", Value: s.Barcode},
		{Name: "activity", Value: s.Activity},
		{Name: "library", Value: m.Name, Column: "MODEL", Text: m.Name, Wide: true},
		{Name: "store", Value: s.Barcode, Column: "STORE", Text: what},
		{Name: "serial", Value: u.about[i].Serial},
		{Name: "naa", Value: naa(u.serial, fmt.Sprintf(driveNumber, i)).String()[len("naa."):]},
		{Name: "prevented", Value: s.Prevented},
		{Name: "tapeWritten", Value: s.Written},
		{Name: "tapeRead", Value: s.Read},
		{Name: "tapeStored", Value: s.Stored},
		{Name: "alerts", Value: append([]int{}, s.Alerts...)},
	}
	if s.Problem != "" {
		facts = append(facts, api.Fact{Name: "problem", Value: s.Problem})
	}
	if s.Stored > 0 && s.Written > 0 {
		facts = append(facts, api.Fact{Name: "ratio", Value: float64(s.Written*100/s.Stored) / 100})
	}
	return plugin.Description{
		Summary: fmt.Sprintf("%s, %s (%v written)", m.Help, what, model.Size(s.Written)),
		Facts:   facts,
	}
}
