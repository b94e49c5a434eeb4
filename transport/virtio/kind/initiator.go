package kind

import (
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/scsi"
)

// initiatorName returns the name of an initiator in the form that counts.
func initiatorName(text string) (string, error) {
	name, err := scsi.ISCSIName(text)
	if err != nil {
		return "", fmt.Errorf("%.70q is not a name for an initiator (%w): it is formed as iSCSI's are, such as %svm1", text, err, model.NamePrefix)
	}
	return name, nil
}

// initiatorPattern returns the name of an initiator, or a pattern of such names, in the form that counts.
func initiatorPattern(text string) (string, error) {
	if _, err := scsi.InitiatorName(strings.NewReplacer("*", "x", "?", "x").Replace(text)); err != nil {
		return "", fmt.Errorf("%.70q is not the name of an initiator, or a pattern with * and ?: it has up to %d bytes that can be printed, and no comma", text, scsi.MaxISCSINameLen)
	}
	return scsi.FoldISCSIName(text), nil
}

// initiators are the patterns of who may have a target; none: all.
func initiators(v model.Values) []string { return v.Group("virtio").Strings("initiators") }
