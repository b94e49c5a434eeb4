package daemon

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// LogStart writes to the log what runs: a line for the daemon, one for each logical unit, and one for
// each target.
func (d *Daemon) LogStart() {
	facts := []any{"version", d.opts.Version, "pid", os.Getpid(), "go", runtime.Version()}
	for _, f := range d.networks.facts() {
		facts = append(facts, f.Name, f.Value)
	}
	units := d.Units()
	io := make(map[string]int) // how many units wait for their disks which way
	for _, u := range units {
		if how := u.Facts.Value("io"); how != nil {
			io[fmt.Sprint(how)]++
		}
	}
	var ways []string
	for how, n := range io {
		ways = append(ways, fmt.Sprintf("%s: %d", how, n))
	}
	slices.Sort(ways)
	if len(ways) == 0 {
		ways = []string{"none"} // no unit is on a disk
	}
	d.log.Info("started", append(facts, "socket", d.Socket(), "units", len(units), "io", strings.Join(ways, ", "),
		"targets", len(d.targets.load()), "portals", len(d.portals.load()))...)
	d.logLimits()
	for _, u := range units {
		line := []any{"unit", u.Name, "device", u.Device}
		for _, f := range u.Facts {
			switch f.Value.(type) {
			case string, bool, int, int64: // counts and the like are not of the start
				line = append(line, f.Name, f.Value)
			}
		}
		if len(u.Filters) > 0 {
			line = append(line, "filters", strings.Join(u.Filters, ","))
		}
		d.log.Info("unit opened", line...)
	}
	for _, t := range d.Targets() {
		line := []any{"target", t.Name, "luns", t.LUNs, "portals", t.Portals}
		for _, f := range t.Facts {
			line = append(line, f.Name, f.Value)
		}
		d.log.Info("serving", line...)
	}
}

// Socket is where the API answers.
func (d *Daemon) Socket() string { return d.api.Path() }
