package plan

import (
	"strconv"

	"github.com/lunette-io/lunette/agent/model"
)

// limits are the bounds of a document: what each is, and what its change does.
var limits = []struct {
	name string
	text func(*model.Limits) string
	how  model.Change
}{
	{"memory", func(l *model.Limits) string { return l.Memory.String() }, model.Restarted},
	{"connections", func(l *model.Limits) string { return strconv.Itoa(l.Connections) }, model.Live},
	{"logins", func(l *model.Limits) string { return strconv.Itoa(l.Logins) }, model.Live},
	{"login-timeout", func(l *model.Limits) string { return l.LoginTimeout.String() }, model.Live},
	{"idle-timeout", func(l *model.Limits) string { return l.IdleTimeout.String() }, model.Live},
	{"stop-timeout", func(l *model.Limits) string { return l.StopTimeout.String() }, model.Live},
}

// sections finds what changes of the whole document: limits, and the options of transports and providers.
func (d *differ) sections() {
	if d.old.Limits != d.new.Limits {
		var all []change
		for _, l := range limits {
			for _, c := range value(l.name, l.text(&d.old.Limits), l.text(&d.new.Limits)) {
				c.how = l.how
				all = append(all, c)
			}
		}
		d.section("limits", all)
	}
	if equalValues(d.old.Values, d.new.Values) {
		return
	}
	for i := range d.schema.Document {
		o := &d.schema.Document[i]
		if o.Type == model.Group && !o.List {
			a, _ := d.old.Values[o.Name].(model.Values)
			b, _ := d.new.Values[o.Name].(model.Values)
			d.section(o.Name, options("", o.Options, a, b, o.Change))
			continue
		}
		d.section(o.Name, option(o.Name, o, d.old.Values[o.Name], d.new.Values[o.Name], model.Renewed))
	}
}

// section is the step of a key of the whole document.
func (d *differ) section(name string, changes []change) {
	if len(changes) == 0 {
		return
	}
	var o outcome
	for _, c := range changes {
		if c.how == model.Renewed || c.how == model.Restarted {
			o.is(NeedsRestart, atRestart)
		}
	}
	d.add(Step{Op: Change, Key: model.Key{Kind: model.SectionObject, Name: name}, Fields: fields(changes)}, o)
}
