package attached

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Find finds the one that id names: the path of a device file or of a link to one (/dev/bsg/…, /dev/sgN, /dev/nstN, /dev/srN, /dev/sdX,
// /dev/disk/by-id/…, /dev/tape/by-id/…), a name ("naa.…", "eui.…", "t10.…", "wwn-0x…"), a serial number, or an address H:C:T:L.
// [ErrNotFound] and [ErrAmbiguous] say what there is instead. Of several paths to one logical unit, which are told by a name that is unique in the world, it is the first.
func (h Host) Find(id string) (Unit, error) {
	all, err := h.look()
	if err != nil {
		return Unit{}, err
	}
	if strings.Contains(id, "/") {
		return h.findPath(all, id)
	}
	var found []seen
	what := "serial number"
	if a, ok := parseAddress(id); ok {
		what, found = "address", pick(all, func(s *seen) bool { return s.address == a })
	} else if name, ok := folded(id); ok {
		what, found = "name", pick(all, func(s *seen) bool {
			return slices.ContainsFunc(Names(s.Page83), func(n string) bool { f, _ := folded(n); return f == name })
		})
	} else if id != "" {
		found = pick(all, func(s *seen) bool { return s.Serial == id })
	}
	switch {
	case len(found) == 0:
		return Unit{}, fmt.Errorf("%w: %s %q; %s", ErrNotFound, what, id, instead(all))
	case len(found) > 1 && !onePlace(found):
		return Unit{}, fmt.Errorf("%w: %s %q; name one of them by its address or name: %s", ErrAmbiguous, what, id, listed(found))
	}
	return found[0].Unit, nil
}

func pick(all []seen, is func(*seen) bool) []seen {
	var found []seen
	for i := range all {
		if is(&all[i]) {
			found = append(found, all[i])
		}
	}
	return found
}

// onePlace reports that all are paths to one logical unit.
func onePlace(all []seen) bool {
	for _, s := range all {
		if !same(s.Unit, all[0].Unit) || !unique(s.Name) {
			return false
		}
	}
	return true
}

// unique reports that a name is unique in the world: a maker who numbers devices by T10 vendor may give a number twice.
func unique(name string) bool {
	return strings.HasPrefix(name, "naa.") || strings.HasPrefix(name, "eui.")
}

// same reports that a and b are called the same, by something.
func same(a, b Unit) bool {
	return a.Type == b.Type && a.Vendor == b.Vendor && a.Product == b.Product && a.Serial == b.Serial && a.Name == b.Name && (a.Serial != "" || a.Name != "")
}

// maxListed bounds how many devices an error names.
const maxListed = 16

func listed(all []seen) string {
	var b strings.Builder
	for i, s := range all {
		if i == maxListed {
			fmt.Fprintf(&b, "; and %d more", len(all)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(s.String())
	}
	return b.String()
}

// instead says what there is.
func instead(all []seen) string {
	if len(all) == 0 {
		return "this host has no SCSI device at all: is the driver of its adapter loaded?"
	}
	return "attached are: " + listed(all)
}

// findPath finds a device by a device file, whose number counts and not its name.
func (h Host) findPath(all []seen, id string) (Unit, error) {
	path := id
	if filepath.IsAbs(id) {
		path = h.path(id)
	}
	n, err := h.numberOf(path)
	switch {
	case errors.Is(err, errNoDevice):
		return Unit{}, fmt.Errorf("%w: %s is not a device file; %s", ErrNotFound, id, instead(all))
	case errors.Is(err, fs.ErrNotExist):
		return Unit{}, fmt.Errorf("%w: there is no %s%s; %s", ErrNotFound, id, hint(id), instead(all))
	case err != nil:
		return Unit{}, fmt.Errorf("finding the SCSI device %s: %w", id, err)
	}
	for _, s := range all {
		i := slices.IndexFunc(s.nodes, func(o node) bool { return o.number == n })
		if i < 0 {
			continue
		}
		found := s.nodes[i]
		if found.partition {
			return Unit{}, fmt.Errorf("%w: %s is a partition, and a device passes through whole: name the disk, or serve the partition as a unit with a store on a block device", ErrNotFound, id)
		}
		// A device file may be here alone, under a name of its own.
		switch {
		case found.kind == "bsg" && s.Nodes.BSG == "":
			s.Nodes.BSG = path
		case found.kind == "scsi_generic" && s.Nodes.SG == "":
			s.Nodes.SG = path
		}
		return s.Unit, nil
	}
	if n.block {
		return Unit{}, fmt.Errorf("%w: %s is a block device, but not a SCSI one: serve it as a unit with a store on a block device; %s", ErrNotFound, id, instead(all))
	}
	return Unit{}, fmt.Errorf("%w: %s is not a SCSI device; %s", ErrNotFound, id, instead(all))
}

// hint says which module makes a device file of the name, if one does.
func hint(path string) string {
	name := filepath.Base(path)
	for _, c := range []struct{ prefix, module string }{{"sg", "sg"}, {"nst", "st"}, {"st", "st"}, {"sr", "sr_mod"}, {"sch", "ch"}, {"sd", "sd_mod"}} {
		number, ok := strings.CutPrefix(name, c.prefix)
		if ok && number != "" && strings.Trim(number, "0123456789") == "" {
			return fmt.Sprintf(" (the module %s makes it: modprobe %s; but a device needs none of them to be served, and can be named by what it is)", c.module, c.module)
		}
	}
	return ""
}

// Same finds the unit that is the same device as u, whatever its address is now: by name and serial number; for a device that has
// neither, at the same address. Where several are called the same it is the one at the same address; else the first, if their name is unique
// in the world, and [ErrAmbiguous] if it is not.
func (h Host) Same(u Unit) (Unit, error) {
	all, err := h.look()
	if err != nil {
		return Unit{}, err
	}
	at := pick(all, func(s *seen) bool { return s.Address == u.Address })
	if u.Name == "" && u.Serial == "" {
		if len(at) == 1 && at[0].Type == u.Type && at[0].Vendor == u.Vendor && at[0].Product == u.Product && at[0].Name == "" && at[0].Serial == "" {
			return at[0].Unit, nil
		}
		return Unit{}, fmt.Errorf("%w: %v", ErrNotFound, u)
	}
	found := pick(all, func(s *seen) bool { return same(s.Unit, u) })
	switch {
	case len(found) == 0:
		return Unit{}, fmt.Errorf("%w: %v", ErrNotFound, u)
	case len(at) == 1 && same(at[0].Unit, u):
		return at[0].Unit, nil
	case len(found) > 1 && !onePlace(found):
		return Unit{}, fmt.Errorf("%w: %v; they are: %s", ErrAmbiguous, u, listed(found))
	}
	return found[0].Unit, nil
}
