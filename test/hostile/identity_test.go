//go:build hostile

package hostile

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// must fails the test for an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// secretFile writes a secret.
func secretFile(t testing.TB, dir, name, secret string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.WriteFile(path, []byte(secret), 0o600))
	return path
}

// small is a document of one target with a unit in memory; options are more of the target, and rest more of the
// document.
func small(options, rest string) string {
	return fmt.Sprintf("units: [{name: d, store: {kind: memory, size: 8M}}]\ntargets: [{name: %q, luns: {0: d}%s}]\nportals: [\"127.0.0.1:0\"]\n%s", targetName, options, rest)
}

// comes logs in to the target over TCP, and waits until its unit is ready.
func (d *daemon) comes(w who) *peer {
	d.t.Helper()
	w.over, w.addr = "tcp", d.addr("tcp")
	if w.target == "" {
		w.target = targetName
	}
	p, err := w.login()
	must(d.t, err)
	d.t.Cleanup(p.end)
	must(d.t, p.ready(onFile))
	return p
}

// lives reports that the session of p is served.
func (p *peer) lives() bool {
	s, _, _, err := p.run(command{cdb: make([]byte, 6)}, nil)
	return err == nil && s == scsi.Good
}

// reserve does a PERSISTENT RESERVE OUT.
func (p *peer) reserve(t testing.TB, action, kind byte, key, serviceKey string, flags byte) scsi.Status {
	t.Helper()
	list := make([]byte, 24)
	copy(list, key)
	copy(list[8:], serviceKey)
	list[20] = flags
	s, _, _, err := p.run(command{cdb: []byte{byte(scsi.OpPersistentReserveOut), action, kind, 0, 0, 0, 0, 0, 24, 0}}, list)
	must(t, err)
	return s
}

// writes writes a block, and returns the status.
func (p *peer) writes(t testing.TB, at uint32) scsi.Status {
	t.Helper()
	s, _, sense, err := p.run(command{cdb: cdb10(scsi.OpWrite10, at, 1, 0)}, make([]byte, blockSize))
	must(t, err)
	if x, err := scsi.ParseSense(sense); s == scsi.CheckCondition && err == nil && x.Key == scsi.KeyUnitAttention {
		return p.writes(t, at)
	}
	return s
}

const (
	first  = "secretsecret0001"
	second = "secretsecret0002"
)

// A user of the target can neither reinstate another's session nor join it, whatever name he says he has.
func TestSessionBelongsToWhoProvedIt(t *testing.T) {
	dir := t.TempDir()
	users := fmt.Sprintf(", auth: {users: [{user: alice, secret-file: %q}, {user: bob, secret-file: %q}]}", secretFile(t, dir, "1", first), secretFile(t, dir, "2", second))
	d := serve(t, small(users, ""))
	alice := who{name: prefix + "host", isid: pdu.ISID{0x80, 'a', 'b', 'c', 'd', 'e'}, user: "alice", secret: first}
	a := d.comes(alice)
	if a.reserve(t, 0, 0, "", "ALICEKEY", 0) != scsi.Good || a.reserve(t, 1, 3, "ALICEKEY", "", 0) != scsi.Good {
		t.Fatal("no reservation")
	}
	bob := alice
	bob.over, bob.addr, bob.target, bob.user, bob.secret, bob.from = "tcp", d.addr("tcp"), targetName, "bob", second, "127.0.0.9"
	for _, x := range []struct {
		how  string
		tsih uint16
	}{{"reinstatement", 0}, {"joining", a.tsih}} {
		bob.tsih, bob.cid = x.tsih, x.tsih&1
		b, err := bob.login()
		if err == nil {
			t.Cleanup(b.end)
			if b.ready(onFile) == nil { // a session of his own is right, if it has nothing of hers
				if s := b.writes(t, 0); s != scsi.ReservationConflict {
					t.Errorf("%s: bob's write under alice's reservation: %v", x.how, s)
				}
			}
		}
		if !a.lives() {
			t.Fatalf("%s: alice's session has ended", x.how)
		}
	}
	if s := a.writes(t, 0); s != scsi.Good {
		t.Errorf("alice's write: %v", s)
	}
	alice.over, alice.addr, alice.target = bob.over, bob.addr, bob.target
	again, err := alice.login() // she may, of course
	must(t, err)
	t.Cleanup(again.end)
	must(t, again.ready(onFile))
	if s := again.writes(t, 0); s != scsi.Good {
		t.Errorf("alice's write after she has reinstated her session: %v", s)
	}
}

// No secret with which the daemon proves itself is one that it would take for a proof.
func TestReflectionAcrossTargets(t *testing.T) {
	dir := t.TempDir()
	s1, s2 := secretFile(t, dir, "1", first), secretFile(t, dir, "2", second)
	text := fmt.Sprintf("units: [{name: a, store: {kind: memory, size: 1M}}, {name: b, store: {kind: memory, size: 1M}}]\n"+
		"targets:\n- {name: \"%[1]st1\", luns: {0: a}, auth: {users: [{user: admin, secret-file: %[2]q}]}}\n"+
		"- {name: \"%[1]st2\", luns: {0: b}, auth: {users: [{user: guest, secret-file: %[3]q}], mutual: {user: lunette, secret-file: %[2]q}}}\n"+
		"portals: [\"127.0.0.1:0\"]\n", prefix, s1, s2)
	args, err := document(dir, text)
	must(t, err)
	refused(t, dir, args, "secret")
}

// refused checks that both check and serve refuse what they are told, and say a word.
func refused(t *testing.T, dir string, args []string, word string) {
	t.Helper()
	for _, verb := range []string{"check", "serve"} {
		ctx, cancel := context.WithTimeout(context.Background(), hang)
		c := exec.CommandContext(ctx, program(t), append([]string{verb}, args...)...)
		if verb == "serve" {
			c.Args = append(c.Args, "--socket", filepath.Join(dir, "s"))
		}
		c.Dir = dir
		out, err := c.CombinedOutput()
		cancel()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), word) {
			t.Errorf("%s: %v, %s", verb, err, last(string(out), 500))
		}
	}
}

// A list that has become empty lets nobody in, or is an error: here it is an error.
func TestEmptyLists(t *testing.T) {
	for _, options := range []string{", auth: {users: []}", ", initiators: []", ", auth: {}", ", srp: {initiators: []}"} {
		t.Run(options[2:], func(t *testing.T) {
			dir := t.TempDir()
			args, err := document(dir, small(options, ""))
			must(t, err)
			refused(t, dir, args, "lunette.yaml:")
		})
	}
	t.Run("discovery", func(t *testing.T) {
		dir := t.TempDir()
		args, err := document(dir, small("", "discovery: {auth: {users: []}}\n"))
		must(t, err)
		refused(t, dir, args, "lunette.yaml:")
	})
}

// Guesses are slowed: who has the secret gets in beside them, and the log names the user who is tried.
func TestGuessing(t *testing.T) {
	dir := t.TempDir()
	d := serve(t, small(fmt.Sprintf(", auth: {users: [{user: alice, secret-file: %q}]}", secretFile(t, dir, "1", first)), ""))
	stop := make(chan struct{})
	done := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			w := who{over: "tcp", addr: d.addr("tcp"), from: elsewhere, name: prefix + "guest", target: targetName, user: "alice", secret: "guess-" + strconv.Itoa(1e6+n)}
			if _, err := w.login(); err == nil {
				t.Error("a guess was right")
			}
			n++
		}
	}()
	for i := range 5 {
		p := d.comes(who{name: prefix + "alice-" + strconv.Itoa(i), user: "alice", secret: first})
		if !p.lives() {
			t.Fatal("who has the secret is not served")
		}
	}
	close(stop)
	t.Logf("%d guesses meanwhile", <-done)
	d.eventually("the log names who was tried", func() bool {
		return strings.Contains(d.out.String(), "user=alice") || strings.Contains(d.out.String(), `user="alice"`)
	})
}

// What one initiator sets holds for itself: others read and write after its STOP and its SWP, and are still there
// after its resets of the target.
func TestNobodyStopsOthers(t *testing.T) {
	d := serve(t, small("", ""))
	good, evil := d.comes(who{name: prefix + "good"}), d.comes(who{name: prefix + "evil"})
	if _, _, _, err := evil.run(command{cdb: []byte{byte(scsi.OpStartStopUnit), 0, 0, 0, 0, 0}}, nil); err != nil {
		t.Fatal(err)
	}
	if s, _, sense, err := good.run(command{cdb: cdb10(scsi.OpRead10, 0, 1, 0), in: blockSize}, nil); err != nil || s != scsi.Good {
		t.Errorf("READ after STOP of another: %v % x, %v", s, sense, err)
	}
	if _, _, _, err := evil.run(command{cdb: []byte{byte(scsi.OpStartStopUnit), 0, 0, 0, 1, 0}}, nil); err != nil {
		t.Fatal(err)
	}
	_, page, _, err := evil.run(command{cdb: []byte{0x5a, 0, 0x0a, 0, 0, 0, 0, 0, 64, 0}, in: 64}, nil)
	must(t, err)
	list := append(make([]byte, 8), page[8+int(page[7]):][:12]...)
	list[8] &= 0x3f
	list[8+4] |= 8 // SWP
	s, _, sense, err := evil.run(command{cdb: []byte{byte(scsi.OpModeSelect10), 0x10, 0, 0, 0, 0, 0, 0, byte(len(list)), 0}}, list)
	t.Logf("SWP: %v % x, %v", s, sense, err)
	if s := good.writes(t, 0); s != scsi.Good {
		t.Errorf("WRITE after SWP of another: %v", s)
	}
	for _, f := range []pdu.TMFFunction{pdu.TMFTargetWarmReset, pdu.TMFTargetColdReset} {
		x, err := evil.managed(f, 0)
		t.Logf("%v: %v, %v", f, x, err)
		if err := good.ready(onFile); err != nil {
			t.Fatalf("after %v of another: %v", f, err)
		}
		if x == pdu.TMFComplete {
			break // with it goes the session that asks
		}
	}
}

// One initiator cannot take all places for registrations, neither one after the other nor under many ports.
func TestRegistrationsAreShared(t *testing.T) {
	d := serve(t, small("", ""))
	w := who{over: "tcp", addr: d.addr("tcp"), name: prefix + "evil", target: targetName}
	for i := range 1100 {
		w.isid = pdu.ISID{0x80, 'E', 0, 0, byte(i >> 8), byte(i)}
		p, err := w.login()
		must(t, err)
		must(t, p.ready(onFile))
		s := p.reserve(t, 6, 0, "", "EVILEVIL", 0)
		must(t, p.logout())
		p.end()
		if s != scsi.Good {
			t.Logf("%d registrations of one initiator, then %v", i, s)
			break
		}
	}
	for i := range 8 {
		good := d.comes(who{name: prefix + "good-" + strconv.Itoa(i)})
		if s := good.reserve(t, 0, 0, "", "GOODGOOD", 0); s != scsi.Good {
			t.Fatalf("REGISTER of initiator %d: %v", i, s)
		}
	}
}

// Reservations are kept over a restart if the initiator asked for that: who was fenced off stays so.
func TestReservationsAreKept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.img")
	must(t, os.WriteFile(path, make([]byte, 1<<20), 0o600))
	text := fmt.Sprintf("units: [{name: d, store: {kind: file, path: %q}}]\ntargets: [{name: %q, luns: {0: d}}]\nportals: [\"127.0.0.1:0\"]\n", path, targetName)
	a, b := who{name: prefix + "a", isid: pdu.ISID{0x80, 'A'}}, who{name: prefix + "b", isid: pdu.ISID{0x80, 'B'}}
	d := serveIn(t, dir, nil, text)
	p := d.comes(a)
	if s := p.reserve(t, 0, 0, "", "KEYAKEYA", 1); s != scsi.Good {
		t.Fatalf("REGISTER with APTPL: %v", s)
	}
	if s := p.reserve(t, 1, 1, "KEYAKEYA", "", 0); s != scsi.Good {
		t.Fatalf("RESERVE: %v", s)
	}
	q := d.comes(b)
	if s := q.writes(t, 0); s != scsi.ReservationConflict {
		t.Fatalf("before the restart: %v", s)
	}
	p.end()
	q.end()
	if status := d.stop(); status != 0 {
		t.Fatalf("status %d", status)
	}
	d = serveIn(t, dir, nil, text)
	if s := d.comes(b).writes(t, 0); s != scsi.ReservationConflict {
		t.Errorf("after the restart: %v", s)
	}
	if s := d.comes(a).writes(t, 0); s != scsi.Good {
		t.Errorf("the holder, after the restart: %v", s)
	}
}

// An initiator can be held to the user that its name belongs to.
func TestNamesBelongToUsers(t *testing.T) {
	dir := t.TempDir()
	options := fmt.Sprintf(", auth: {users: [{user: alice, secret-file: %q}, {user: bob, secret-file: %q}]}, initiators: [{name: %q, user: alice}, %q]",
		secretFile(t, dir, "1", first), secretFile(t, dir, "2", second), prefix+"alice", prefix+"any")
	d := serve(t, small(options, ""))
	for _, x := range []struct {
		name, user, secret string
		in                 bool
	}{{"alice", "alice", first, true}, {"alice", "bob", second, false}, {"any", "bob", second, true}, {"any", "alice", first, true}, {"other", "alice", first, false}} {
		w := who{over: "tcp", addr: d.addr("tcp"), name: prefix + x.name, target: targetName, user: x.user, secret: x.secret}
		p, err := w.login()
		var f *login.Failure
		if err != nil && !errors.As(err, &f) {
			t.Errorf("%s as %s: %v", x.name, x.user, err)
		}
		if (err == nil) != x.in {
			t.Errorf("%s as %s: %v", x.name, x.user, err)
		}
		if err == nil {
			p.end()
		}
	}
}

// discovery is not let in without CHAP where a target wants it, unless the document says otherwise.
func TestDiscoveryAsksForCHAP(t *testing.T) {
	dir := t.TempDir()
	d := serve(t, small(fmt.Sprintf(", auth: {users: [{user: alice, secret-file: %q}]}", secretFile(t, dir, "1", first)), ""))
	w := who{over: "tcp", addr: d.addr("tcp"), name: prefix + "stranger"}
	if p, err := w.login(); err == nil {
		p.end()
		t.Error("a stranger discovers the targets")
	}
	w.user, w.secret = "alice", first
	p, err := w.login()
	if err != nil {
		t.Fatalf("a user of a target: %v", err)
	}
	p.end()
}

// A challenge is not one that the other side can have answered by us: the same one back is refused.
func TestReflectionInOneTarget(t *testing.T) {
	dir := t.TempDir()
	d := serve(t, small(fmt.Sprintf(", auth: {users: [{user: alice, secret-file: %q}], mutual: {user: lunette, secret-file: %q}}",
		secretFile(t, dir, "1", first), secretFile(t, dir, "2", second)), ""))
	c, err := connect("", d.addr("tcp"))
	must(t, err)
	w := wireOf(c)
	defer w.Close()
	say := func(csg pdu.Stage, pairs ...login.Pair) map[string]string {
		t.Helper()
		var h pdu.BHS
		pdu.LoginRequest{CSG: csg, ISID: pdu.ISID{0x80, 9}, Transit: false}.Put(&h)
		must(t, w.Send(&h, nil, login.AppendPairs(nil, pairs)))
		r, err := w.Receive()
		must(t, err)
		all := map[string]string{}
		for _, p := range bytes.Split(r.Data, []byte{0}) {
			k, v, _ := strings.Cut(string(p), "=")
			all[k] = v
		}
		all["status"] = hex.EncodeToString(r.BHS[36:38])
		return all
	}
	say(0, login.Pair{Key: "InitiatorName", Value: prefix + "x"}, login.Pair{Key: "TargetName", Value: targetName}, login.Pair{Key: "AuthMethod", Value: "CHAP"})
	k := say(0, login.Pair{Key: "CHAP_A", Value: "7"})
	r := say(0, login.Pair{Key: "CHAP_N", Value: "alice"}, login.Pair{Key: "CHAP_R", Value: "0x" + strings.Repeat("00", 32)},
		login.Pair{Key: "CHAP_I", Value: k["CHAP_I"]}, login.Pair{Key: "CHAP_C", Value: k["CHAP_C"]})
	if r["CHAP_R"] != "" || r["status"] == "0000" {
		t.Errorf("an answer to the daemon's own challenge: %v", r)
	}
}
