package auth

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/transport/iscsi/login"
	"pgregory.net/rapid"
)

func secret(t testing.TB, s string) Secret {
	t.Helper()
	x, err := NewSecret([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// The expected hashes were computed with Python's hashlib.
func TestResponseVectors(t *testing.T) {
	challenge := make([]byte, 16)
	for i := range challenge {
		challenge[i] = byte(i)
	}
	s := secret(t, "twelve bytes plus")
	for a, want := range map[Algorithm]string{
		MD5:      "c396135528d3f0a8504a3daaedcdeb31",
		SHA1:     "5dc2a9ad3df65ad2c036a5d1f934e327c805c762",
		SHA256:   "705d1572708a62f5315af6b18bbffff5653797352a859aa19272801d66bd2b43",
		SHA3_256: "ac6ca1d607023430a0759219d8e1973f0c78a407faa118a0da51de1d92c8cecf",
	} {
		got := a.Response(0x17, s, challenge)
		if hex.EncodeToString(got) != want {
			t.Errorf("%v: %x, want %s", a, got, want)
		}
		if len(got) != a.Size() {
			t.Errorf("%v: %d bytes", a, len(got))
		}
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		list    string
		allowed []Algorithm
		want    Algorithm
	}{
		{"5", All(), MD5},
		{"8,7,6,5", All(), SHA3_256},
		{"5,7", All(), MD5},
		{"5,7", []Algorithm{SHA256, SHA3_256}, SHA256},
		{"99,x,,0x7", All(), SHA256},
		{"5", []Algorithm{SHA256}, 0},
		{"", All(), 0},
		{"263", All(), 0},
		{"18446744073709551623", All(), 0},
	} {
		got, err := choose(c.list, c.allowed)
		if got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("%q of %v: %v, %v", c.list, c.allowed, got, err)
		}
	}
}

func pairs(kv ...string) []login.Pair {
	var out []login.Pair
	for i := 0; i < len(kv); i += 2 {
		out = append(out, login.Pair{Key: kv[i], Value: kv[i+1]})
	}
	return out
}

func value(ps []login.Pair, key string) string {
	for _, p := range ps {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

func newCHAP(t testing.TB, algorithms ...Algorithm) *CHAP {
	t.Helper()
	c, err := NewCHAP(Config{
		Accounts:   []Account{{"alice", secret(t, "alice's own secret")}, {"bob", secret(t, "bob's own secret")}},
		Target:     &Account{"disk", secret(t, "the target's secret")},
		Algorithms: algorithms,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBothSides(t *testing.T) {
	chap := newCHAP(t)
	target := &Account{"disk", secret(t, "the target's secret")}
	for _, a := range All() {
		for _, mutual := range []*Account{nil, target} {
			t.Run(fmt.Sprintf("%v mutual %v", a, mutual != nil), func(t *testing.T) {
				r := chap.Begin()
				i := NewInitiator(Account{"bob", secret(t, "bob's own secret")}, mutual, a)
				var in []login.Pair
				for step := 1; ; step++ {
					out, done, err := i.Next(in)
					if err != nil {
						t.Fatalf("initiator, step %d: %v", step, err)
					}
					if step == 3 {
						break
					}
					if done != (step == 2) {
						t.Fatalf("initiator, step %d: done %v", step, done)
					}
					in, done, err = r.Next(out)
					if err != nil {
						t.Fatalf("target, step %d: %v", step, err)
					}
					if done != (step == 2) || (r.User() == "bob") != done {
						t.Fatalf("target, step %d: done %v, user %q", step, done, r.User())
					}
				}
				if r.algorithm != a || len(r.challenge) < 16 || len(r.challenge) < a.Size() && a != SHA1 {
					t.Errorf("algorithm %v, challenge of %d bytes", r.algorithm, len(r.challenge))
				}
				if (len(in) == 2) != (mutual != nil) {
					t.Errorf("last answer %v", in)
				}
			})
		}
	}
}

func TestChallengesDiffer(t *testing.T) {
	chap := newCHAP(t)
	seen := map[string]bool{}
	for range 20 {
		out, _, err := chap.Begin().Next(pairs("CHAP_A", "8"))
		if err != nil {
			t.Fatal(err)
		}
		c := value(out, "CHAP_C")
		if len(c) != 2+64 || seen[c] {
			t.Fatalf("challenge %s", c)
		}
		seen[c] = true
	}
}

// begun is a run that has sent its challenge, and the right response of alice.
func begun(t testing.TB, c *CHAP) (*Run, []byte) {
	t.Helper()
	r := c.Begin()
	if _, _, err := r.Next(pairs("CHAP_A", "7")); err != nil {
		t.Fatal(err)
	}
	return r, SHA256.Response(r.id, secret(t, "alice's own secret"), r.challenge)
}

func TestFormsOfResponse(t *testing.T) {
	for _, form := range []func([]byte) string{
		login.FormatBinary,
		func(b []byte) string { return "0X" + strings.ToUpper(hex.EncodeToString(b)) },
		func(b []byte) string { return "0b" + base64.StdEncoding.EncodeToString(b) },
	} {
		r, resp := begun(t, newCHAP(t))
		if _, done, err := r.Next(pairs("CHAP_N", "alice", "CHAP_R", form(resp))); !done || err != nil {
			t.Errorf("%s: %v, %v", form(resp), done, err)
		}
	}
}

func TestRefused(t *testing.T) {
	noMutual, err := NewCHAP(Config{Accounts: []Account{{"alice", secret(t, "alice's own secret")}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		chap *CHAP
		keys func(r *Run, resp string) []login.Pair
		want string
	}{
		{"wrong response", nil, func(_ *Run, resp string) []login.Pair {
			last := byte('0')
			if resp[len(resp)-1] == '0' {
				last = '1'
			}
			return pairs("CHAP_N", "alice", "CHAP_R", resp[:len(resp)-1]+string(last))
		}, "the response is wrong"},
		{"unknown user", nil, func(_ *Run, resp string) []login.Pair { return pairs("CHAP_N", "mallory", "CHAP_R", resp) }, "no such user"},
		{"another's secret", nil, func(_ *Run, resp string) []login.Pair { return pairs("CHAP_N", "bob", "CHAP_R", resp) }, "the response is wrong"},
		{"short response", nil, func(_ *Run, resp string) []login.Pair { return pairs("CHAP_N", "alice", "CHAP_R", resp[:10]) }, "the response is wrong"},
		{"long response", nil, func(_ *Run, resp string) []login.Pair { return pairs("CHAP_N", "alice", "CHAP_R", resp+"00") }, "the response is wrong"},
		{"huge response", nil, func(*Run, string) []login.Pair {
			return pairs("CHAP_N", "alice", "CHAP_R", "0x"+strings.Repeat("a", 4000))
		}, "2000 bytes"},
		{"no response", nil, func(*Run, string) []login.Pair { return pairs("CHAP_N", "alice") }, "second step"},
		{"no name", nil, func(_ *Run, resp string) []login.Pair { return pairs("CHAP_R", resp) }, "second step"},
		{"identifier alone", nil, func(_ *Run, resp string) []login.Pair {
			return pairs("CHAP_N", "alice", "CHAP_R", resp, "CHAP_I", "1")
		}, "second step"},
		{"algorithm again", nil, func(_ *Run, resp string) []login.Pair {
			return pairs("CHAP_A", "5", "CHAP_N", "alice", "CHAP_R", resp)
		}, "second step"},
		{"twice", nil, func(_ *Run, resp string) []login.Pair {
			return pairs("CHAP_N", "alice", "CHAP_R", resp, "CHAP_R", resp)
		}, "twice"},
		// The first digit is put twice, since one response in 256 begins with 0b.
		{"no base", nil, func(_ *Run, resp string) []login.Pair {
			return pairs("CHAP_N", "alice", "CHAP_R", resp[2:3]+resp[2:])
		}, "neither 0x nor 0b"},
		{"reflection", nil, func(r *Run, resp string) []login.Pair {
			return pairs("CHAP_N", "alice", "CHAP_R", resp, "CHAP_I", "9", "CHAP_C", login.FormatBinary(r.challenge))
		}, "reflects"},
		{"reflection in base64", nil, func(r *Run, resp string) []login.Pair {
			return pairs("CHAP_N", "alice", "CHAP_R", resp, "CHAP_I", "9", "CHAP_C", "0b"+base64.StdEncoding.EncodeToString(r.challenge))
		}, "reflects"},
		{"identifier too large", nil, func(_ *Run, resp string) []login.Pair {
			return pairs("CHAP_N", "alice", "CHAP_R", resp, "CHAP_I", "256", "CHAP_C", "0x1234")
		}, "0 to 255"},
		{"no mutual", noMutual, func(_ *Run, resp string) []login.Pair {
			return pairs("CHAP_N", "alice", "CHAP_R", resp, "CHAP_I", "9", "CHAP_C", "0x1234")
		}, "no secret is configured"},
	} {
		t.Run(c.name, func(t *testing.T) {
			chap := c.chap
			if chap == nil {
				chap = newCHAP(t)
			}
			r, resp := begun(t, chap)
			_, done, err := r.Next(c.keys(r, login.FormatBinary(resp)))
			if done || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("done %v, %v", done, err)
			}
			if r.User() != "" {
				t.Errorf("user %q", r.User())
			}
			if want := value(c.keys(r, login.FormatBinary(resp)), "CHAP_N"); c.want != "second step" && c.want != "twice" && r.Claims() != want {
				t.Errorf("the initiator claims to be %q, says %q", want, r.Claims())
			}
			// The right response after a wrong one must not help.
			if _, done, err := r.Next(pairs("CHAP_N", "alice", "CHAP_R", login.FormatBinary(resp))); done || err == nil {
				t.Error("a second try succeeds")
			}
		})
	}
	r := newCHAP(t, SHA256).Begin()
	if _, _, err := r.Next(pairs("CHAP_A", "5,6")); err == nil || !strings.Contains(err.Error(), "allowed: 7") {
		t.Errorf("forbidden algorithms: %v", err)
	}
	if _, _, err := newCHAP(t).Begin().Next(pairs("CHAP_N", "alice", "CHAP_R", "0x00")); err == nil {
		t.Error("a response before the challenge")
	}
}

func TestTargetMustProveItself(t *testing.T) {
	chap := newCHAP(t)
	for _, target := range []*Account{{"disk", secret(t, "another secret of it")}, {"tape", secret(t, "the target's secret")}} {
		r := chap.Begin()
		i := NewInitiator(Account{"bob", secret(t, "bob's own secret")}, target)
		a, _, _ := i.Next(nil)
		b, _, _ := r.Next(a)
		c, _, _ := i.Next(b)
		d, done, err := r.Next(c)
		if !done || err != nil {
			t.Fatal(err)
		}
		if _, _, err := i.Next(d); err == nil {
			t.Errorf("%v accepted as %q", d, target.User)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	alice := Account{"alice", secret(t, "alice's own secret")}
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"nobody", Config{}, "without a user"},
		{"no secret", Config{Accounts: []Account{{User: "alice"}}}, "no secret"},
		{"no name", Config{Accounts: []Account{{Secret: alice.Secret}}}, "0 bytes"},
		{"control character", Config{Accounts: []Account{{"a\x1b[2J", alice.Secret}}}, "cannot be printed"},
		{"twice", Config{Accounts: []Account{alice, alice}}, "twice"},
		{"same secret", Config{Accounts: []Account{alice, {"bob", secret(t, "alice's own secret")}}}, `"alice" and "bob" have the same secret`},
		{"same both ways", Config{Accounts: []Account{alice}, Target: &Account{"disk", secret(t, "alice's own secret")}}, "must differ"},
		{"bad target", Config{Accounts: []Account{alice}, Target: &Account{}}, "mutual CHAP"},
		{"algorithm", Config{Accounts: []Account{alice}, Algorithms: []Algorithm{9}}, "algorithm 9"},
	} {
		if _, err := NewCHAP(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestSecretDoesNotShow(t *testing.T) {
	const text = "do not show this"
	a := Account{"alice", secret(t, text)}
	chap, err := NewCHAP(Config{Accounts: []Account{a}})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", a.Secret, "account", a, "chap", chap)
	j, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	shown := log.String() + string(j)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown += fmt.Sprintf(verb+verb+verb, a, &a, chap)
		shown += fmt.Sprintf(verb, struct{ a Account }{a})
	}
	for _, form := range []string{text, hex.EncodeToString([]byte(text)), fmt.Sprint([]byte(text))} {
		if strings.Contains(shown, form) {
			t.Errorf("the secret shows as %s", form)
		}
	}
}

func TestLoadSecret(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good", "alice's own secret\r\n\n", 0o600)
	s, err := LoadSecret(good)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Equal(secret(t, "alice's own secret")) {
		t.Error("another secret")
	}
	if _, err := NewCHAP(Config{Accounts: []Account{{User: "a\nb", Secret: s}}}); err == nil || !strings.Contains(err.Error(), "cannot be printed") {
		t.Errorf("a user of two lines: %v", err)
	}
	for _, c := range []struct{ in, want string }{
		{filepath.Join(dir, "none"), "no such file"},
		{dir, "not a regular file"},
		{write("open", "alice's own secret\n", 0o640), "mode 0640"},
		{write("world", "alice's own secret\n", 0o604), "chmod 600"},
		{write("short", "eleven chrs\n", 0o600), "11 bytes"},
		{write("empty", "", 0o400), "0 bytes"},
		{write("long", strings.Repeat("x", 256), 0o600), "256 bytes"},
		{write("huge", strings.Repeat("x", 5000), 0o600), "larger than"},
		{write("lines", "alice's own secret\nmore\n", 0o600), "more than one line"},
		{write("blanks", "                \n", 0o600), "blanks alone"},
		{write("tabs", "\t\t\t\t\t\t\t\t\t\t\t\t\t\n", 0o600), "blanks alone"},
		{write("before", " alice's own secret\n", 0o600), "begins with a blank"},
		{write("after", "alice's own secret \r\n", 0o600), "ends in a blank"},
		{write("wide", "alice's own secret\u3000\n", 0o600), "ends in a blank"},
		{write("bom", "\ufeffalice's own secret\n", 0o600), "byte order mark"},
		{write("utf-16", "\xff\xfea\x00l\x00i\x00c\x00e\x00 \x00o\x00w\x00n\x00", 0o600), "byte order mark"},
	} {
		_, err := LoadSecret(c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.in, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "own secret") {
			t.Errorf("the error %v shows the secret", err)
		}
	}
}

func TestNobodyGetsInWithoutTheSecret(t *testing.T) {
	chap := newCHAP(t)
	word := rapid.OneOf(rapid.SampledFrom([]string{"alice", "bob", "5", "7,8", "0x00", "0b", "0", "256", "disk"}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		r := chap.Begin()
		for range rapid.IntRange(1, 5).Draw(t, "steps") {
			var in []login.Pair
			for _, k := range rapid.SliceOfN(rapid.SampledFrom([]string{"CHAP_A", "CHAP_I", "CHAP_C", "CHAP_N", "CHAP_R"}), 0, 5).Draw(t, "keys") {
				in = append(in, login.Pair{Key: k, Value: word.Draw(t, k)})
			}
			if out, done, err := r.Next(in); done || err != nil && out != nil {
				t.Fatalf("%v: done %v, %v, %v", in, done, out, err)
			}
		}
	})
}

// The line of the guide makes a secret that is taken, and that other programs read alike.
func TestSecretOfTheGuide(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/guide/security.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^ *(\(umask .*> me\.secret\))$`).FindSubmatch(guide)
	if line == nil {
		t.Fatal("the guide does not say how to make a secret")
	}
	dir := t.TempDir()
	c := exec.Command("sh", "-c", string(line[1]))
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "me.secret"))
	if err != nil || len(b) != 16 || strings.TrimSpace(string(b)) != string(b) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if s, err := LoadSecret(filepath.Join(dir, "me.secret")); err != nil || string(s.bytes()) != string(b) {
		t.Error(err)
	}
}

// A secret of a file is one that can be typed in: none begins or ends with what nobody sees.
func FuzzParseSecret(f *testing.F) {
	for _, s := range []string{"alice's own secret\r\n", "            \n", "\ufeffalice's own secret", " alice's own secret", "\n\n", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSecret(b)
		if err != nil {
			return
		}
		got := s.bytes()
		if len(got) < MinSecretLen || strings.TrimSpace(string(got)) != string(got) || strings.HasPrefix(string(got), "\ufeff") || strings.Contains(string(got), "\n") {
			t.Errorf("%q makes the secret %q", b, got)
		}
	})
}

func FuzzRun(f *testing.F) {
	f.Add([]byte("CHAP_A=5,7\x00"), []byte("CHAP_N=alice\x00CHAP_R=0x1234\x00CHAP_I=3\x00CHAP_C=0babcd\x00"))
	chap := newCHAP(f)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		r := chap.Begin()
		for _, text := range [][]byte{a, b} {
			ps, err := login.ParseText(text)
			if err != nil {
				return
			}
			if _, done, _ := r.Next(slices.Clip(ps)); done {
				t.Fatalf("%q and %q get in", a, b)
			}
		}
	})
}
