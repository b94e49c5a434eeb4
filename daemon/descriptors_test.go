package daemon

import (
	"testing"

	"github.com/lunette-io/lunette/agent/model"
)

// Limits are those asked for where descriptors allow it; else all that can be open at a time fits.
func TestLimitsFitDescriptors(t *testing.T) {
	asked := model.Limits{Connections: model.DefaultConnections, Logins: model.DefaultLogins, Memory: 5}
	for _, b := range []budget{{65536, 20, 1}, {1 << 30, 3000, 2}} {
		if got, err := b.fit(asked); err != nil || got != asked {
			t.Errorf("%+v: %+v, %v", b, got, err)
		}
	}
	for _, b := range []budget{{64, 16, 1}, {1024, 12, 1}, {1024, 12, 2}, {20000, 20, 2}, {4096, 3000, 2}} {
		got, err := b.fit(asked)
		each := (b.limit - b.taken - apart) / b.nodes
		if err != nil || got.Logins < 1 || got.Connections < got.Logins || got.Memory != asked.Memory ||
			got.Connections+2*got.Logins+got.Logins/4+min(64, each/8) > each {
			t.Errorf("%+v: %+v, %v", b, got, err)
		}
	}
	if got, err := (budget{1024, 12, 1}).fit(model.Limits{Connections: 5, Logins: 5}); err != nil || got.Connections != 5 || got.Logins != 5 {
		t.Errorf("few are asked for: %+v, %v", got, err)
	}
	if _, err := (budget{64, 40, 1}).fit(asked); err == nil {
		t.Error("nothing is left, and it is no error")
	}
}
