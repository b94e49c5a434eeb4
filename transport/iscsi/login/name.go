package login

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/lunette-io/lunette/scsi"
)

// MaxNameLen is the length of the longest iSCSI name in bytes (RFC 7143 section 4.2.7.2).
const MaxNameLen = scsi.MaxISCSINameLen

// NormalizeName is [scsi.ISCSIName]: names at a login are those of documents.
func NormalizeName(s string) (string, error) { return scsi.ISCSIName(s) }

// InitiatorName is [scsi.InitiatorName].
func InitiatorName(s string) (string, error) { return scsi.InitiatorName(s) }

// checkAlias checks an alias, which is text for people: it must not break a log or a terminal.
func checkAlias(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("alias %s is not UTF-8", quote(s))
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("alias %s has a character that cannot be printed", quote(s))
		}
	}
	return nil
}
