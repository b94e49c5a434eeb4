package kind

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/rdma/roce"
	"github.com/lunette-io/lunette/network/udp/sim"
)

func portal(t *testing.T, text string) model.Portal {
	t.Helper()
	a, err := Kind().Listen(3260).Parse("iser+roce", text, "iser+roce://"+text)
	if err != nil {
		t.Fatal(err)
	}
	return model.Portal{Kind: "iser+roce", Address: a}
}

// Errors say what to do, and whether the portal is right and something else is in the way.
func TestExplain(t *testing.T) {
	at := portal(t, "192.0.2.1:3260").Address
	for name, c := range map[string]struct {
		err    error
		beside []model.Portal
		want   string
		busy   bool
		all    bool // the portal is at all addresses
	}{
		"single addresses":     {err: roce.ErrPort, beside: []model.Portal{portal(t, "192.0.2.1:3261")}, want: "before them in the document", all: true},
		"the port of UDP":      {err: fmt.Errorf("%w: %w", roce.ErrPort, syscall.EADDRINUSE), want: "UDP port 4791 is taken", busy: true},
		"a portal of the same": {err: syscall.EADDRINUSE, beside: []model.Portal{portal(t, "0.0.0.0:3260")}, want: "port 3260 is that of the portal iser+roce://0.0.0.0:3260 already"},
		"no such address":      {err: syscall.EADDRNOTAVAIL, want: "192.0.2.1 is no address of this machine"},
		"no capability":        {err: roce.ErrWhole, want: "network.roce.check is \"whole\", which takes CAP_NET_RAW"},
		"no family":            {err: syscall.EAFNOSUPPORT, want: "no addresses of the family"},
		"something else":       {err: errors.New("roce: a\nb"), want: "a; b"},
	} {
		f := plugin.Failed{Err: c.err, At: at, Beside: c.beside}
		if c.all {
			f.At = portal(t, "0.0.0.0:3260").Address
		}
		if got := explain(f); !strings.Contains(got, c.want) || busy(f) != c.busy {
			t.Errorf("%s: %s, busy %v", name, got, busy(f))
		}
	}
}

// What a document says becomes the device.
func TestOpen(t *testing.T) {
	n := sim.New()
	host := n.Host("a", 9000, netip.MustParseAddr("10.0.0.1"))
	host.SetCapable(false)
	values := func(mtu, check, congestion string) model.Values {
		return model.Values{"network": model.Values{"roce": model.Values{"mtu": mtu, "check": check, "congestion": congestion}}}
	}
	d, err := open(values("1024", model.Auto, "off"), host)
	if err != nil {
		t.Fatal(err)
	}
	if facts := d.(plugin.Describer).Describe(); facts != nil {
		t.Errorf("%v", facts)
	}
	l, err := d.Listen(t.Context(), "10.0.0.1:7")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(d.(plugin.Describer).Describe()); !strings.Contains(got, "10.0.0.1: half of the checksum") {
		t.Error(got)
	}
	if err := errors.Join(l.Close(), d.Close()); err != nil {
		t.Error(err)
	}
	d, err = open(values(model.Auto, "whole", model.Auto), host)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Listen(t.Context(), "10.0.0.1:7"); !errors.Is(err, roce.ErrWhole) {
		t.Error(err)
	}
	if err := errors.Join(d.Close(), n.Close()); err != nil {
		t.Error(err)
	}
}
