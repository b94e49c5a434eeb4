package plugin

import (
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
	defaultRevision = "1"
)

// IdentityOptions are the options about what a unit calls itself, which every device type has.
func IdentityOptions(product string) []model.Option {
	return []model.Option{
		{Name: "vendor", Type: model.String, Default: defaultVendor, Check: valid(func(id *scsi.Identity, text string) { id.Vendor = text }), Help: "T10 vendor identification, up to 8 characters."},
		{Name: "product", Type: model.String, Default: product, Check: valid(func(id *scsi.Identity, text string) { id.Product = text }), Help: "Product identification, up to 16 characters."},
		{Name: "revision", Type: model.String, Default: defaultRevision, Check: valid(func(id *scsi.Identity, text string) { id.Revision = text }), Help: "Product revision level, up to 4 characters."},
		{Name: "serial", Type: model.String, Check: serial, Help: "Unit serial number, up to 128 characters. Without it, one that belongs to the store's path on this host, or to this run for memory."},
		{Name: "naa", Type: model.String, Check: naa, Help: "Name of the unit, unique in the world: 32 hexadecimal digits that start with 6. Without it, one that follows from the serial number."},
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

// checkIdentities refuses two units that a host would take for two ways to one disk, as far as the document
// says who they are.
func checkIdentities(c *model.Check) {
	names := make(map[string]string)
	for i, u := range c.Document.Units {
		for _, option := range []string{"serial", "naa"} {
			given := u.Device.Values.String(option)
			if given == "" {
				continue
			}
			key := option + " " + given
			if n, err := scsi.ParseNAA(given); option == "naa" && err == nil {
				key = option + " " + n.String()
			}
			if other, ok := names[key]; ok {
				c.Fail(fmt.Sprintf("units[%d].device.%s", i, option), "the unit %q has the %s %s too: hosts take the two for one, and mix what they write: give each its own", other, option, given)
				continue
			}
			names[key] = u.Name
		}
	}
}

// Identity is what a unit of the type calls itself: what its [IdentityOptions] say, and the rest from
// seed. A serial number given makes the NAA as well, so that two hosts which serve one store
// can show it as one unit.
func Identity(t scsi.PeripheralType, seed string, v model.Values) (scsi.Identity, error) {
	id := scsi.Identity{
		Type: t, Vendor: v.String("vendor"), Product: v.String("product"), Revision: v.String("revision"), Serial: v.String("serial"),
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

// PathSeed names a file or device: its path on this host.
func PathSeed(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return strings.Join([]string{"path", host(), path}, "\x00")
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
