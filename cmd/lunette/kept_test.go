package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lunette-io/lunette/daemon"
)

// What is kept names files so that the next start finds them, wherever it is started.
func TestKeptPathsAreAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"disk.img": strings.Repeat("x", 512), "secret": "correct horse battery"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for state, where := range map[string]string{"": "", "kept": here + "/"} {
		c := &serveCmd{File: unitArgs{{flag: "file", value: "disk.img"}}, Chap: []string{"me:secret"}, State: state, Format: "auto", Engine: "auto", BusyPoll: "auto"}
		d, err := c.document(daemon.Builtin().Schema(), daemon.Builtin().Stores)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Units[0].Store.Values.String("path"); got != where+"disk.img" {
			t.Errorf("with --state %q the path is %s", state, got)
		}
		if got := d.Targets[0].Values.Group("auth").Groups("users")[0].String("secret-file"); got != where+"secret" {
			t.Errorf("with --state %q the secret is in %s", state, got)
		}
	}
}

// A document that can be read once is not read again: a pipe to which nobody writes would hold up the daemon.
func TestPipesAreNotReloaded(t *testing.T) {
	dir := t.TempDir()
	fifo, file := filepath.Join(dir, "fifo"), filepath.Join(dir, "file")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for config, want := range map[string]string{"": "", "-": "", fifo: "", file: file} {
		if got := (&serveCmd{Config: config}).file(); got != want {
			t.Errorf("of --config %q it is %q", config, got)
		}
	}
}
