package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	disks  = "iqn.2026-11.io.lunette:disks"
	closed = "iqn.2026-11.io.lunette:closed"
	me     = "iqn.2026-11.io.lunette:me"
	other  = "iqn.2026-11.io.lunette:other"
)

const document = `version: 1
units:
- {name: a, store: {kind: file, path: a.img, size: 1M}, filters: [{kind: stats}]}
- {name: m, store: {kind: memory, size: 1M}}
targets:
- {name: "` + disks + `", luns: {0: a, 3: m}, auth: {users: [{user: me, secret-file: secret}], mutual: {user: us, secret-file: ours}}}
- {name: "` + closed + `", luns: {0: m}, initiators: ["` + other + `"]}
portals: ["127.0.0.1:0"]
discovery: {auth: {users: [{user: finder, secret-file: secret}]}}
limits: {stop-timeout: 2s}
`

// start serves text in a directory of its own.
func start(t *testing.T, text string) *Daemon {
	t.Helper()
	for name, secret := range map[string]string{"secret": "correct horse battery", "ours": "another secret of us"} {
		if err := os.WriteFile(name, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	doc, err := model.Read("test.yaml", []byte(text), Builtin().Schema())
	if err != nil {
		t.Fatal(err)
	}
	d, err := Start(t.Context(), doc, Builtin(), quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// quiet are the options of a daemon in a test.
func quiet(t *testing.T) Options {
	return Options{Strict: true, Log: slog.New(slog.DiscardHandler), Socket: filepath.Join(t.TempDir(), "s"), Version: "test"}
}

func account(t *testing.T, user, secret string) *auth.Account {
	t.Helper()
	s, err := auth.NewSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return &auth.Account{User: user, Secret: s}
}

func dial(t *testing.T, d *Daemon, cfg initiator.Config) (*initiator.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, err := initiator.Dial(ctx, d.portals.load()[0].Addr(), cfg)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
		c.SetDeadline(time.Now().Add(5 * time.Second))
	}
	return c, err
}

// block0 reads or writes the first block of LUN 0.
func block0(t *testing.T, c *initiator.Conn, out []byte) []byte {
	t.Helper()
	cdb, in := make([]byte, 10), []byte(nil)
	binary.BigEndian.PutUint16(cdb[7:], 1)
	cdb[0] = byte(scsi.OpWrite10)
	if out == nil {
		cdb[0], in = byte(scsi.OpRead10), make([]byte, 512)
	}
	for range 4 { // a unit attention may come first
		r, err := c.Do(0, cdb, out, in)
		if err != nil {
			t.Fatal(err)
		}
		if r.Status == scsi.Good {
			return in
		}
	}
	t.Fatal("the command does not end with GOOD")
	return nil
}

func TestServe(t *testing.T) {
	t.Chdir(t.TempDir())
	d := start(t, document)
	ours, mine := account(t, "us", "another secret of us"), account(t, "me", "correct horse battery")
	good := initiator.Config{InitiatorName: me, TargetName: disks, Account: mine, TargetAccount: ours, ISID: pdu.ISID{0x80, 1, 2, 3, 4, 5}}

	t.Run("who is let in", func(t *testing.T) {
		for name, cfg := range map[string]initiator.Config{
			"without CHAP":       {InitiatorName: me, TargetName: disks},
			"wrong secret":       {InitiatorName: me, TargetName: disks, Account: account(t, "me", "incorrect horse battery")},
			"discovery's user":   {InitiatorName: me, TargetName: disks, Account: account(t, "finder", "correct horse battery")},
			"not on the list":    {InitiatorName: me, TargetName: closed},
			"discovery, no CHAP": {InitiatorName: me},
			"discovery, wrong":   {InitiatorName: me, Account: mine},
		} {
			if _, err := dial(t, d, cfg); err == nil {
				t.Errorf("%s: let in", name)
			}
		}
		if c, err := dial(t, d, initiator.Config{InitiatorName: other, TargetName: closed}); err != nil {
			t.Errorf("who is on the list: %v", err)
		} else {
			_ = c.Close()
		}
	})

	t.Run("discovery", func(t *testing.T) {
		c, err := dial(t, d, initiator.Config{InitiatorName: me, Account: account(t, "finder", "correct horse battery")})
		if err != nil {
			t.Fatal(err)
		}
		found, err := c.SendTargets("All")
		if err != nil || len(found) != 1 || found[0].Name != disks || len(found[0].Addresses) != 1 || !strings.HasPrefix(found[0].Addresses[0], d.portals.load()[0].Addr()+",") {
			t.Errorf("found %+v, %v", found, err)
		}
		_ = c.Close()
	})

	data := bytes.Repeat([]byte("lunette."), 64)
	c, err := dial(t, d, good)
	if err != nil {
		t.Fatal(err)
	}
	block0(t, c, data)
	if got := block0(t, c, nil); !bytes.Equal(got, data) {
		t.Error("what was written is not what is read")
	}

	t.Run("what the API says", func(t *testing.T) {
		api := client.New(d.opts.Socket)
		s := sessions(t, api, me)
		if len(s) != 1 || s[0].Target != disks || s[0].User != "me" || s[0].BytesWritten != 512 || s[0].BytesRead < 512 || s[0].Commands < 2 ||
			len(s[0].Connections) != 1 || s[0].Connections[0].Remote != c.TCP().LocalAddr().String() {
			t.Errorf("sessions are %+v", s)
		}
		units, err := api.Units(t.Context())
		if err != nil || len(units) != 2 || units[0].BytesWritten != 512 || units[0].Facts.Value("storeCounts") == nil ||
			units[0].Facts.Value("serial") == nil || units[0].Facts.Value("serial") == units[1].Facts.Value("serial") {
			t.Errorf("units are %+v, %v", units, err)
		}
	})

	// An initiator that stays does not keep the daemon from ending.
	before := time.Now()
	if err := d.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if took := time.Since(before); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if _, err := net.Dial("tcp", d.portals.load()[0].Addr()); err == nil {
		t.Error("the portal is still there")
	}
	if _, err := os.Stat(d.opts.Socket); err == nil {
		t.Error("the socket is still there")
	}

	again := start(t, document)
	defer func() {
		if err := again.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	c, err = dial(t, again, good)
	if err != nil {
		t.Fatal(err)
	}
	if got := block0(t, c, nil); !bytes.Equal(got, data) {
		t.Error("after a restart the data is gone")
	}
	if naa(d, 0) != naa(again, 0) || naa(d, 1) == naa(again, 1) {
		t.Error("a file has changed its name over a restart, or memory has not")
	}
	_ = c.Close()
}

// naa is the name of a unit.
func naa(d *Daemon, i int) any { return d.Units()[i].Facts.Value("naa") }

// sessions are those of an initiator.
func sessions(t *testing.T, c *client.Client, of string) []api.Session {
	t.Helper()
	all, err := c.Sessions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var some []api.Session
	for _, s := range all {
		if s.Initiator == of && s.Target != "" {
			some = append(some, s)
		}
	}
	return some
}

// An initiator that logs out when it is asked to ends the wait.
func TestStopAsksToLogOut(t *testing.T) {
	t.Chdir(t.TempDir())
	d := start(t, strings.Replace(document, "stop-timeout: 2s", "stop-timeout: 30s", 1))
	asked := make(chan struct{})
	c, err := dial(t, d, initiator.Config{InitiatorName: other, TargetName: closed, Events: initiator.Events{
		Async: func(a pdu.Async, _ []byte) {
			if a.Event == pdu.AsyncLogoutRequest {
				close(asked)
			}
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	go func() {
		for {
			select {
			case <-asked:
				_, err := c.Logout(pdu.LogoutCloseSession, 0)
				left <- err
				return
			default:
				if _, err := c.Receive(); err != nil {
					left <- fmt.Errorf("not asked: %w", err)
					return
				}
			}
		}
	}()
	before := time.Now()
	if err := d.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if took := time.Since(before); took > 4*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if err := <-left; err != nil {
		t.Error(err)
	}
}

// A start that fails at its last step takes back all others.
func TestFailedStartLeavesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text := strings.NewReplacer(`["127.0.0.1:0"]`, `["127.0.0.1:0", "`+taken.Addr().String()+`"]`,
		"auth: {users: [{user: me, secret-file: secret}], mutual: {user: us, secret-file: ours}}", "alias: x",
		"discovery: {auth: {users: [{user: finder, secret-file: secret}]}}\n", "").Replace(document)
	doc, err := model.Read("test.yaml", []byte(text), Builtin().Schema())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), doc, Builtin(), Options{Log: slog.New(slog.DiscardHandler), Socket: "s"})
	if err == nil || !strings.Contains(err.Error(), "is taken by another program") {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir("."); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// The limits of the document are those of the node.
func TestLimitsReachTheNode(t *testing.T) {
	t.Chdir(t.TempDir())
	d := start(t, strings.Replace(document, "stop-timeout: 2s", "stop-timeout: 1s, login-timeout: 1s", 1))
	c, err := net.Dial("tcp", d.portals.load()[0].Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("a connection that does not log in: %v", err)
	}
	if err := d.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// A document may have nothing yet, or parts that others need: it is served, and told as it is.
func TestServeLittle(t *testing.T) {
	t.Chdir(t.TempDir())
	for text, want := range map[string]string{
		"version: 1\nportals: [\"127.0.0.1:0\"]\n":                                                                                           "serving no target yet\n",
		"version: 1\nportals: []\ntargets: [{name: \"" + disks + "\"}]\n":                                                                    "     on no portal: nobody reaches it\n",
		"version: 1\nportals: [\"127.0.0.1:0\"]\ntargets: [{name: \"" + disks + "\"}]\n":                                                     "serving " + disks + "\n",
		"version: 1\nportals: []\nunits: [{name: m, store: {kind: memory, size: 1M}}]\n":                                                     "serving no target yet\n",
		"version: 1\nportals: []\ntargets: [{name: \"" + disks + "\", luns: {0: m}}]\nunits: [{name: m, store: {kind: memory, size: 1M}}]\n": "  LUN 0: m, ",
	} {
		d := start(t, text)
		var b bytes.Buffer
		if err := d.Announce(&b); err != nil || !strings.Contains(b.String(), want) || strings.Contains(b.String(), "to attach it") {
			t.Errorf("%s\nis told as\n%s(%v)", text, &b, err)
		}
		if len(d.Targets()) > 1 || len(d.Units()) > 1 {
			t.Errorf("%s\nis shown as %v, %v", text, d.Targets(), d.Units())
		}
		if err := Examine(t.Context(), d.doc(), Builtin()); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if err := d.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
