package kind

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
)

// An identifier is that of a target's port: SRP's ports have no names. A target has one port there;
// id_ext and ioc_guid are what Linux calls the two halves.
type identifier struct{ ext, guid string }

// String is the identifier as one number.
func (i identifier) String() string { return "0x" + i.ext + i.guid }

// identify is what the document says of a target's port, and the rest from the target's name, which
// is unique in the world.
func identify(name string, v model.Values) identifier {
	v = v.Group("srp")
	return identifier{
		ext:  cmp.Or(plainHex(v.String("id-ext")), derived("id-ext", name)),
		guid: cmp.Or(plainHex(v.String("ioc-guid")), derived("ioc-guid", name)),
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

func hexadecimal(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// checkInitiator reports what is wrong with the name of an initiator.
func checkInitiator(who string) error {
	digits := plainHex(who)
	if _, err := netip.ParseAddr(who); err != nil && (len(digits) != 32 || !hexadecimal(digits)) {
		return fmt.Errorf("%.40q is not an SRP initiator: it is a port, which is 0x and 32 hexadecimal digits, or an address, such as 192.0.2.7", who)
	}
	return nil
}

// initiators are those that may log in, in the form that the node takes.
func initiators(v model.Values) []string {
	all := v.Group("srp").Strings("initiators")
	for i, who := range all {
		if _, err := netip.ParseAddr(who); err != nil {
			all[i] = "0x" + plainHex(who)
		}
	}
	return all
}

// check looks at what targets are over SRP. What a target asks of its initiators, whatever shows it, SRP
// cannot ask: such a target is not shown by SRP to everybody.
func check(c *model.Check) {
	ports := make(map[string]string)
	for i, t := range c.Document.Targets {
		path := fmt.Sprintf("targets[%d]", i)
		id := identify(t.Name, t.Values)
		for _, half := range [][2]string{{"id-ext", id.ext}, {"ioc-guid", id.guid}} {
			if len(half[1]) != 16 || !hexadecimal(half[1]) {
				c.Fail(path+".srp."+half[0], "%.40q is not an identifier: it has 16 hexadecimal digits, such as %s", half[1], derived(half[0], t.Name))
			}
		}
		if other, ok := ports[id.String()]; ok && !c.Document.SameName(i) { // that has been said
			c.Fail(path+".srp", "the target %s has the same id-ext and ioc-guid: one of them must differ", other)
		}
		ports[id.String()] = t.Name
		shown, why := c.Portals("srp", t.Name), c.Restrictions(t)
		if len(shown) == 0 && len(t.Values.Group("srp").Strings("initiators")) > 0 {
			c.Note(path+".srp.initiators", "this has no effect, since no portal shows the target by SRP: add one, such as srp+PROVIDER://ADDRESS")
		}
		if len(shown) > 0 && len(why) > 0 && len(t.Values.Group("srp").Strings("initiators")) == 0 {
			c.Fail(path, "the target %s, which SRP does not have: name the initiators that may have it over %s by their ports or addresses (srp: initiators), or take the portal away", why[0], shown[0])
		}
	}
}
