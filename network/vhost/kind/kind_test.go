package kind

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/vhost"
)

// schema has portals of this provider.
func schema() model.Schema {
	p := Kind()
	return model.Schema{
		Kinds:    []model.Kind{{Axis: "transport", Name: "x+vhost", Options: p.Options, Listen: p.Listen(0)}},
		Document: p.Document,
	}
}

// read reads a document with one portal, which has more than its address.
func read(more string) (*model.Document, error) {
	return model.Read("t.yaml", []byte("version: 1\nportals:\n- {kind: x+vhost, address: /run/vm.sock"+more+"}\n"), schema())
}

// What a document says of a socket becomes its options.
func TestOptions(t *testing.T) {
	for more, want := range map[string]vhost.Options{
		"":                            {Mode: 0o600, UID: -1, GID: -1, MaxMemory: 4 << 40},
		", mode: 0660, group: 78":     {Mode: 0o660, UID: -1, GID: 78, MaxMemory: 4 << 40},
		`, mode: "0o666"`:             {Mode: 0o666, UID: -1, GID: -1, MaxMemory: 4 << 40},
		", mode: 620, owner: root":    {Mode: 0o620, UID: 0, GID: -1, MaxMemory: 4 << 40},
		", group: root, memory: 64G":  {Mode: 0o600, UID: -1, GID: 0, MaxMemory: 64 << 30},
		", peers: [root, 4294967294]": {Mode: 0o600, UID: -1, GID: -1, MaxMemory: 4 << 40, Peers: []uint32{0, 4294967294}},
	} {
		d, err := read(more)
		if err != nil {
			t.Errorf("%s: %v", more, err)
			continue
		}
		o, err := Options(d.Portals[0].Address.Text, d.Portals[0].Values)
		want.Path = "/run/vm.sock"
		if err != nil || !slices.Equal(o.Peers, want.Peers) || fmt.Sprint(o) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, %v, want %+v", more, o, err, want)
		}
	}
	for more, want := range map[string]string{
		", mode: 0668": "octal", ", mode: 01777": "octal", ", mode: rw": "octal", ", mode: 0444": "lets nobody attach", `, owner: ""`: "empty", `, group: "a b"`: "blanks", ", peers: []": "name users",
		`, peers: ["a:b"]`: "colons", ", memory: 4k": "from 1M", ", poll: 1s": "poll",
	} {
		if _, err := read(more); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", more, err, want)
		}
	}
	for _, option := range []string{"owner", "group"} {
		_, err := Options("/x", model.Values{"mode": "0600", option: "no-such-name-here"})
		if got := explain(plugin.Failed{Err: err}); !strings.Contains(got, option+": there is no ") || !strings.Contains(got, "no-such-name-here") {
			t.Errorf("%s: %v", option, got)
		}
	}
	if _, err := Options("/x", model.Values{"mode": "0600", "peers": []any{"no-such-name-here"}}); err == nil || !strings.Contains(err.Error(), "peers: there is no user") {
		t.Error(err)
	}
}

// How long threads look for requests is what the document says.
func TestPoll(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "network: {vhost: {poll: auto}}\n": 0, "network: {vhost: {poll: 0s}}\n": -1, "network: {vhost: {poll: 50us}}\n": 50 * time.Microsecond} {
		d, err := model.Read("t.yaml", []byte("version: 1\nportals: [\"x+vhost:///a\"]\n"+text), schema())
		if err != nil {
			t.Fatal(err)
		}
		if got := config(d.Values).Poll; got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Errors say what to do, and whether the portal is right and something else is in the way.
func TestExplain(t *testing.T) {
	a, err := Kind().Listen(0).Parse("x+vhost", "/run/lunette/vm.sock", "x+vhost:///run/lunette/vm.sock")
	if err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		"a program listens at /run/lunette/vm.sock already (\"ss -xlp src /run/lunette/vm.sock\"": fmt.Errorf("%w: x", vhost.ErrInUse),
		"at /run/lunette/vm.sock there is a file that is no socket":                               fmt.Errorf("%w: x", vhost.ErrNotSocket),
		"there is no directory /run/lunette:":                                                     &fs.PathError{Op: "bind", Path: "x", Err: syscall.ENOENT},
		"may not make files in /run/lunette":                                                      os.NewSyscallError("bind", syscall.EACCES),
		"/run/lunette is no directory":                                                            os.NewSyscallError("bind", syscall.ENOTDIR),
		"CAP_CHOWN":                                                                               &fs.PathError{Op: "lchown", Path: "x", Err: syscall.EPERM},
		"read-only":                                                                               os.NewSyscallError("bind", syscall.EROFS),
		"vhost-user needs Linux":                                                                  fmt.Errorf("x: %w", errors.ErrUnsupported),
		"a; b":                                                                                    errors.New("vhost: a\nb"),
	} {
		f := plugin.Failed{Err: err, At: a}
		if got := explain(f); !strings.Contains(got, want) || strings.Contains(got, "\n") || busy(f) != errors.Is(err, vhost.ErrInUse) {
			t.Errorf("%v: %s, busy %v", err, got, busy(f))
		}
	}
}
