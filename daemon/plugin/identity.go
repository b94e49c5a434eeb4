package plugin

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/scsi"
)

// What a unit calls itself if the document does not say.
const (
	defaultVendor   = "lunette"
	defaultProduct  = "unit" // of a device type that has no option for it
	defaultRevision = "1"
)

// IdentityOptions are the options about what a unit calls itself, which every device type has.
func IdentityOptions(product string) []model.Option {
	return []model.Option{
		{Name: "vendor", Type: model.String, Default: defaultVendor, Check: valid(func(id *scsi.Identity, text string) { id.Vendor = text }), Help: "T10 vendor identification, up to 8 characters."},
		{Name: "product", Type: model.String, Default: product, Check: valid(func(id *scsi.Identity, text string) { id.Product = text }), Help: "Product identification, up to 16 characters."},
		{Name: "revision", Type: model.String, Default: defaultRevision, Change: model.Telling, Check: valid(func(id *scsi.Identity, text string) { id.Revision = text }), Help: "Product revision level, up to 4 characters."},
		{Name: "serial", Type: model.String, Exclusive: true, Check: serial, Help: "Unit serial number, up to 128 characters. Without it, one that is kept with the data, that of the device, or for memory one of this run."},
		{Name: "naa", Type: model.String, Exclusive: true, Canon: canonNAA, Check: naa, Help: "Name of the unit, unique in the world: 32 hexadecimal digits that start with 6. Without it, one that follows from the serial number."},
	}
}

// valid checks a text that set puts into an identity, as [Identity] does.
func valid(set func(id *scsi.Identity, text string)) func(string) error {
	return func(text string) error {
		id := scsi.Identity{Vendor: defaultVendor, Product: "x", Revision: defaultRevision, Serial: "x", NAA: scsi.NAA6("")}
		set(&id, text)
		return id.Validate()
	}
}

// serial and naa may be empty: then they follow from something else.
func serial(text string) error {
	if text == "" {
		return nil
	}
	return valid(func(id *scsi.Identity, text string) { id.Serial = text })(text)
}

func naa(text string) error {
	if text == "" {
		return nil
	}
	_, err := scsi.ParseNAA(text)
	return err
}

// Identity is what a unit of the type calls itself: what its [IdentityOptions] say, and the rest from
// seed. A serial number given makes the NAA as well, so that two hosts which serve one store
// can show it as one unit. A device type whose units have other names has options of its own.
func Identity(t scsi.PeripheralType, seed string, v model.Values) (scsi.Identity, error) {
	id := scsi.Identity{
		Type: t, Vendor: cmp.Or(v.String("vendor"), defaultVendor), Product: cmp.Or(v.String("product"), defaultProduct),
		Revision: cmp.Or(v.String("revision"), defaultRevision), Serial: v.String("serial"),
	}
	if id.Serial != "" {
		seed = strings.Join([]string{"serial", id.Vendor, id.Product, id.Serial}, "\x00")
	}
	id.NAA = scsi.NAA6(seed)
	if text := v.String("naa"); text != "" {
		naa, err := scsi.ParseNAA(text)
		if err != nil {
			return id, err
		}
		id.NAA = naa
	}
	if id.Serial == "" {
		id.Serial = hex.EncodeToString(id.NAA[8:])
	}
	return id, id.Validate()
}

// canonNAA is how an NAA name is compared.
func canonNAA(text string) string {
	naa, err := scsi.ParseNAA(strings.ToLower(text))
	if err != nil {
		return text
	}
	return naa.String()
}

// Identity is what a logical unit on the store s calls itself: see [Identity]. It notes what is to
// be known of a name that follows from the store.
func (p Parts) Identity(t scsi.PeripheralType, s Opened) (scsi.Identity, error) {
	if !Named(p.Values) {
		p.Note(s.Caveat)
	}
	return Identity(t, s.Seed, p.Values)
}

// cureOfNames is what to do if two units have one name.
func cureOfNames(forget string) string {
	cure := "give one of them another \"serial\" (and \"naa\", if it has one)"
	if forget != "" {
		cure += ", or, if one is a copy of the other, let it have another name: " + forget
	}
	return cure
}

// SameName is the error of a unit whose store gives it the names of another.
func SameName(f Found, other string) error {
	return fmt.Errorf("its NAA name is that of the unit %s already: initiators would take the two for one: %s", other, cureOfNames(f.Forget))
}

// Claims are the names of a logical unit, which no other has. forget is that of its store.
func Claims(id scsi.Identity, forget string) []Claim {
	cure := cureOfNames(forget)
	return []Claim{
		{What: "NAA name", Value: strings.TrimPrefix(id.NAA.String(), "naa."), Cure: cure},
		{What: "serial number", Value: id.Serial, Cure: cure},
	}
}

// Named reports that options say what a unit is called, and nothing follows from its store.
func Named(v model.Values) bool { return v.String("serial") != "" || v.String("naa") != "" }

// Seed makes a seed of what a place says of itself, which is the same on every host.
func Seed(kind, identity string) string { return strings.Join([]string{kind, identity}, "\x00") }

// UnitSeed names a unit of this host by its name, where nothing that it has lasts longer.
func UnitSeed(kind, name string) string {
	return strings.Join([]string{"unit", host(), kind, name}, "\x00")
}

// PathSeed names a place that says nothing of itself: by its path as it is given, links and all, on
// this host. Links are there to name what has no lasting name.
func PathSeed(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return strings.Join([]string{"path", host(), path}, "\x00")
}

// PathCaveat is what is to be known of a PathSeed. why says why there is nothing better.
func PathCaveat(path, why string) Notice {
	return Notice{Warn: true, Text: fmt.Sprintf("the serial number follows from the path %s on this host, since %s: "+
		"it changes when the path, the host or (in a container) the host's name does, and hosts with one machine ID have the same; to keep it: serial", path, why)}
}

// NewCaveat is what is to be known of a NewSeed.
func NewCaveat() Notice {
	return Notice{Text: "the serial number is made anew each time this is opened, since its data is; to keep it: serial"}
}

// host names this host: by its machine ID (machine-id(5)), or else by its host name.
func host() string {
	if id, err := os.ReadFile("/etc/machine-id"); err == nil {
		if text := strings.TrimSpace(string(id)); len(text) == 32 {
			return text
		}
	}
	name, _ := os.Hostname()
	return name
}

// NewSeed names a store whose data is new: nobody shall take it for one they know.
func NewSeed() string { return "new\x00" + rand.Text() }
