package daemon

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/store/file"
	"github.com/lunette-io/lunette/store/record"
)

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *lines) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// unitsOf is a document of units; each is what stands between its braces behind its name.
func unitsOf(t *testing.T, units ...string) (*model.Document, error) {
	t.Helper()
	text, luns := "version: 1\nunits:\n", ""
	for i, u := range units {
		text += fmt.Sprintf("- {name: u%d, %s}\n", i, u)
		luns += fmt.Sprintf("%d: u%d, ", i, i)
	}
	text += "targets: [{name: \"iqn.2026-11.io.lunette:t\", luns: {" + strings.TrimSuffix(luns, ", ") + "}}]\nportals: [\"127.0.0.1:0\"]\n"
	return model.Read("x.yaml", []byte(text), Builtin().Schema())
}

// startUnits serves units, with a log.
func startUnits(t *testing.T, units ...string) (*Daemon, *lines, error) {
	t.Helper()
	doc, err := unitsOf(t, units...)
	if err != nil {
		t.Fatal(err)
	}
	log := new(lines)
	opts := quiet(t)
	opts.Log = slog.New(slog.NewTextHandler(log, nil))
	d, err := Start(t.Context(), doc, Builtin(), opts)
	return d, log, err
}

func stopped(t *testing.T, d *Daemon) {
	t.Helper()
	if err := d.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

const onFile = "store: {kind: file, path: %s, size: 1M}"

// A disk keeps its name when it moves, and what is made in its place has another and says so.
func TestIdentityGoesWithTheData(t *testing.T) {
	t.Chdir(t.TempDir())
	d, log, err := startUnits(t, fmt.Sprintf(onFile, "a.img"))
	if err != nil {
		t.Fatal(err)
	}
	first := naa(d, 0)
	var out bytes.Buffer
	if err := d.Announce(&out); err != nil || !strings.Contains(out.String(), "on file a.img, which was made and is empty") || !strings.Contains(log.String(), "a.img was made") {
		t.Errorf("%v:\n%s%s", err, &out, log)
	}
	stopped(t, d)
	if err := os.Rename("a.img", "b.img"); err != nil {
		t.Fatal(err)
	}
	_ = os.Rename("a.img"+record.Suffix, "b.img"+record.Suffix) // where there are no attributes
	d, log, err = startUnits(t, fmt.Sprintf(onFile, "b.img"), fmt.Sprintf(onFile, "a.img"))
	if err != nil {
		t.Fatal(err)
	}
	if naa(d, 0) != first || naa(d, 1) == first || strings.Contains(log.String(), "b.img was made") || !strings.Contains(log.String(), "a.img was made") {
		t.Errorf("%v, then %v and %v: %s", first, naa(d, 0), naa(d, 1), log)
	}
	stopped(t, d)
}

// Two units with one name are refused, however they came by it; and so is one that comes later.
func TestOneNameForTwo(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"serial: S1", "naa: 6000000000000000000000000000000a"} {
		one := "store: {kind: memory, size: 1M}, device: {kind: disk, " + name + "}"
		if _, err := unitsOf(t, one, one); err == nil || !strings.Contains(err.Error(), `of unit "u0" already`) {
			t.Errorf("%s twice: %v", name, err)
		}
	}
	one := "store: {kind: memory, size: 1M}, device: {kind: disk, naa: \"%s\"}"
	if _, err := unitsOf(t, fmt.Sprintf(one, "naa.6000000000000000000000000000000a"), fmt.Sprintf(one, "6000000000000000000000000000000A")); err == nil {
		t.Error("one NAA name, written in two ways")
	}

	d, _, err := startUnits(t, fmt.Sprintf(onFile, "a.img"))
	if err != nil {
		t.Fatal(err)
	}
	stopped(t, d)
	copyWithIdentity(t, "a.img", "b.img")
	for _, order := range [][2]string{{"a.img", "b.img"}, {"b.img", "a.img"}} {
		_, log, err := startUnits(t, fmt.Sprintf(onFile, order[0]), fmt.Sprintf(onFile, order[1]))
		if err == nil || !strings.Contains(err.Error(), "NAA name") || !strings.Contains(err.Error(), "u0") || !strings.Contains(err.Error(), "serial") || !strings.Contains(err.Error(), order[1]) {
			t.Errorf("a copy with the name of the first: %v", err)
		}
		if log.String() != "" {
			t.Errorf("a start that failed says:\n%s", log)
		}
	}
	d, _, err = startUnits(t, fmt.Sprintf(onFile, "a.img"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := unitsOf(t, "store: {kind: memory, size: 1M}", fmt.Sprintf(onFile, "b.img"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.units.create(t.Context(), doc.Units[1]); err == nil || !strings.Contains(err.Error(), "NAA name") {
		t.Errorf("created while the first is served: %v", err)
	}
	stopped(t, d)
	d, _, err = startUnits(t, fmt.Sprintf(onFile, "a.img"), fmt.Sprintf(onFile, "b.img")+", device: {kind: disk, serial: other}")
	if err != nil {
		t.Fatal(err)
	}
	stopped(t, d)
}

// copyWithIdentity copies a file as cp -a does.
func copyWithIdentity(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 64)
	if n, err := unix.Getxattr(from, file.Attribute, id); err == nil {
		if err := unix.Setxattr(to, file.Attribute, id[:n], 0); err != nil {
			t.Fatal(err)
		}
		return
	}
	if b, err = os.ReadFile(from + record.Suffix); err == nil {
		err = os.WriteFile(to+record.Suffix, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What was removed, or cut short, while it was served is told once, and the end is not called good.
func TestLostFilesAreTold(t *testing.T) {
	t.Chdir(t.TempDir())
	d, log, err := startUnits(t, fmt.Sprintf(onFile, "a.img"), fmt.Sprintf(onFile, "b.img"), "store: {kind: memory, size: 1M}")
	if err != nil {
		t.Fatal(err)
	}
	d.look()
	before := log.String()
	if err := os.Remove("a.img"); err != nil {
		t.Fatal(err)
	}
	d.look()
	d.look()
	if got := strings.TrimPrefix(log.String(), before); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "unit=u0") || !strings.Contains(got, "a.img: the file was removed") {
		t.Errorf("told:\n%s", got)
	}
	if err := os.Truncate("b.img", 4096); err != nil {
		t.Fatal(err)
	}
	d.look()
	err = d.Stop(t.Context())
	if err == nil || !strings.Contains(err.Error(), "unit u0: a.img") || !strings.Contains(err.Error(), "unit u1: b.img: the file was cut to 4096") {
		t.Errorf("the end: %v", err)
	}
}

// The file of reservations that a unit names is its own, and one that is damaged is not passed over.
func TestReservationsFile(t *testing.T) {
	t.Chdir(t.TempDir())
	unit := "store: {kind: memory, size: 1M}, device: {kind: disk, serial: %s, reservations: %s}"
	_, _, err := startUnits(t, fmt.Sprintf(unit, "A", "r"), fmt.Sprintf(unit, "B", "./r"))
	if err == nil || !strings.Contains(err.Error(), "file of reservations") {
		t.Errorf("one file for two: %v", err)
	}
	if err := os.WriteFile("r", []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = startUnits(t, fmt.Sprintf(unit, "A", "r"))
	if err == nil || !strings.Contains(err.Error(), "reservations") || !strings.Contains(err.Error(), "r: damaged") {
		t.Errorf("a file that is damaged: %v", err)
	}
	d, _, err := startUnits(t, "store: {kind: file, path: q.img, size: 1M}, device: {kind: disk, reservations: none}")
	if err != nil {
		t.Fatal(err)
	}
	stopped(t, d)
}
