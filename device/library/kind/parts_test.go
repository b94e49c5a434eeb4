package kind

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/personality"
)

// values are the options of a library, as a document has them.
func values(t testing.TB, text string) model.Values {
	t.Helper()
	v, err := model.Arguments([]byte(text), Kind().Options)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What options name is found: drives by their short names, addresses where they are said.
func TestParts(t *testing.T) {
	v := values(t, "{store: /x, library: hpe-msl-g3, drives: [2xlto7, ibm-lto8], slots: 9, addresses: {storage: 2000}}")
	if got := units(v); !slices.Equal(got, []string{"changer", "drive0", "drive1", "drive2"}) {
		t.Errorf("%q", got)
	}
	p, err := newParts(v)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range p.drives {
		names = append(names, d.Name)
	}
	if strings.Join(names, " ") != "hpe-lto7 hpe-lto7 ibm-lto8" || p.slots != 9 || p.mail != 1 || p.addresses != (personality.Addresses{Transport: 0, Storage: 2000, Mail: 0x65, Drive: 1}) {
		t.Errorf("%q %+v", names, p.addresses)
	}
	own := filepath.Join(t.TempDir(), "ours.yaml")
	if err := os.WriteFile(own, []byte("libraries: [{name: ours, like: stk-l700, maker: hpe}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err = newParts(values(t, "{store: /x, library: ours, personalities: "+own+", drives: [lto8], slots: 9}")); err != nil || p.drives[0].Name != "hpe-lto8" || p.model.Product != "L700" {
		t.Errorf("%+v, %v", p.model, err)
	}
}

// What cannot be is told, with what could be.
func TestWrongParts(t *testing.T) {
	for text, want := range map[string]string{
		"{store: /x, library: ibm-ts35, drives: [lto8], slots: 9}":                                          "Did you mean ibm-ts3500",
		"{store: /x, drives: [lto88], slots: 9}":                                                            "drives[0]: there is no drive \"lto88\"",
		"{store: /x, drives: [2xlto8, 999xlto8], slots: 9}":                                                 "more than 1000",
		"{store: /x, library: overland-neo, drives: [lto8], slots: 9, mail-slots: 2}":                       "room for 1 mail slots, and not for 2",
		"{store: /x, drives: [lto8], slots: 60000, addresses: {storage: 6000}}":                             "the last address is 65535",
		"{store: /x, drives: [2xlto8], slots: 9, addresses: {drive: 100, storage: 101}}":                    "addresses overlap",
		"{store: /x, drives: [lto8], slots: 9, personalities: /there/is/none}":                              "no such file",
		"{store: /x, library: ibm-ts3500, drives: [lto8], slots: 9, addresses: {transport: 0, storage: 0}}": "addresses overlap",
	} {
		if _, err := newParts(values(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, wrong := range []string{
		"{store: /x, drives: [0xlto8], slots: 9}", "{store: /x, drives: [1001xlto8], slots: 9}", "{store: /x, drives: ['4x'], slots: 9}", "{store: /x, drives: [LTO8], slots: 9}",
		"{store: /x, drives: [99999999999999999999xlto8], slots: 9}", "{store: /x, drives: [], slots: 9}", "{store: /x, drives: [lto8], slots: 0}", "{store: /x, drives: [lto8], slots: 9, name: ../x}",
		"{store: /x, drives: [lto8], slots: 9, serial: '1234567890123'}", "{store: /x, drives: [lto8], slots: 9, library: ../x}",
	} {
		if _, err := model.Arguments([]byte(wrong), Kind().Options); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
	many := make([]any, 100)
	for i := range many {
		many[i] = "1000xlto8"
	}
	if n := len(units(model.Values{"drives": many})); n > maxDrives+1 {
		t.Errorf("%d units", n)
	}
}

// Serial numbers are stable, as long as real ones, and no two of drives are the same.
func TestSerials(t *testing.T) {
	dir := t.TempDir()
	first, err := kept{dir}.serial("")
	if err != nil || len(first) != serialLength || checkSerial(first) != nil {
		t.Fatal(first, err)
	}
	if again, err := (kept{dir}).serial(""); err != nil || again != first {
		t.Error(again, err)
	}
	if given, err := (kept{dir}).serial("ABC"); err != nil || given != "ABC" {
		t.Error(given, err)
	}
	seen := make(map[string]bool)
	for _, lib := range []string{first, "ABC", "ABD"} {
		for i := range maxDrives {
			s := driveSerial(lib, i)
			if len(s) != driveLength || seen[s] || s != driveSerial(lib, i) {
				t.Fatalf("%s of %s", s, lib)
			}
			seen[s] = true
		}
	}
}

// A place is read as it is written.
func TestPlaces(t *testing.T) {
	for _, text := range []string{"slot7", "slot", "mail1", "mail", "drive0", "drive12", "drive", "shelf"} {
		if p, err := library.ParsePlace(text); err != nil || p.Text() != text {
			t.Errorf("%s: %+v, %v", text, p, err)
		}
	}
	if p, err := library.ParsePlace("slot 7"); err != nil || p.Index != 7 {
		t.Error(p, err)
	}
	for _, text := range []string{"", "slot0", "mail0", "slot99999999", "drawer1", "drivex", "shelf1"} {
		if p, err := library.ParsePlace(text); err == nil {
			t.Errorf("%s is %+v", text, p)
		}
	}
	if library.Shelf.Text() != "shelf" {
		t.Error("the shelf")
	}
}

// The actions of the kind are whole, and all of them are done by act.
func TestActionsAreWhole(t *testing.T) {
	seen := make(map[string]bool)
	for _, a := range Kind().Actions {
		if seen[a.Name] {
			t.Errorf("%s is there twice", a.Name)
		}
		seen[a.Name] = true
	}
	if len(seen) != 15 {
		t.Error(fmt.Sprint(len(seen), " actions"))
	}
}

func FuzzWords(f *testing.F) {
	f.Add("4xlto8")
	f.Add("slot7")
	f.Fuzz(func(t *testing.T, text string) {
		if n, name, err := cut(text); err == nil && (n < 1 || n > maxDrives || plain(name) != nil) {
			t.Errorf("%q: %d %q", text, n, name)
		}
		if p, err := library.ParsePlace(text); err == nil {
			if again, err := library.ParsePlace(p.Text()); err != nil || again != p {
				t.Errorf("%q: %+v, %+v, %v", text, p, again, err)
			}
		}
	})
}

// The names of the robot and the drives are claimed as those of all other units are: as digits.
func TestClaims(t *testing.T) {
	m := opened(t, "{store: "+inMemory(t)+", library: ibm-ts3500, drives: [lto8], slots: 2}")
	for _, u := range m.units {
		i := slices.IndexFunc(u.Claims, func(c plugin.Claim) bool { return c.What == "NAA name" })
		if i < 0 || len(u.Claims[i].Value) != 32 || strings.Trim(u.Claims[i].Value, "0123456789abcdef") != "" {
			t.Errorf("%s: %+v", u.Name, u.Claims)
		}
	}
}
