package virtio

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/lunette-io/lunette/scsi"
)

// namePrefix begins the names of initiators that have none of their own.
const namePrefix = "iqn.2026-11.io.lunette:vhost"

// InitiatorName is the name of the initiator behind the socket at path that has no other: the same for the same path, and for no other path.
func InitiatorName(path string) string {
	plain := strings.IndexFunc(path, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '/' && r != '.' && r != '-'
	}) < 0
	if plain && strings.HasPrefix(path, "/") {
		return namePrefix + strings.ReplaceAll(path, "/", ":")
	}
	sum := sha256.Sum256([]byte(path))
	return namePrefix + "-" + hex.EncodeToString(sum[:12])
}

// portISID tells the initiator port of a socket from those of iSCSI sessions of the same name: it is of the random kind, which lunette's own initiator and others never choose to be zero behind it.
var portISID = [6]byte{0x80}

// initiatorPort is the TransportID of the initiator with a name. SPC-5 has no protocol identifier for virtio; of those that there are iSCSI's alone says the name that people know the initiator by, so
// that reservations are readable, survive restarts, and may be moved to it.
func initiatorPort(name string) scsi.TransportID { return scsi.ISCSIPort(name, portISID) }
