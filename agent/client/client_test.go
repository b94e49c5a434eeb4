package client_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type source struct{}

func (source) Version() api.Version {
	return api.Version{Version: "1", Go: "go", PID: 7, Started: time.Unix(5, 0).UTC()}
}
func (source) Targets() []api.Target {
	return []api.Target{{Name: "t", LUNs: []api.LUN{{LUN: 3, Unit: "u"}}, Portals: []string{"p"},
		Columns: []api.Cell{{Column: "AUTH", Text: "none"}}, Facts: api.Facts{{Name: "auth", Value: "none"}}}}
}
func (source) Units() []api.Unit {
	return []api.Unit{{Name: "u", Device: "d", Counts: api.Counts{BytesRead: 1 << 62}}}
}
func (source) Sessions() []api.Session {
	return []api.Session{{ID: "1", Initiator: "i", Connections: []api.Connection{{ID: 1, Remote: "r"}}}}
}

func TestClientReadsWhatTheServerHas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	socket, err := server.Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	serving := server.Serve(socket, server.Config{Source: source{}})
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket is %v, %v", info.Mode(), err)
	}
	c := client.New(path)
	version, err := c.Version(t.Context())
	check(t, version, source{}.Version(), err)
	targets, err := c.Targets(t.Context())
	check(t, targets, source{}.Targets(), err)
	units, err := c.Units(t.Context())
	check(t, units, source{}.Units(), err)
	sessions, err := c.Sessions(t.Context())
	check(t, sessions, source{}.Sessions(), err)

	if _, err := server.Listen(path, ""); err == nil || !strings.Contains(err.Error(), "a daemon is running with the socket") {
		t.Errorf("a second daemon: %v", err)
	}
	if err := serving.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := c.Units(t.Context()); err == nil || !strings.Contains(err.Error(), "no daemon answers at "+path) {
		t.Errorf("without a daemon: %v", err)
	}
}

func check[T any](t *testing.T, got, want T, err error) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}
