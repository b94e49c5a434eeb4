package daemon

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/scsi"
)

// Names of a disk that the document does not name.
const (
	defaultVendor   = "lunette"
	defaultProduct  = "disk"
	defaultRevision = "1"
)

// identity is what a unit calls itself: what the document says, and the rest from seed.
// A serial number given makes the NAA as well, so that two hosts which serve one store
// can show it as one disk.
func identity(seed string, v model.Values) (scsi.Identity, error) {
	id := scsi.Identity{
		Type:     scsi.TypeDisk,
		Vendor:   or(v.String("vendor"), defaultVendor),
		Product:  or(v.String("product"), defaultProduct),
		Revision: or(v.String("revision"), defaultRevision),
		Serial:   v.String("serial"),
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

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// pathSeed names a file or device: its path on this host.
func pathSeed(path string) string {
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

// newSeed names a store whose data is new: nobody shall take it for one they know.
func newSeed() string { return "new\x00" + rand.Text() }
