package kind

import (
	"fmt"

	"github.com/lunette-io/lunette/agent/model"
)

// check looks at what sockets show. A socket is what a guest has instead of a name and a password: so a target that asks its initiators for
// one is not shown to all sockets, by a portal that shows all targets.
func check(c *model.Check) {
	shown := make(map[string]bool)
	for i, p := range c.Document.Portals {
		if p.Transport() != "virtio" {
			continue
		}
		if p.Tag > 0 {
			c.Note(fmt.Sprintf("portals[%d].tag", i), "this has no effect: a guest has its targets by one socket")
		}
		numbers := make(map[int]string)
		for j, t := range c.Document.Targets {
			if !p.Shows(t.Name) || c.Document.SameName(j) { // that has been said
				continue
			}
			shown[t.Name] = true
			path := fmt.Sprintf("targets[%d]", j)
			n := number(t.Values)
			if other, ok := numbers[n]; ok {
				c.Fail(path+".virtio.number", "the target has the number %d at %s, and so has %s: %s let the portal show one of them (portals: targets)", n, p, other, another(c, p))
			}
			numbers[n] = t.Name
			if why := c.Restrictions(t); len(why) > 0 && len(p.Targets) == 0 && len(initiators(t.Values)) == 0 {
				c.Fail(fmt.Sprintf("portals[%d]", i), "the target %s %s, which a guest cannot be asked for, and %s shows all targets: list those that its guest may have (targets: [NAME, …]), or name the initiators that may have the target by virtio (virtio: initiators)", t.Name, why[0], p)
			}
		}
	}
	for j, t := range c.Document.Targets {
		if (number(t.Values) > 0 || len(initiators(t.Values)) > 0) && !shown[t.Name] && !c.Document.SameName(j) {
			c.Note(fmt.Sprintf("targets[%d].virtio", j), "this has no effect, since no portal shows the target by virtio: add one, such as virtio+vhost:///run/lunette/vm1.sock")
		}
	}
}

// another says which number a target could have at a portal, if one is free.
func another(c *model.Check, p model.Portal) string {
	taken := make(map[int]bool)
	for _, t := range c.Document.Targets {
		if p.Shows(t.Name) {
			taken[number(t.Values)] = true
		}
	}
	for n := range maxNumber + 1 {
		if !taken[n] {
			return fmt.Sprintf("give it another, such as virtio: {number: %d}, or", n)
		}
	}
	return "there are no others,"
}
