package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/api"
)

// out is a buffer for a daemon that runs.
type out struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *out) Write(p []byte) (int, error) { o.mu.Lock(); defer o.mu.Unlock(); return o.b.Write(p) }
func (o *out) String() string              { o.mu.Lock(); defer o.mu.Unlock(); return o.b.String() }

// a served daemon.
type served struct {
	socket         string
	stdout, stderr out
	stop           context.CancelFunc
	status         chan int
}

// serve runs a daemon until the test ends or stop is called.
func serve(t *testing.T, args ...string) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &served{socket: filepath.Join(t.TempDir(), "s"), stop: cancel, status: make(chan int, 1)}
	args = append([]string{"serve", "--socket", s.socket}, args...)
	go func() { s.status <- run(ctx, args, &s.stdout, &s.stderr) }()
	for range 500 {
		if _, err := os.Stat(s.socket); err == nil && (s.stdout.String() != "" || strings.Contains(s.stderr.String(), `"msg":"serving"`)) {
			t.Cleanup(func() { s.end(t) })
			return s
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	t.Fatalf("the daemon does not start: %d, %s", <-s.status, &s.stderr)
	return nil
}

// end stops the daemon and expects it to end well.
func (s *served) end(t *testing.T) {
	t.Helper()
	s.stop()
	if s.status == nil {
		return
	}
	select {
	case status := <-s.status:
		if status != exitOK {
			t.Errorf("status %d: %s", status, &s.stderr)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("the daemon does not stop: %s", &s.stderr)
	}
	s.status = nil
	if _, err := os.Stat(s.socket); err == nil {
		t.Error("the socket is still there")
	}
}

func list[T any](t *testing.T, s *served, what string) []T {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{what, "--socket", s.socket, "-o", "json"}, &stdout, &stderr); status != exitOK {
		t.Fatalf("%s: status %d, %s", what, status, &stderr)
	}
	var all []T
	if err := json.Unmarshal(stdout.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// shownUnit and shownTarget have the fields that programs read in what is printed with -o json.
type (
	shownUnit struct {
		Name, Store, Device, Serial, NAA string
		Size, BlockSize                  int64
		ReadOnly                         *bool
	}
	shownTarget struct {
		Name, Alias, Auth   string
		Initiators, Portals []string
	}
)

func TestServeMixedUnitsInOrder(t *testing.T) {
	sandbox(t)
	s := serve(t, "--memory", "1M", "new.img", "--portal", "127.0.0.1:0", "--null=8M", "--size", "2M", "--memory=4M", "--", "other.img")
	var got []string
	for _, u := range list[shownUnit](t, s, "units") {
		got = append(got, u.Name+" "+u.Store)
	}
	want := "memory memory, new file new.img, null null, memory-2 memory, other file other.img"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
	targets := list[api.Target](t, s, "targets")
	if len(targets) != 1 || targets[0].Name != "iqn.2026-11.io.lunette:memory" || len(targets[0].LUNs) != 5 || targets[0].LUNs[3] != (api.LUN{LUN: 3, Unit: "memory-2"}) {
		t.Errorf("targets are %+v", targets)
	}
	if sessions := list[api.Session](t, s, "sessions"); len(sessions) != 0 {
		t.Errorf("sessions are %+v", sessions)
	}
	for _, line := range []string{
		`^serving iqn\.2026-11\.io\.lunette:memory$`, `^ +on iscsi\+tcp://127\.0\.0\.1:\d+$`, `^ +for every initiator, without authentication$`,
		`^  LUN 1: new, 2M disk of 512-byte blocks, read-write, on file new\.img$`,
		`^  Linux      iscsiadm -m discovery -t sendtargets -p 127\.0\.0\.1:\d+$`,
		`iscsi-inq 'iscsi://127\.0\.0\.1:\d+/iqn\.2026-11\.io\.lunette:memory/0'$`,
		`^  \S+ units --socket \S+/s$`,
		`^only this machine can connect; to serve others as well: --portal 0\.0\.0\.0:3260 --chap USER:FILE$`,
	} {
		if !regexp.MustCompile("(?m)" + line).MatchString(s.stdout.String()) {
			t.Errorf("no line %s in\n%s", line, s.stdout.String())
		}
	}
	s.end(t)
	if info, err := os.Stat("new.img"); err != nil || info.Size() != 2<<20 || info.Mode() != 0o600 {
		t.Errorf("new.img after a good end: %v, %v", info, err)
	}
	for _, line := range []string{
		`msg=started version=\S+ pid=\d+ go=\S+ engine=(goroutines|reactors) (reactors=\d+ )?socket=\S+/s units=5 io="?(io_uring|threads): 2"? targets=1 portals=1$`,
		`msg="unit opened" unit=new device=disk size=2097152 .*io=(io_uring|threads)$`, `msg=serving target=\S+ luns="\[0=memory 1=new`,
		`everything written is durable`,
	} {
		if !regexp.MustCompile("(?m)" + line).MatchString(s.stderr.String()) {
			t.Errorf("no line %s in\n%s", line, &s.stderr)
		}
	}
}

func TestServeSecondDaemonIsRefused(t *testing.T) {
	sandbox(t)
	s := serve(t, "disk.img", "--portal", "127.0.0.1:0")
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"serve", "new.img", "--size", "1M", "--portal", "127.0.0.1:0", "--socket", s.socket}, &stdout, &stderr)
	if status != exitUsage || !strings.Contains(stderr.String(), "a daemon is running with the socket "+s.socket) {
		t.Errorf("status %d, %s", status, &stderr)
	}
	stderr.Reset()
	status = run(t.Context(), []string{"serve", "disk.img", "--portal", "127.0.0.1:0", "--socket", s.socket + "2"}, &stdout, &stderr)
	if status != exitUsage || !strings.Contains(stderr.String(), "serves it") {
		t.Errorf("a file that is served: status %d, %s", status, &stderr)
	}
	if _, err := os.Stat("new.img"); err == nil {
		t.Error("new.img was made")
	}
}

func TestServeConfigWithEverything(t *testing.T) {
	dir := sandbox(t)
	doc := `{"version": 1,
 "units": [
  {"name": "a", "store": {"kind": "file", "path": "disk.img", "read-only": true},
   "filters": [{"kind": "stats"}, {"kind": "verify"}, {"kind": "delay", "read": "1us", "jitter": "1us"}, {"kind": "fault", "skip": 1000000}, {"kind": "readonly"}],
   "device": {"kind": "disk", "block-size": 4096, "serial": "abc", "vendor": "V", "product": "P", "revision": "2"}},
  {"name": "b", "store": {"kind": "memory", "size": "1M"}, "device": {"kind": "disk", "naa": "6000000000000000000000000000000f", "read-only": true, "workers": 3}}],
 "targets": [
  {"name": "iqn.2026-11.io.lunette:one", "alias": "the one", "luns": {"0": "a", "7": "b"},
   "auth": {"users": [{"user": "me", "secret-file": "secret"}], "mutual": {"user": "us", "secret-file": "other"}, "algorithms": ["sha256", "md5"]},
   "initiators": [{"name": "iqn.2026-11.io.lunette:me", "user": "me"}, {"name": "iqn.2026-11.io.lunette:you"}, "iqn.2026-11.io.lunette:they"], "target-reset": "anybody"},
  {"name": "iqn.2026-11.io.lunette:two", "luns": {"1": "b"}, "initiators": ["iqn.2026-11.io.lunette:me"]}],
 "portals": ["127.0.0.1:0", "[::1]:0"],
 "discovery": {"auth": {"users": [{"user": "d", "secret-file": "secret"}]}},
 "limits": {"memory": "64M", "connections": 5, "logins": 5, "login-timeout": "2s", "idle-timeout": "2s", "stop-timeout": "2s"}}`
	if err := os.WriteFile("all.json", []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--config", filepath.Join(dir, "all.json"), "--log-format", "json")
	targets := list[shownTarget](t, s, "targets")
	if len(targets) != 2 || targets[0].Auth != "mutual chap" || targets[0].Alias != "the one" || len(targets[1].Initiators) != 1 ||
		strings.Join(targets[0].Initiators, " ") != "iqn.2026-11.io.lunette:me,user=me iqn.2026-11.io.lunette:you iqn.2026-11.io.lunette:they" || len(targets[1].Portals) != 2 {
		t.Errorf("targets are %+v", targets)
	}
	units := list[shownUnit](t, s, "units")
	if len(units) != 2 || units[0].Serial != "abc" || units[0].BlockSize != 4096 || !*units[0].ReadOnly || !*units[1].ReadOnly ||
		units[0].Size != 4096 || units[0].Device != "disk" || units[1].NAA != "6000000000000000000000000000000f" {
		t.Errorf("units are %+v", units)
	}
	if s.stdout.String() != "" || !json.Valid([]byte(strings.Split(s.stderr.String(), "\n")[0])) {
		t.Errorf("with --log-format json: %q, %q", s.stdout.String(), s.stderr.String())
	}
}

func TestTables(t *testing.T) {
	sandbox(t)
	s := serve(t, "disk.img", "--read-only", "--portal", "127.0.0.1:0", "--chap", "me:secret")
	for what, want := range map[string]string{
		"units":           `(?m)^disk  4K    file disk\.img  0 +0 +0 +0 +0$`,
		"units -o wide":   `(?m)^disk  4K    512    read-only  file disk\.img  (io_uring|threads) +0 +0 +0 +0 +0$`,
		"targets":         `(?m)^iqn\.2026-11\.io\.lunette:disk  0=disk  127\.0\.0\.1:\d+ +chap  any +0$`,
		"targets -o wide": `(?m)^iqn\.2026-11\.io\.lunette:disk  0=disk  iscsi\+tcp://127\.0\.0\.1:\d+  chap  any +0$`,
		"sessions":        `^INITIATOR  FROM`,
	} {
		var stdout, stderr bytes.Buffer
		run(t.Context(), append(strings.Fields(what), "--socket", s.socket), &stdout, &stderr)
		if !regexp.MustCompile(want).MatchString(stdout.String()) {
			t.Errorf("%s: no %s in\n%s%s", what, want, &stdout, &stderr)
		}
	}
}

func TestAmount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "0.98K", 1024: "1.00K", 1 << 20: "1.00M", 15 << 20: "15.0M", 150 << 30: "150G", 1<<63 - 1: "8.00E"} {
		if got := amount(n); got != want {
			t.Errorf("amount(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for args, want := range map[string]string{
		"": "Usage: lunette <command>", "--help": "Usage: lunette <command>", "serve --help": "--portal", "version": "lunette ", "version -o json": `"version"`,
		"--version": "lunette ", "-V": "lunette ", "help": "Usage: lunette <command>", "help serve": "--portal", "help help": "command", "kinds": "store file", "kinds filter": "filter delay", "kinds --help": "axis",
	} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), strings.Fields(args), &stdout, &stderr); status != exitOK || !strings.Contains(stdout.String(), want) || stderr.Len() > 0 {
			t.Errorf("%q: status %d, %q, %q", args, status, &stdout, &stderr)
		}
	}
}

// A start that is told to end leaves nothing, and is no error.
func TestServeIsToldToEndDuringItsStart(t *testing.T) {
	dir := sandbox(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	status := run(ctx, []string{"serve", "new.img", "--size", "1M", "--portal", "127.0.0.1:0", "--socket", filepath.Join(dir, "s")}, &stdout, &stderr)
	if status != exitOK || stdout.Len() > 0 || !strings.Contains(stderr.String(), "stopped before anything was served") {
		t.Errorf("status %d, %s%s", status, &stdout, &stderr)
	}
	for _, name := range []string{"new.img", "s"} {
		if _, err := os.Lstat(name); err == nil {
			t.Errorf("%s was left", name)
		}
	}
}
