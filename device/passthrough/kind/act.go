package kind

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// doReset is the name of an action.
const doReset = "reset"

// actions are what people can do with a device.
func actions() []plugin.Action {
	return []plugin.Action{
		{Name: doReset, Help: "Resets the device, as LOGICAL UNIT RESET of an initiator does: what it was doing ends, and all initiators are told. Neither its target nor its bus is reset.", Changes: true},
	}
}

// act does an action.
func (u unit) act(ctx context.Context, action string, _ model.Values) (any, error) {
	if action != doReset {
		return nil, fmt.Errorf("a device has no action %q", action)
	}
	return nil, u.source.reset(ctx)
}
