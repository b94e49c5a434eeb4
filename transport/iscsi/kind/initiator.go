package kind

import (
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/scsi"
)

// initiatorName returns the name of an initiator that shall be let in, in the form in which names are
// compared. Whoever may log in can be on a list: the rule is that of logins ([scsi.InitiatorName]), which
// takes names that RFC 7143 does not allow, such as QEMU's with the name of a virtual machine.
func initiatorName(name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("there is no name: write that of an initiator, such as iqn.1993-08.org.debian:01:1b2c3d")
	}
	if strings.Contains(name, ",") {
		return "", fmt.Errorf("the initiator's name %.70q has a comma: list each name by itself", name)
	}
	normal, err := scsi.InitiatorName(name)
	if err != nil {
		return "", fmt.Errorf("no initiator logs in with the name %.70q: %w", name, err)
	}
	return normal, nil
}

// noteOddInitiator notes a name at path that is probably misspelt, since few initiators have such a one.
func noteOddInitiator(c *model.Check, path, name string) {
	switch kind, _, typed := strings.Cut(name, "."); {
	case !typed || kind != "iqn" && kind != "eui" && kind != "naa":
		c.Note(path, "%q does not begin with iqn., eui. or naa. as iSCSI names do: only an initiator that calls itself so gets in", name)
	case strings.TrimSpace(name) != name:
		c.Note(path, "%q has blanks at an end: only an initiator that calls itself so gets in", name)
	}
}
