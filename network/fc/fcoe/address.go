package fcoe

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lunette-io/lunette/network/fc"
)

// A Mode is how a network finds addresses.
type Mode string

// Modes.
const (
	VN2VN  Mode = "vn2vn"  // ports choose them among neighbours
	Fabric Mode = "fabric" // we are the fabric
	ENode  Mode = "enode"  // somebody else is the fabric
)

// What an address says that does not.
const (
	// DefaultFCMap is the first half of MAC addresses that a fabric gives (FC-BB-6, "Default_FC-MAP").
	DefaultFCMap = 0x0efc00
	// DefaultFCFPriority stands in the middle; hosts prefer lower ones.
	DefaultFCFPriority = 128
	// DefaultAdvertise is FKA_ADV_PERIOD of FC-BB-6.
	DefaultAdvertise = 8 * time.Second
	// DefaultDomain is the first byte of the addresses that a fabric gives.
	DefaultDomain = 1
)

// The least and the most that FKA_ADV_PERIOD can be: Linux takes no less than the first, FC-BB-6 has no more than the second.
const (
	minAdvertise = 500 * time.Millisecond
	maxAdvertise = 90 * time.Second
)

// The greatest identifier of a VLAN (802.1Q).
const maxVLAN = 4094

// An Address is where a network is, and as what: IFACE[.VLAN][?OPTION=VALUE&…].
type Address struct {
	Interface string
	VLAN      uint16 // 0: none
	Mode      Mode
	Priority  uint8 // of 802.1Q tags; without a VLAN there are none
	// MaxPayload is how much payload frames have at most; 0: as much as the interface's MTU lets them.
	MaxPayload int

	// What only a fabric has: its FC-MAP, its name (0: what follows from the interface's MAC address), its
	// domain, its priority among others, how often it advertises itself, and the VLANs that it tells hosts
	// to use (nil: its own).
	FCMap       uint32
	Name        fc.Name
	Domain      uint8
	FCFPriority uint8
	Advertise   time.Duration
	VLANs       []uint16
}

// Form is how addresses are written, for messages.
const Form = "INTERFACE[.VLAN][?mode=vn2vn|fabric], such as eth1, eth1.100 or eth1.100?mode=fabric"

// An option is one of an address: read takes its value, and write has it as it is written, empty if it is the default.
type option struct {
	name  string
	modes []Mode // those that have it; nil: all
	read  func(a *Address, v string) error
	write func(a Address) string
}

// options are those that an address can have, in the order in which they are written.
func options() []option {
	fabric := []Mode{Fabric}
	return []option{
		{"mode", nil, readMode, func(a Address) string { return unless(a.Mode == VN2VN, string(a.Mode)) }},
		{"priority", nil, func(a *Address, v string) error {
			n, err := number(v, 0, 7)
			a.Priority = uint8(n)
			return err
		}, func(a Address) string { return unless(a.Priority == 0, strconv.Itoa(int(a.Priority))) }},
		{"max-payload", nil, func(a *Address, v string) error {
			n, err := number(v, fc.MinPayload, fc.MaxPayload)
			if err == nil && n%4 != 0 {
				err = errors.New("frames have a multiple of 4 bytes")
			}
			a.MaxPayload = n
			return err
		}, func(a Address) string { return unless(a.MaxPayload == 0, strconv.Itoa(a.MaxPayload)) }},
		{"name", fabric, func(a *Address, v string) (err error) {
			a.Name, err = fc.ParseName(v)
			return err
		}, func(a Address) string { return unless(a.Name == 0, a.Name.String()) }},
		{"domain", fabric, func(a *Address, v string) error {
			n, err := number(v, 1, 239)
			a.Domain = uint8(n)
			return err
		}, func(a Address) string { return unless(a.Domain == DefaultDomain, strconv.Itoa(int(a.Domain))) }},
		{"fc-map", fabric, readFCMap, func(a Address) string { return unless(a.FCMap == DefaultFCMap, fmt.Sprintf("0x%06x", a.FCMap)) }},
		{"fcf-priority", fabric, func(a *Address, v string) error {
			n, err := number(v, 0, 255)
			a.FCFPriority = uint8(n)
			return err
		}, func(a Address) string {
			return unless(a.FCFPriority == DefaultFCFPriority, strconv.Itoa(int(a.FCFPriority)))
		}},
		{"advertise", fabric, readAdvertise, func(a Address) string { return unless(a.Advertise == DefaultAdvertise, a.Advertise.String()) }},
		{"vlans", fabric, readVLANs, func(a Address) string {
			var all []string
			for _, v := range a.VLANs {
				all = append(all, strconv.Itoa(int(v)))
			}
			return strings.Join(all, ",")
		}},
	}
}

// ParseAddress reads the address of a network.
func ParseAddress(text string) (Address, error) {
	a := Address{Mode: VN2VN, FCMap: DefaultFCMap, Domain: DefaultDomain, FCFPriority: DefaultFCFPriority, Advertise: DefaultAdvertise}
	place, query, _ := strings.Cut(text, "?")
	var err error
	if a.Interface, a.VLAN, err = readPlace(place); err != nil {
		return Address{}, err
	}
	given := make(map[string]bool)
	for part := range strings.SplitSeq(query, "&") {
		if query == "" {
			break
		}
		if err := a.option(part, given); err != nil {
			return Address{}, err
		}
	}
	for _, o := range options() {
		if given[o.name] && o.modes != nil && !slices.Contains(o.modes, a.Mode) {
			return Address{}, fmt.Errorf("only a fabric has %s: write mode=fabric, or leave it out", o.name)
		}
	}
	if given["priority"] && a.VLAN == 0 {
		return Address{}, fmt.Errorf("priority is that of VLAN tags, and %s has none: write %s.VLAN, or leave it out", a.Interface, a.Interface)
	}
	return a, nil
}

// option reads one option as it is written; given are those that are there already.
func (a *Address) option(part string, given map[string]bool) error {
	name, text, _ := strings.Cut(part, "=")
	value, err := url.QueryUnescape(text)
	if err != nil {
		return fmt.Errorf("%.40q cannot be read: %%XX has two hexadecimal digits", part)
	}
	all := options()
	i := slices.IndexFunc(all, func(o option) bool { return o.name == name })
	switch {
	case i < 0:
		var names []string
		for _, o := range all {
			names = append(names, o.name)
		}
		return fmt.Errorf("there is no option %.40q of an address: there are %s", name, strings.Join(names, ", "))
	case given[name]:
		return fmt.Errorf("%s is there twice", name)
	}
	given[name] = true
	if err := all[i].read(a, value); err != nil {
		return fmt.Errorf("%s=%.40s: %w", name, value, err)
	}
	return nil
}

// String is the address as it is written, without what is the default.
func (a Address) String() string {
	text, sep := a.Place(), "?"
	for _, o := range options() {
		if v := o.write(a); v != "" {
			text += sep + o.name + "=" + v
			sep = "&"
		}
	}
	return text
}

// Place is IFACE[.VLAN], which one network can have.
func (a Address) Place() string {
	if a.VLAN == 0 {
		return a.Interface
	}
	return fmt.Sprintf("%s.%d", a.Interface, a.VLAN)
}

// readPlace reads IFACE[.VLAN]. Linux's names of interfaces have up to 15 characters, no spaces and no slash.
func readPlace(text string) (name string, vlan uint16, err error) {
	name = text
	if dot := strings.LastIndexByte(text, '.'); dot >= 0 {
		n, bad := strconv.ParseUint(text[dot+1:], 10, 64)
		switch {
		case bad != nil: // a name with a dot in it
		case n < 1 || n > maxVLAN:
			return "", 0, fmt.Errorf("%.20q is not a VLAN: they are 1 to %d", text[dot+1:], maxVLAN)
		default:
			name, vlan = text[:dot], uint16(n)
		}
	}
	switch {
	case name == "":
		return "", 0, errors.New("there is no interface")
	case len(name) > 15 || name == "." || name == "..", strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/:", r) }):
		return "", 0, fmt.Errorf("%.40q is not the name of an interface", name)
	}
	return name, vlan, nil
}

func readMode(a *Address, v string) error {
	a.Mode = Mode(v)
	if a.Mode != VN2VN && a.Mode != Fabric && a.Mode != ENode {
		return fmt.Errorf("there is no such mode: there are %s (among neighbours), %s (as the fabric) and %s (in somebody else's fabric)", VN2VN, Fabric, ENode)
	}
	return nil
}

func readFCMap(a *Address, v string) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(v), "0x"), 16, 32)
	if err != nil || n < DefaultFCMap || n > DefaultFCMap|0xff {
		return fmt.Errorf("an FC-MAP is from %06x to %06x", DefaultFCMap, DefaultFCMap|0xff)
	}
	a.FCMap = uint32(n)
	return nil
}

func readAdvertise(a *Address, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < minAdvertise || d > maxAdvertise || d%time.Millisecond != 0 {
		return fmt.Errorf("a fabric advertises itself every %v to %v, such as %v", minAdvertise, maxAdvertise, DefaultAdvertise)
	}
	a.Advertise = d
	return nil
}

// maxVLANs bounds what a fabric tells: the answer is one frame.
const maxVLANs = 64

func readVLANs(a *Address, v string) error {
	for one := range strings.SplitSeq(v, ",") {
		n, err := strconv.ParseUint(one, 10, 16)
		switch {
		case err != nil || n > maxVLAN:
			return fmt.Errorf("%.20q is not a VLAN: they are 1 to %d, or 0 for none", one, maxVLAN)
		case slices.Contains(a.VLANs, uint16(n)):
			return fmt.Errorf("%d is there twice", n)
		case len(a.VLANs) == maxVLANs:
			return fmt.Errorf("there are more than %d", maxVLANs)
		}
		a.VLANs = append(a.VLANs, uint16(n))
	}
	return nil
}

// number reads one of a range.
func number(v string, least, most int) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("it is a number from %d to %d", least, most)
	}
	return n, nil
}

// unless is text, or empty.
func unless(empty bool, text string) string {
	if empty {
		return ""
	}
	return text
}
