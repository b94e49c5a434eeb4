package kind

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	tcp "github.com/lunette-io/lunette/network/tcp/kind"
)

func portal(t *testing.T, text string) model.Portal {
	t.Helper()
	a, err := Kind().Listen(3260).Parse("iser+verbs", text, "iser+verbs://"+text)
	if err != nil {
		t.Fatal(err)
	}
	return model.Portal{Kind: "iser+verbs", Address: a}
}

// Errors say what to do, and whether the portal is right and something else is in the way.
func TestExplain(t *testing.T) {
	at := portal(t, "192.0.2.1:3260").Address
	for name, c := range map[string]struct {
		err    error
		beside []model.Portal
		want   string
		busy   bool
	}{
		"another program":      {err: fmt.Errorf("verbs: cannot listen: %w", syscall.EADDRINUSE), want: "port 3260 is taken by another program", busy: true},
		"a portal of the same": {err: syscall.EADDRINUSE, beside: []model.Portal{portal(t, "0.0.0.0:3260")}, want: "port 3260 is that of the portal iser+verbs://0.0.0.0:3260 already"},
		"no such address":      {err: syscall.EADDRNOTAVAIL, want: "192.0.2.1 is no address of this machine"},
		"no adapter":           {err: syscall.ENODEV, want: "no adapter for RDMA has the address 192.0.2.1"},
		"no permission":        {err: syscall.EACCES, want: "may not use /dev/infiniband"},
		"something else":       {err: errors.New("verbs: a\nb"), want: "a; b"},
	} {
		f := plugin.Failed{Err: c.err, At: at, Beside: c.beside}
		if got := explain(f); !strings.Contains(got, c.want) || strings.Contains(got, "\n") || tcp.Busy(f) != c.busy {
			t.Errorf("%s: %s, busy %v", name, got, tcp.Busy(f))
		}
	}
}
