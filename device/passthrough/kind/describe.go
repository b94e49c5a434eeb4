package kind

import (
	"fmt"
	"strings"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/initiator/sg"
)

// describe is what the unit says of itself and its device.
func (u unit) describe() plugin.Description {
	s := u.Status()
	dev, since := u.source.found()
	state, short := "present", dev.Type.String()
	if !s.Present {
		state = "gone"
		short += ", gone"
	}
	node := s.Info.Node
	if node == "" {
		node = dev.Address
	}
	facts := api.Facts{
		{Column: "SIZE", Text: short},
		{Name: "type", Value: dev.Type.String()},
		{Name: "store", Value: node, Column: "STORE", Text: storeText(u, node, s.Present)},
		{Name: "io", Value: s.Info.IO, Column: "IO", Text: s.Info.IO, Wide: true},
		{Name: "vendor", Value: dev.Vendor},
		{Name: "product", Value: dev.Product},
		{Name: "revision", Value: dev.Revision},
		{Name: "serial", Value: dev.Serial},
		{Name: "deviceName", Value: dev.Name},
		{Name: "address", Value: dev.Address},
		{Name: "driver", Value: u.driver()},
		{Name: "state", Value: state},
		{Name: "since", Value: since.UTC().Format(time.RFC3339)},
		{Name: "returns", Value: s.Returns},
		{Name: "commandsPassed", Value: s.Commands},
		{Name: "commandsOurs", Value: s.Ours},
		{Name: "commandsRefused", Value: s.Refused},
		{Name: "underWay", Value: s.UnderWay},
		{Name: "abandoned", Value: s.Abandoned},
		{Name: "bytesMoved", Value: s.Bytes},
		{Name: "bytesCopied", Value: s.Copied},
		{Name: "kernelCopies", Value: !s.Info.Direct},
		{Name: "hostFailures", Value: failures(s.Failed)},
	}
	if !s.Present && s.Why != "" {
		facts = append(facts, api.Fact{Name: "problem", Value: s.Why})
	}
	return plugin.Description{Summary: summary(u, node, s.Present, s.Why, s.Info), Facts: facts}
}

// driver says which driver of the kernel has the device.
func (u unit) driver() string {
	u.source.mu.Lock()
	defer u.source.mu.Unlock()
	if u.source.attach != nil {
		return "detached"
	}
	return u.source.unit.Driver
}

// summary is the unit in one line.
func summary(u unit, node string, present bool, why string, info sg.Info) string {
	dev, _ := u.source.found()
	text := fmt.Sprintf("%s %s", dev.Type, title(dev))
	if dev.Serial != "" {
		text += ", serial number " + dev.Serial
	}
	if !present {
		return strings.TrimRight(text+", which is gone: "+why, ": ")
	}
	text += fmt.Sprintf(", by %s (%s)", node, info.IO)
	if u.driver() == "detached" {
		text += ", taken from its driver"
	}
	return text
}

// storeText is what stands in tables where others have their store.
func storeText(u unit, node string, present bool) string {
	dev, _ := u.source.found()
	text := strings.Join(strings.Fields(dev.Vendor+" "+dev.Product), " ")
	if !present {
		return text + ", which is gone"
	}
	return strings.TrimSpace(text + " " + node)
}

// failures are the commands that the host, and not the device, has ended, by what it said.
func failures(by map[sg.HostStatus]int64) map[string]int64 {
	all := make(map[string]int64, len(by))
	for h, n := range by {
		if n > 0 {
			all[h.String()] = n
		}
	}
	return all
}
