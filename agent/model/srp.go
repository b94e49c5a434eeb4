package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// SRP is what a target is over SRP, whose ports have no names but identifiers. A target has one
// port there; id_ext and ioc_guid are what Linux calls the two halves of its identifier.
type SRP struct {
	IDExt      string   `doc:"id-ext"`     // 16 hexadecimal digits
	IOCGUID    string   `doc:"ioc-guid"`   // as above
	Initiators []string `doc:"initiators"` // 0x and the 32 digits of a port, or an address; none: all
}

// fill makes what is left open follow from the target's name, which is unique in the world.
func (s *SRP) fill(name string) {
	s.IDExt = or(plainHex(s.IDExt), derived("id-ext", name))
	s.IOCGUID = or(plainHex(s.IOCGUID), derived("ioc-guid", name))
	for i, who := range s.Initiators {
		if _, err := netip.ParseAddr(who); err != nil {
			s.Initiators[i] = "0x" + plainHex(who)
		}
	}
}

// derived is a locally administered EUI-64.
func derived(what, name string) string {
	sum := sha256.Sum256([]byte("lunette srp " + what + "\x00" + name))
	sum[0] = sum[0]&^1 | 2
	return hex.EncodeToString(sum[:8])
}

// plainHex is text in small letters and without 0x.
func plainHex(text string) string { return strings.TrimPrefix(strings.ToLower(text), "0x") }

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// Port is the identifier of the target's port.
func (s SRP) Port() string { return "0x" + s.IDExt + s.IOCGUID }

// srp checks what targets are over SRP. CHAP is iSCSI's: a target that asks for it, or for initiators
// by name, is not shown by SRP to everybody.
func (c *checker) srp() {
	portal := slices.IndexFunc(c.doc.Portals, func(p Portal) bool {
		kind, err := c.schema.Find("transport", p.Scheme())
		return err == nil && kind.Names == SRPNames
	})
	ports := make(map[string]string)
	for i, t := range c.doc.Targets {
		path := fmt.Sprintf("targets[%d]", i)
		s := t.SRP
		for _, id := range [][2]string{{"id-ext", s.IDExt}, {"ioc-guid", s.IOCGUID}} {
			if len(id[1]) != 16 || !hexadecimal(id[1]) {
				c.fail(path+".srp."+id[0], "%.40q is not an identifier: it has 16 hexadecimal digits, such as %s", id[1], derived(id[0], t.Name))
			}
		}
		for j, who := range s.Initiators {
			digits := plainHex(who)
			if _, err := netip.ParseAddr(who); err != nil && (len(digits) != 32 || !hexadecimal(digits)) {
				c.fail(fmt.Sprintf("%s.srp.initiators[%d]", path, j), "%.40q is not an SRP initiator: it is a port, which is 0x and 32 hexadecimal digits, or an address, such as 192.0.2.7", strings.TrimPrefix(who, "0x"))
			}
		}
		if other, ok := ports[s.Port()]; ok {
			c.fail(path+".srp", "the target %s has the same id-ext and ioc-guid: one of them must differ", other)
		}
		ports[s.Port()] = t.Name
		if portal < 0 || len(s.Initiators) > 0 {
			continue
		}
		const how = "which SRP does not have: name the initiators that may have it over %s by their ports or addresses (srp: initiators), or take the portal away"
		switch p := c.doc.Portals[portal]; {
		case len(t.Auth.Users) > 0:
			c.fail(path, "the target asks for CHAP, "+how, p)
		case len(t.Initiators) > 0:
			c.fail(path, "the target lets initiators in by their iSCSI names, "+how, p)
		}
	}
}
