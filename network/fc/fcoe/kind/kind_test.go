package kind

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc/fcoe"
)

// A portal is an interface, a VLAN or not, and a mode; it takes the place, whatever the mode.
func TestPortals(t *testing.T) {
	for text, want := range map[string][2]string{
		"eth1":                            {"eth1", "eth1"},
		"eth1?mode=vn2vn":                 {"eth1", "eth1"},
		"eth1.100?mode=fabric":            {"eth1.100?mode=fabric", "eth1.100"},
		"eth1.100?priority=3&mode=fabric": {"eth1.100?mode=fabric&priority=3", "eth1.100"},
	} {
		a, err := parse("fcp+fcoe", text, "fcp+fcoe://"+text)
		if err != nil || a.Text != want[0] || a.Takes != want[1] || a.Local {
			t.Errorf("%s is %+v: %v", text, a, err)
		}
	}
	for _, text := range []string{"", "eth1.0", "eth1?mode=loop", "eth1?priority=3", "192.0.2.1:3260", "eth 1", "eth1?mode=vn2vn&mode=fabric"} {
		if a, err := parse("fcp+fcoe", text, "fcp+fcoe://"+text); err == nil {
			t.Errorf("%q is %+v", text, a)
		} else if !strings.Contains(err.Error(), "fcp+fcoe://"+text) || !strings.Contains(err.Error(), "INTERFACE[.VLAN]") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What hosts have to do depends on the mode and the VLAN.
func TestHost(t *testing.T) {
	for at, want := range map[string][]string{
		"eth1":                 {"modprobe fcoe", "mtu 2500", "our eth1", "echo DEVICE >/sys/bus/fcoe/ctlr_create", "echo VN2VN >", "echo 1 >"},
		"eth1.100?mode=fabric": {"type vlan id 100", "echo DEVICE.100 >/sys/bus/fcoe/ctlr_create", "echo 1 >"},
	} {
		text := strings.Join(host(at), "\n")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is not in\n%s", at, w, text)
			}
		}
		if strings.Contains(text, "VN2VN") != (at == "eth1") || strings.Contains(text, "vlan") != (at != "eth1") {
			t.Errorf("%s:\n%s", at, text)
		}
	}
	if lines := host("no/interface"); lines != nil {
		t.Errorf("%q", lines)
	}
}

// Errors say what to do.
func TestExplain(t *testing.T) {
	at, err := parse("fcp+fcoe", "eth1.7", "")
	if err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		"setcap cap_net_raw+ep": fmt.Errorf("open: %w", ethernet.ErrDenied),
		"no interface eth1":     ethernet.ErrNoInterface,
		"another portal":        fcoe.ErrInUse,
		"mtu 2500":              fcoe.ErrMTU,
		"one; two":              fmt.Errorf("one\ntwo"),
	} {
		if got := explain(plugin.Failed{Err: err, At: at}); !strings.Contains(got, want) {
			t.Errorf("%v: %s", err, got)
		}
	}
}
