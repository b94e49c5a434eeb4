package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/state"
)

// words are the first columns of what completes a command line.
func words(t *testing.T, f *fakeDaemon, line string) string {
	t.Helper()
	status, out, errs := f.asks(t, false, "", append([]string{"complete", "--"}, strings.Split(line, " ")...)...)
	if status != exitOK || errs != "" {
		t.Errorf("%q: status %d, %s", line, status, errs)
	}
	var all []string
	for l := range strings.Lines(out) {
		word, _, _ := strings.Cut(strings.TrimSuffix(l, "\n"), "\t")
		all = append(all, word)
	}
	return strings.Join(all, " ")
}

func TestComplete(t *testing.T) {
	f := &fakeDaemon{
		objects: map[model.Key]string{
			key("unit", "db"): `{}`, key("unit", "old"): `{}`, key("target", "iqn.2026-11.io.lunette:a"): `{}`, key("user", "me"): `{}`,
		},
		history:  []state.Meta{{Generation: 7}, {Generation: 6}},
		sessions: []api.Session{{Transport: "iscsi", ID: "1"}, {Transport: "srp", ID: "9"}, {Transport: "iscsi", ID: "2"}},
	}
	for line, want := range map[string]string{
		"app":                         "apply",
		"unit ":                       "create set resize delete load eject discs list show",
		"unit re":                     "resize",
		"unit resize ":                "db old",
		"unit resize d":               "db",
		"unit resize db ":             "",
		"unit resize db 1G ":          "",
		"unit set --socket /x o":      "old",
		"unit show db -o ":            "table json yaml",
		"unit show --output=j":        "--output=json",
		"unit show --out":             "--output",
		"get ":                        "user unit target access portal section",
		"get target ":                 "iqn.2026-11.io.lunette:a",
		"get things ":                 "",
		"apply -f ":                   ":file",
		"apply --file=":               ":file",
		"serve a b ":                  ":file",
		"serve --state ":              ":dir",
		"serve --engine ":             "auto goroutines reactors",
		"access create t/a --user ":   "me",
		"target maintenance x ":       "on off redirect",
		"rollback ":                   "7 6",
		"session disconnect ":         "iscsi srp",
		"session disconnect iscsi 1 ": "1 2",
		"reservation show ":           "db",
		"help uni":                    "unit units",
		"help unit re":                "resize",
		"nothing of this ":            "",
		"completion -- ":              "bash zsh fish",
	} {
		if got := words(t, f, line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if strings.Contains(words(t, f, ""), "complete ") {
		t.Error("a hidden command is shown")
	}
}

// Without a daemon there is nothing to say, and it is not said.
func TestCompleteWithoutADaemon(t *testing.T) {
	var out, errs strings.Builder
	status := run(t.Context(), []string{"complete", "--", "unit", "show", "--socket", filepath.Join(t.TempDir(), "s"), ""}, &out, &errs)
	if status != exitOK || out.String()+errs.String() != "" {
		t.Errorf("status %d, %q, %q", status, out.String(), errs.String())
	}
}

// The script of bash finds names with colons, which end words there.
func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("not tested here: there is no bash")
	}
	dir := t.TempDir()
	stub := "#!/bin/sh\n[ \"$4\" = set ] && printf 'iqn.2026-11.io.lunette:a\\tone\\niqn.2026-11.io.lunette:b\\n'\n[ \"$4\" = create ] && echo :file\nexit 0\n"
	if err := os.WriteFile(filepath.Join(dir, "lunette"), []byte(stub), 0o700); err != nil {
		t.Fatal(err)
	}
	script := bashCompletion + `
compopt() { echo "compopt $*"; }
ask() { COMP_LINE=$1 COMP_POINT=${#1}; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lunette; echo "${COMPREPLY[*]}"; }
ask "lunette target set iqn" lunette target set iqn
ask "lunette target set iqn.2026-11.io.lunette:" lunette target set iqn.2026-11.io.lunette :
ask "lunette target set iqn.2026-11.io.lunette:b" lunette target set iqn.2026-11.io.lunette : b
ask "lunette target set " lunette target set ""
ask "lunette target create " lunette target create ""
`
	cmd := exec.Command(bash, "-c", script)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	const all = "iqn.2026-11.io.lunette:a iqn.2026-11.io.lunette:b\n"
	if want := all + "a b\n" + "a b\n" + all + "compopt -o default\n\n"; err != nil || string(out) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
}

// The other scripts are right in the eyes of their shells, where these are installed.
func TestCompletionScriptsParse(t *testing.T) {
	for shell, script := range map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion} {
		at, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		path := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(at, "-n", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v, %s", shell, err, out)
		}
	}
}
