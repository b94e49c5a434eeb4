package kind

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lunette-io/lunette/agent/model"
)

// checkInitiator reports what is wrong with the name of an initiator that shall be let in. Behind its
// type it is not judged as a target's name is: initiators log in with names that RFC 7143 does not
// allow, such as QEMU's with the name of a virtual machine, and a list must be able to have them.
// The name has the form in which names of initiators are compared: lower case, nothing that cannot
// be printed, and no comma.
func checkInitiator(name string) error {
	kind, _, typed := strings.Cut(name, ".")
	switch lower := strings.ToLower(name); {
	case len(name) > model.MaxNameLen:
		return fmt.Errorf("the initiator's name %.20q… has %d bytes: %d are allowed", name, len(name), model.MaxNameLen)
	case !utf8.ValidString(name):
		return fmt.Errorf("the initiator's name %q is not UTF-8", name)
	case lower != name:
		return fmt.Errorf("the initiator's name %q has upper-case letters: write %q", name, lower)
	case !typed || kind != "iqn" && kind != "eui" && kind != "naa":
		return fmt.Errorf("%q is not an iSCSI name: one begins with \"iqn.\", \"eui.\" or \"naa.\", such as iqn.1993-08.org.debian:01:1b2c3d", name)
	case strings.HasSuffix(name, " "):
		return fmt.Errorf("the initiator's name %q ends in a blank", name)
	}
	for _, r := range name {
		if r == ',' {
			return fmt.Errorf("the initiator's name %q has a comma: list each name by itself", name)
		}
		if !unicode.IsPrint(r) {
			return fmt.Errorf("the initiator's name %q has the character %q, with which no initiator is let in", name, r)
		}
	}
	return nil
}
