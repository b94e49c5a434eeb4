package kind

import (
	"fmt"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/network/fc"
)

// check looks at what targets are over FCP. What a target asks of its initiators, whatever shows it, FCP
// cannot ask: such a target is not shown by FCP to everybody.
func check(c *model.Check) {
	ports := make(map[fc.Name]string)
	for i, t := range c.Document.Targets {
		if c.Document.SameName(i) { // that has been said
			continue
		}
		path := fmt.Sprintf("targets[%d]", i)
		shown, why := c.Portals("fcp", t.Name), c.Restrictions(t)
		initiators := t.Values.Group("fcp").Strings("initiators")
		checkNames(c, path, t, shown, ports)
		if len(shown) == 0 && len(initiators) > 0 {
			c.Note(path+".fcp.initiators", "this has no effect, since no portal shows the target by FCP: add one, such as fcp+PROVIDER://ADDRESS")
		}
		if len(shown) > 0 && len(why) > 0 && len(initiators) == 0 {
			c.Fail(path, "the target %s, which FCP does not have: name the initiators that may have it over %s by their ports (fcp: initiators), or take the portal away", why[0], shown[0])
		}
	}
}

// checkNames finds ports of t that have the name of another; ports are those of the targets before.
func checkNames(c *model.Check, path string, t model.Target, shown []model.Portal, ports map[fc.Name]string) {
	id := identify(t.Name, t.Values)
	mine := make(map[fc.Name]bool)
	for i, name := range id.ports {
		at := fmt.Sprintf("%s.fcp.wwpns[%d]", path, i)
		other, taken := ports[name]
		switch {
		case mine[name]:
			c.Fail(at, "%v is here twice: each port has a name of its own", name)
		case taken:
			c.Fail(at, "%v is the name of a port of the target %s already: one of them must differ", name, other)
		}
		mine[name] = true
	}
	at := make(map[fc.Name]model.Portal)
	for _, p := range shown {
		name := id.port(max(1, p.Tag))
		mine[name] = true
		if other, ok := at[name]; ok {
			c.Fail(path, "the target would have one port, %v, both at %s and at %s: give one of the portals another tag, such as tag: %d", name, other, p, free(c))
			continue
		}
		at[name] = p
		if other, ok := ports[name]; ok && max(1, p.Tag) > len(id.ports) {
			c.Fail(path+".fcp", "the port at %s would have the name %v, as one of the target %s: one of them must have another wwnn, or wwpns", p, name, other)
		}
	}
	for name := range mine {
		if _, ok := ports[name]; !ok {
			ports[name] = t.Name
		}
	}
}

// free is a tag that no portal has.
func free(c *model.Check) int {
	taken := make(map[int]bool)
	for _, p := range c.Document.Portals {
		taken[max(1, p.Tag)] = true
	}
	tag := 1
	for taken[tag] {
		tag++
	}
	return tag
}
