package daemon

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// What discovery shows to whom, by what a document says of it.
func TestWhoDiscovers(t *testing.T) {
	t.Chdir(t.TempDir())
	const mine, yours, open = "iqn.2026-11.io.lunette:mine", "iqn.2026-11.io.lunette:yours", "iqn.2026-11.io.lunette:open"
	if err := os.WriteFile("yours", []byte("a secret of yours"), 0o600); err != nil {
		t.Fatal(err)
	}
	me1, you := account(t, "me", "correct horse battery"), account(t, "you", "a secret of yours")
	wrong, finder := account(t, "me", "incorrect horse battery"), account(t, "finder", "another secret of us")
	const base = `version: 1
units: [{name: m, store: {kind: memory, size: 1M}}]
targets:
- {name: "` + mine + `", luns: {0: m}, auth: {users: [{user: me, secret-file: secret}]}, initiators: [{name: "` + me + `", user: me}]}
- {name: "` + yours + `", luns: {0: m}, auth: {users: [{user: you, secret-file: yours}, {user: me, secret-file: secret}]}, initiators: ["` + other + `"]}
- {name: "` + open + `", luns: {0: m}}
portals: [{kind: iscsi+tcp, address: "127.0.0.1:0", advertise: ["203.0.113.9:31260", disks.example.com]}]
limits: {stop-timeout: 1s}
`
	for name, x := range map[string]struct {
		says string
		want map[string]string // by who asks
	}{
		"nothing":        {"", map[string]string{"me": "mine open", "other as me": "open yours", "other as you": "open yours", "you": "open", "nobody": "refused", "wrong": "refused", "finder": "refused"}},
		"open":           {"discovery: {open: true}\n", map[string]string{"nobody": "mine open"}},
		"its own users":  {"discovery: {auth: {users: [{user: finder, secret-file: ours}]}}\n", map[string]string{"finder": "mine open", "me": "refused", "nobody": "refused"}},
		"few, and short": {"discovery: {sessions: 1, lifetime: 1s}\n", map[string]string{"me": "mine open"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, base+x.says)
			for who, want := range x.want {
				cfg := initiator.Config{InitiatorName: me, ISID: pdu.ISID{0x80, 1}}
				if strings.HasPrefix(who, "other") {
					cfg.InitiatorName = other
				}
				cfg.Account = map[string]*auth.Account{"me": me1, "other as me": me1, "other as you": you, "you": you, "wrong": wrong, "finder": finder}[who]
				got := "refused"
				if c, err := dial(t, d, cfg); err == nil {
					found, err := c.SendTargets("All")
					if err != nil {
						t.Fatal(err)
					}
					var names []string
					for _, f := range found {
						names = append(names, strings.TrimPrefix(f.Name, "iqn.2026-11.io.lunette:"))
						_, port, _ := strings.Cut(d.portals.load()[0].Addr(), ":")
						if fmt.Sprint(f.Addresses) != "[203.0.113.9:31260,1 disks.example.com:"+port+",1]" {
							t.Errorf("%s is at %v", f.Name, f.Addresses)
						}
					}
					slices.Sort(names)
					got = strings.Join(names, " ")
					_ = c.Close()
				}
				if got != want {
					t.Errorf("%s: %s instead of %s", who, got, want)
				}
			}
			if err := d.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
