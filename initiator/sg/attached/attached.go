// Package attached finds the SCSI devices that are attached to this host, by who they are and not by the number that the kernel has given
// them this time, takes them from the kernel's own drivers, and says when they come and go.
//
// All it knows it reads from sysfs and /proc, and from the driver sg: it sends no command, so it asks for no privilege but to take a device from its driver.
package attached

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/scsi"
)

// Errors of this package; what wraps them says which device, and what to do.
var (
	ErrNotFound  = errors.New("no such device is attached")
	ErrAmbiguous = errors.New("several devices are called so")
	ErrInUse     = errors.New("the device is in use")
)

// A Unit is one logical unit that is attached to this host, as sysfs has it.
type Unit struct {
	Address                   string // HOST:CHANNEL:TARGET:LUN, the kernel's number of it for now
	Type                      scsi.PeripheralType
	Vendor, Product, Revision string // without padding
	Serial                    string // VPD page 80h; empty: none
	Name                      string // the best name of the logical unit in VPD page 83h, as "naa.…", "eui.…" or "t10.…"; empty: none
	Page83                    []byte // VPD page 83h whole, or nil
	Driver                    string // the kernel's driver that has it: "sd", "sr", "st", "ch", "ses"; empty: none
	Nodes                     Nodes
	// MaxTransfer is how many bytes one command moves, 0: unknown; Depth how many commands the device queues, 0: unknown.
	MaxTransfer int64
	Depth       int
}

// Nodes are the device files of a unit; each may be empty: the kernel has none, or /dev has not, or has another device's under that name.
type Nodes struct{ BSG, SG, Upper string } // Upper: that of the driver, such as /dev/sda, /dev/sr0, /dev/nst0

// A Host has attached devices. Its zero value is this one, with /sys and /dev.
type Host struct {
	Root string // before /sys, /dev and /proc; for tests

	// stat and claim are those of node.go; others for tests, in which nobody can make device files.
	stat  func(path string) (number, error)
	claim func(path string) (release func(), err error)
	limit func(path string) int64
}

// List are all logical units, in the order of their addresses. A kernel without SCSI has none.
func (h Host) List() ([]Unit, error) {
	all, err := h.look()
	if err != nil {
		return nil, err
	}
	units := make([]Unit, len(all))
	for i := range all {
		units[i] = all[i].Unit
	}
	return units, nil
}

// A seen is a unit with what else was seen of it.
type seen struct {
	Unit
	address address
	dir     string // of the device in sysfs
	nodes   []node
}

const class = "/sys/class/scsi_device"

// look reads all units. One that goes meanwhile is left out.
func (h Host) look() ([]seen, error) {
	entries, err := os.ReadDir(h.path(class))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(h.path("/sys/class")); err != nil {
			return nil, fmt.Errorf("looking for SCSI devices: sysfs is not mounted: %w", err)
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for SCSI devices: %w", err)
	}
	var all []seen
	for _, e := range entries {
		a, ok := parseAddress(e.Name())
		if !ok {
			continue
		}
		dir, err := filepath.EvalSymlinks(filepath.Join(h.path(class), e.Name(), "device"))
		if err != nil {
			continue
		}
		s := seen{address: a, dir: dir}
		if h.read(&s) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b seen) int { return a.address.compare(b.address) })
	return all, nil
}

// path is where p is, which begins with a slash.
func (h Host) path(p string) string { return h.Root + p }

// An address is where the kernel has a logical unit.
type address struct {
	host, channel, target uint32
	lun                   uint64
}

func (a address) compare(b address) int {
	return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.channel, b.channel), cmp.Compare(a.target, b.target), cmp.Compare(a.lun, b.lun))
}

// parseAddress reads H:C:T:L, as the kernel writes it: decimal numbers without anything before or behind them.
func parseAddress(s string) (address, bool) {
	var n [4]uint64
	parts := strings.SplitN(s, ":", 5)
	if len(parts) != 4 {
		return address{}, false
	}
	for i, p := range parts {
		bits := 32
		if i == 3 {
			bits = 64
		}
		var ok bool
		if n[i], ok = decimal(p, bits); !ok {
			return address{}, false
		}
	}
	return address{uint32(n[0]), uint32(n[1]), uint32(n[2]), n[3]}, true
}

// String is how people are told of u.
func (u Unit) String() string {
	s := fmt.Sprintf("%v %s", u.Type, strings.TrimSpace(u.Vendor+" "+u.Product))
	if u.Serial != "" {
		s += ", serial number " + u.Serial
	}
	if u.Name != "" {
		s += ", " + u.Name
	}
	s += ", at " + u.Address
	if u.Nodes.Upper != "" {
		s += ", " + u.Nodes.Upper
	}
	return s
}

// drivers are those of the kernel by type, with their modules.
var drivers = map[scsi.PeripheralType]struct{ driver, module string }{
	scsi.TypeDisk: {"sd", "sd_mod"}, scsi.TypeTape: {"st", "st"}, scsi.TypeOptical: {"sr", "sr_mod"}, scsi.TypeChanger: {"ch", "ch"}, scsi.TypeZoned: {"sd", "sd_mod"},
}

// Missing says what u lacks to be used by way of the kernel's generic interfaces, and what to do; empty: nothing.
func (u Unit) Missing() string {
	if u.Nodes.BSG != "" || u.Nodes.SG != "" {
		return ""
	}
	return fmt.Sprintf("there is neither a /dev/bsg/%s nor a /dev/sgN for it: load the module sg (modprobe sg), or in a container pass the device file in", u.Address)
}

// Notes are what is worth knowing of u for people, a sentence each.
func (u Unit) Notes() []string {
	var notes []string
	if m := u.Missing(); m != "" {
		notes = append(notes, m)
	}
	d := drivers[u.Type]
	switch {
	case u.Driver != "":
		notes = append(notes, fmt.Sprintf("the driver %s of the kernel has it", u.Driver))
	case d.module != "":
		notes = append(notes, fmt.Sprintf("no driver of the kernel has it, which the bridge does not mind; to give it one: modprobe %s, or echo %s > /sys/bus/scsi/drivers_probe", d.module, u.Address))
	}
	if u.Serial == "" && u.Name == "" {
		notes = append(notes, "it has neither a serial number nor a name: it is known by its address alone, which another device may have after a restart")
	}
	return notes
}
