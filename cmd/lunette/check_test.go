package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// check runs check, with text on standard input.
func check(t *testing.T, text string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	if err := os.WriteFile("stdin", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("stdin")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	was := os.Stdin
	os.Stdin = f
	defer func() { os.Stdin = was }()
	var out, errs bytes.Buffer
	status = run(t.Context(), append([]string{"check"}, args...), &out, &errs)
	return status, out.String(), errs.String()
}

func TestCheckTakesDocuments(t *testing.T) {
	sandbox(t)
	good, err := os.ReadFile("good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"good.yaml"}, {"--config", "good.yaml"}, {"--config=good.yaml"}, {"-"}, {"--elsewhere", "good.yaml"}} {
		status, stdout, stderr := check(t, string(good), args...)
		if status != exitOK || !strings.HasSuffix(stdout, " is right: 1 target, 1 unit, 1 portal\n") || stderr != "" {
			t.Errorf("%v: %d, %q, %q", args, status, stdout, stderr)
		}
	}
	there := strings.Replace(string(good), "{kind: memory, size: 1M}", "{kind: file, path: gone.img}", 1)
	if status, _, stderr := check(t, there, "-"); status != exitUsage || stderr != "lunette: standard input:3:20: units[0].store: gone.img: it does not exist, and no size is given to make it\n" {
		t.Errorf("a file that is not there: %d, %q", status, stderr)
	}
	if status, stdout, stderr := check(t, there, "-", "--elsewhere"); status != exitOK || stderr != "" {
		t.Errorf("a file that is somewhere else: %d, %q, %q", status, stdout, stderr)
	}
	noted := strings.Replace(string(good), "luns: {0: a}", `luns: {0: a}, srp: {initiators: ["192.0.2.7"]}`, 1)
	if status, stdout, _ := check(t, noted, "-"); status != exitOK || !strings.Contains(stdout, "\nnote: standard input:5:") || !strings.Contains(stdout, "this has no effect, since no portal shows the target by SRP") {
		t.Errorf("a note: %d, %q", status, stdout)
	}
}

// There is an end to what is told.
func TestCheckIsBounded(t *testing.T) {
	sandbox(t)
	var b strings.Builder
	b.WriteString("version: 1\nunits:\n")
	for i := range 300 {
		fmt.Fprintf(&b, "- {name: u%d, store: {kind: memory, size: 1X}}\n", i)
	}
	b.WriteString("targets: [{name: \"iqn.2026-11.io.lunette:a\", luns: {0: u0, 1: nobody}}]\n")
	status, _, stderr := check(t, b.String(), "-")
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if status != exitUsage || len(lines) != mostProblems+1 || !strings.HasPrefix(lines[mostProblems], "lunette: and ") || len(stderr) > 32<<10 {
		t.Errorf("status %d, %d lines, %d bytes, the last %q", status, len(lines), len(stderr), lines[len(lines)-1])
	}
}

func TestCheckInJSON(t *testing.T) {
	sandbox(t)
	for _, test := range []struct {
		args   string
		status int
		want   checked
	}{
		{"good.yaml", exitOK, checked{Document: "good.yaml", Right: true, Targets: 1, Units: 1, Portals: 1}},
		{"invalid.yaml", exitUsage, checked{Document: "invalid.yaml", Problems: []finding{{3, 11, "targets[0]", `the target has no name: add "name: iqn.2026-11.io.lunette:NAME"`}, {3, 22, "targets[0].luns.0", `there is no unit "a": there is none`}}}},
		{"none.yaml", exitUsage, checked{Document: "none.yaml", Problems: []finding{{Message: "open none.yaml: no such file or directory"}}}},
	} {
		status, stdout, stderr := check(t, "", test.args, "-o", "json")
		var got checked
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || status != test.status || stderr != "" {
			t.Errorf("%s: %d, %v, %q, %q", test.args, status, err, stdout, stderr)
		}
		if test.want.Problems == nil {
			test.want.Problems = []finding{}
		}
		test.want.Notes = []finding{}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", test.args, got, test.want)
		}
	}
}

// What a document says without effect is told in the log; the daemon serves.
func TestNotesAreInTheLog(t *testing.T) {
	sandbox(t)
	good, err := os.ReadFile("good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const srp = `srp: {initiators: ["192.0.2.7"]}`
	for _, test := range []struct{ target, portal, want string }{
		{srp, "127.0.0.1:0", "targets[0].srp.initiators: this has no effect, since no portal shows the target by SRP"},
		{srp + `, initiators: ["iqn.2026-11.t:a"]`, "srp+iwarp://127.0.0.1:0", "targets[0].initiators: this has no effect, since no portal shows the target by iSCSI"},
		{srp + ", auth: {users: [{user: me, secret-file: secret}]}", "srp+iwarp://127.0.0.1:0", "targets[0].auth.users: this has no effect"},
		{`initiators: ["iqn.2026-11.t:a"]`, "127.0.0.1:0", ""},
		{`initiators: [idefix]`, "iser+iwarp://127.0.0.1:0", "does not begin with iqn., eui. or naa."},
	} {
		text := strings.NewReplacer("luns: {0: a}", "luns: {0: a}, "+test.target, "127.0.0.1:0", test.portal).Replace(string(good))
		if err := os.WriteFile("doc.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := serve(t, "--config", "doc.yaml")
		s.end(t) // all of the log is there then
		log := s.stderr.String()
		if got := strings.Contains(log, "this has no effect") || strings.Contains(log, "does not begin"); got != (test.want != "") || !strings.Contains(log, test.want) {
			t.Errorf("%s: the log is %s", test.target, log)
		}
	}
}
