package plugin

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/scsi"
)

// with is v with the defaults of the options that it does not have.
func with(v model.Values) model.Values {
	all := make(model.Values)
	for _, o := range IdentityOptions("disk") {
		all[o.Name] = o.Default
	}
	maps.Copy(all, v)
	return all
}

func TestIdentity(t *testing.T) {
	id := func(seed string, v model.Values) [2]string {
		t.Helper()
		i, err := Identity(scsi.TypeDisk, seed, with(v))
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
		if _, err := Identity(scsi.TypeDisk, "a", with(v)); err == nil {
			t.Errorf("%v: no error", v)
		}
	}
}

// A path stands for what it names, as it is given: links are made to name what has no lasting name.
func TestPathSeedIsAsGiven(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", "link"); err != nil {
		t.Fatal(err)
	}
	abs, _ := filepath.Abs("a")
	if PathSeed("a") != PathSeed(abs) || PathSeed("a") != PathSeed("./a") || PathSeed("a") == PathSeed("link") {
		t.Error("a path has two seeds, or a link has that of what it leads to")
	}
}

// Without a name of its own a unit has that of its store, and what is to be known of that is noted.
func TestPartsIdentity(t *testing.T) {
	for _, test := range []struct {
		v     model.Values
		noted int
	}{{nil, 1}, {model.Values{"serial": "S1"}, 0}, {model.Values{"naa": "6000000000000000000000000000000f"}, 0}} {
		noted := 0
		p := Parts{Values: with(test.v), Note: func(Notice) { noted++ }}
		if _, err := p.Identity(scsi.TypeDisk, Opened{Seed: NewSeed(), Caveat: NewCaveat()}); err != nil || noted != test.noted {
			t.Errorf("%v: %d notes, %v", test.v, noted, err)
		}
	}
}
