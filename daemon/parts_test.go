package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
)

func TestIdentity(t *testing.T) {
	id := func(seed string, v model.Values) [2]string {
		t.Helper()
		i, err := identity(seed, v)
		if err != nil {
			t.Fatal(err)
		}
		return [2]string{i.Serial, i.NAA.String()}
	}
	a := id("a", nil)
	if a != id("a", nil) {
		t.Error("the same seed gives two identities")
	}
	if b := id("b", nil); a[0] == b[0] || a[1] == b[1] {
		t.Error("two seeds share an identity")
	}
	serial := model.Values{"serial": "S1"}
	if x, y := id("a", serial), id("b", serial); x != y || x[0] != "S1" {
		t.Errorf("one serial number on two hosts: %v, %v", x, y)
	}
	if x, y := id("a", serial), id("a", model.Values{"serial": "S1", "vendor": "other"}); x[1] == y[1] {
		t.Error("one NAA for two vendors")
	}
	const naa = "naa.6000000000000000000000000000000f"
	if x := id("a", model.Values{"naa": naa}); x[1] != naa {
		t.Errorf("the NAA is %s", x[1])
	}
	for _, v := range []model.Values{{"naa": "5000"}, {"vendor": "much too long"}, {"serial": "ü"}} {
		if _, err := identity("a", v); err == nil {
			t.Errorf("%v: no error", v)
		}
	}
}

func TestPathSeedIsOfTheFile(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", "link"); err != nil {
		t.Fatal(err)
	}
	abs, _ := filepath.Abs("a")
	if pathSeed("a") != pathSeed(abs) || pathSeed("a") != pathSeed("./link") || pathSeed("a") == pathSeed("b") {
		t.Error("a path and its other names have two seeds, or two files have one")
	}
}

func TestUndoRunsBackwardsAndOn(t *testing.T) {
	var order string
	var u undo
	failed := errors.New("failed")
	u.add(func() error { order += "1"; return nil })
	u.add(func() error { order += "2"; return failed })
	u.add(func() error { order += "3"; return nil })
	if err := u.run(); !errors.Is(err, failed) || order != "321" {
		t.Errorf("order %s, %v", order, err)
	}
}

func TestUndoOfAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name string, n int) {
		t.Helper()
		if err := os.WriteFile(name, make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("empty", 0)
	write("full", 512)
	missing, empty, full := look("missing"), look("empty"), look("full")
	write("missing", 512)
	write("empty", 512)
	if full.undo() != nil {
		t.Error("a file that was there is taken back")
	}
	takeMissing, takeEmpty := missing.undo(), empty.undo()
	if err := errors.Join(takeMissing(), takeEmpty()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("missing"); err == nil {
		t.Error("the file that was made is there")
	}
	if info, err := os.Stat("empty"); err != nil || info.Size() != 0 {
		t.Errorf("the empty file: %v, %v", info, err)
	}
	write("missing", 512)
	again := look("other").undo
	write("other", 512)
	take := again()
	if err := os.Rename("missing", "other"); err != nil { // it is another's file now
		t.Fatal(err)
	}
	if err := take(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("other"); err != nil {
		t.Error("another's file is gone")
	}
}
