package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/lunette-io/lunette/daemon"
	"github.com/lunette-io/lunette/initiator/sg/attached"
)

var update = flag.Bool("update", false, "write the pages about the command line anew")

func plainEnv(t *testing.T) *env {
	return &env{ctx: t.Context(), stdin: strings.NewReader(""), stdout: new(bytes.Buffer), stderr: new(bytes.Buffer), registry: daemon.Builtin(), attached: attached.Host{}}
}

// Each command has help, a whole sentence, and examples that are right.
func TestCommandsAreExplained(t *testing.T) {
	k, err := plainEnv(t).parser(func(int) { t.Error("it has ended") }, "somewhere")
	if err != nil {
		t.Fatal(err)
	}
	all := examples()
	eachCommand(k.Model.Node, func(path string, c *kong.Node) {
		if !strings.HasSuffix(c.Help, ".") || all[path] == "" {
			t.Errorf("lunette %s: no help, or no example", path)
		}
		for _, f := range c.Flags {
			if !f.Hidden && !strings.HasSuffix(strings.TrimSuffix(f.Help, ")"), ".") {
				t.Errorf("lunette %s --%s: no help", path, f.Name)
			}
		}
		for _, p := range c.Positional {
			if !strings.HasSuffix(p.Help, ".") {
				t.Errorf("lunette %s %s: no help", path, p.Name)
			}
		}
		for line := range strings.Lines(all[path]) {
			found := false
			for part := range strings.SplitSeq(strings.TrimSpace(line), " && ") {
				args := shellWords(part)
				for len(args) > 0 && strings.Contains(args[0], "=") {
					args = args[1:]
				}
				if len(args) == 0 || args[0] != "lunette" {
					t.Errorf("%s: it does not begin with lunette", part)
					continue
				}
				if args = args[1:]; args[0] == "help" {
					found = true
					continue
				}
				parsed, err := k.Parse(filesAsFlags(k.Model, args))
				if err != nil {
					t.Errorf("%s: %v", part, err)
					continue
				}
				found = found || strings.HasPrefix(parsed.Command(), path)
			}
			if !found {
				t.Errorf("%q is no example of lunette %s", line, path)
			}
		}
		delete(all, path)
	})
	for path := range all {
		t.Errorf("there are examples of lunette %s, which there is not", path)
	}
}

// shellWords are the words of a line up to a redirection.
func shellWords(line string) []string {
	var all []string
	var word strings.Builder
	quote, some := rune(0), false
	for _, r := range line + " " {
		switch {
		case quote == 0 && (r == '"' || r == '\''):
			quote, some = r, true
		case r == quote:
			quote = 0
		case r == ' ' && quote == 0:
			if some || word.Len() > 0 {
				all = append(all, word.String())
			}
			word.Reset()
			some = false
		default:
			word.WriteRune(r)
		}
	}
	for i, w := range all {
		if w == ">" || w == "<" {
			return all[:i]
		}
	}
	return all
}

// The manual pages and the reference of the command line are those of the commands that there are.
func TestManualIsCurrent(t *testing.T) {
	all, err := plainEnv(t).manuals()
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string][]byte{}
	var b bytes.Buffer
	if err := writeReference(&b, all); err != nil {
		t.Fatal(err)
	}
	pages[filepath.Join("reference", "cli.md")] = b.Bytes()
	for _, m := range all {
		var b bytes.Buffer
		if err := m.roff(&b, all); err != nil {
			t.Fatal(err)
		}
		pages[filepath.Join("man", m.file()+".1")] = b.Bytes()
	}
	docs := filepath.Join("..", "..", "docs")
	if *update {
		if err := os.MkdirAll(filepath.Join(docs, "man"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, page := range pages {
		path := filepath.Join(docs, name)
		if *update {
			if err := os.WriteFile(path, page, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, page) {
			t.Errorf("%s is not current (%v): go test ./cmd/lunette -run Manual -update", path, err)
		}
	}
	there, err := filepath.Glob(filepath.Join(docs, "man", "*"))
	if err != nil || len(there) != len(pages)-1 {
		t.Errorf("%d manual pages are there, %d are made: remove those that are not (%v)", len(there), len(pages)-1, err)
	}
}

func TestManCommand(t *testing.T) {
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"man", dir}, &out, &errs); status != exitOK {
		t.Fatalf("status %d, %s", status, &errs)
	}
	text, err := os.ReadFile(filepath.Join(dir, "lunette-unit.1"))
	if err != nil || !bytes.Contains(text, []byte(".SH UNIT RESIZE\n")) {
		t.Errorf("%v, %s", err, text)
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		return
	}
	pages, _ := filepath.Glob(filepath.Join(dir, "*.1"))
	for _, page := range pages {
		if said, err := exec.Command(groff, "-man", "-ww", "-z", "-Tutf8", page).CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%s: %v, %s", page, err, said)
		}
	}
}

func TestExitStatusesAreDocumented(t *testing.T) {
	var all []string
	for _, x := range exitStatuses() {
		all = append(all, fmt.Sprint(x.status))
	}
	if got := strings.Join(all, " "); got != "0 1 2 3 4" {
		t.Errorf("they are %s", got)
	}
}
