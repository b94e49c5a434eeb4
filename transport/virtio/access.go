package virtio

import (
	"fmt"

	"github.com/lunette-io/lunette/internal/wildcard"
	"github.com/lunette-io/lunette/scsi"
)

// An access list says which initiators a target lets in, by patterns of their names; the zero one: all.
type access []string

func parseAccess(list []string) (access, error) {
	var a access
	for _, text := range list {
		p, err := scsi.InitiatorName(text)
		if err != nil {
			return nil, fmt.Errorf("initiators: %w", err)
		}
		a = append(a, p)
	}
	return a, nil
}

// admits reports that the initiator of a name, in the form in which names are compared, is let in.
func (a access) admits(name string) bool {
	if len(a) == 0 {
		return true
	}
	for _, p := range a {
		if wildcard.Matches(p, name) {
			return true
		}
	}
	return false
}
