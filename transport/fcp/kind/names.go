package kind

import (
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/transport/fcp"
)

// An identity is the names that a target has over FCP.
type identity struct {
	node  fc.Name
	ports []fc.Name // those that are given, by the tag of the portal less one
}

// identify is what the document says of a target's names, and the rest from the target's name, which is unique in the world. What is
// wrong has been said.
func identify(name string, v model.Values) identity {
	v = v.Group("fcp")
	id := identity{node: fcp.NodeName(name)}
	if n, err := fc.ParseName(v.String("wwnn")); err == nil {
		id.node = n
	}
	for _, text := range v.Strings("wwpns") {
		if n, err := fc.ParseName(text); err == nil {
			id.ports = append(id.ports, n)
		}
	}
	return id
}

// port is the name of the target's port at portals with a tag.
func (i identity) port(tag int) fc.Name {
	if tag >= 1 && tag <= len(i.ports) {
		return i.ports[tag-1]
	}
	return fcp.PortName(i.node, tag)
}

// worldwideName returns a name of a node or a port in the form that counts.
func worldwideName(text string) (string, error) {
	n, err := fc.ParseName(text)
	if err != nil {
		return "", err
	}
	switch naa := n >> 60; naa {
	case 1, 2, 5, 6:
		return n.String(), nil
	default:
		return "", fmt.Errorf("%v is not a name that a port or a node can have: the first digit says who has given it, and is 1, 2, 5 or 6 (10:00:… or 20:00:… and a MAC address, or what the maker of an adapter has given)", n)
	}
}

// initiatorPattern returns the name of an initiator's port, or a pattern of such names, in the form that counts.
func initiatorPattern(text string) (string, error) {
	if n, err := fc.ParseName(text); err == nil {
		return n.String(), nil
	}
	digits, err := fcp.Pattern(text)
	if err != nil {
		return "", err
	}
	return parted(digits), nil
}

// parted has colons between the bytes before the first * of a pattern, as people are used to.
func parted(pattern string) string {
	before, _, starred := strings.Cut(pattern, "*")
	var b strings.Builder
	for i, r := range before {
		if i > 0 && i%2 == 0 {
			b.WriteByte(':')
		}
		b.WriteRune(r)
	}
	if starred && len(before) > 0 && len(before)%2 == 0 {
		b.WriteByte(':')
	}
	return b.String() + pattern[len(before):]
}
