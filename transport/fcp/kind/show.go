package kind

import (
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// show says who may log in to a target, and what it is called at each portal.
func show(s plugin.Showing) plugin.Shown {
	who := "every initiator"
	some := s.Target.Values.Group("fcp").Strings("initiators")
	if len(some) > 0 {
		who = "initiators at " + strings.Join(some, ", ")
	}
	shown := plugin.Shown{Lines: []string{" by FCP " + who}}
	if len(some) == 0 {
		shown.Open = "--fcp-initiator WWPN"
	}
	id := identify(s.Target.Name, s.Target.Values)
	var ports []string
	for i, at := range s.At {
		port := id.port(s.Tags[i]).String()
		ports = append(ports, port)
		shown.Lines = append(shown.Lines, fmt.Sprintf("        port %s of node %v on %s", port, id.node, at))
		shown.Notes = append(shown.Notes, api.Note{
			Title: "to attach " + s.Target.Name + " by FCP on " + at,
			Lines: append(append([]string(nil), s.Hosts[i]...), "the port is "+port),
		})
	}
	shown.Facts = api.Facts{{Name: "wwnn", Value: id.node.String()}, {Name: "wwpns", Value: ports}}
	return shown
}

// attach shows how to attach a target.
func attach(a plugin.Attaching) []string {
	var lines []string
	for i, line := range a.Host {
		label := ""
		if i == 0 {
			label = "Linux FCP"
		}
		lines = append(lines, fmt.Sprintf("  %-10s %s", label, line))
	}
	port := identify(a.Target.Name, a.Target.Values).port(a.Tag)
	lines = append(lines, fmt.Sprintf("             # the port %v is found without being named: lsscsi -t", port))
	return append(lines, a.Appears()...)
}
