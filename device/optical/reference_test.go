package optical

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
)

var update = flag.Bool("update", false, "write the reference of optical commands anew")

// featureNames are those of MMC-6 5.3.
var featureNames = map[uint16]string{
	0x0000: "Profile List", 0x0001: "Core", 0x0002: "Morphing", 0x0003: "Removable Medium", 0x0010: "Random Readable", 0x001e: "CD Read",
	0x001f: "DVD Read", 0x0020: "Random Writable", 0x0023: "Formattable", 0x0024: "Hardware Defect Management", 0x002a: "DVD+RW",
	0x0040: "BD Read", 0x0041: "BD Write", 0x0100: "Power Management", 0x0105: "Timeout", 0x0107: "Real-Time Streaming",
	0x0108: "Logical Unit Serial Number",
}

// testsOfCommands are the tests that hold a command to MMC-6.
var testsOfCommands = map[string]string{
	"FORMAT UNIT":                   "TestBurning TestFormatsOfDiscs",
	"START STOP UNIT":               "TestDiscsComeAndGo TestPrevent",
	"PREVENT ALLOW MEDIUM REMOVAL":  "TestPrevent",
	"READ FORMAT CAPACITIES":        "TestFormatsOfDiscs TestOverTheWire",
	"READ CAPACITY(10)":             "TestHosts TestPartOfABlock",
	"READ(10)":                      "TestRead TestPartOfABlock TestSwapsUnderLoad",
	"WRITE(10)":                     "TestWrite TestSwapDuringWrite TestDurableBeforeItLeaves",
	"SEEK(10)":                      "TestOverTheWire",
	"WRITE AND VERIFY(10)":          "TestWrite",
	"VERIFY(10)":                    "TestRead",
	"SYNCHRONIZE CACHE(10)":         "TestWrite",
	"READ TOC/PMA/ATIP":             "TestTablesOfContents TestTimes TestOverTheWire",
	"GET CONFIGURATION":             "TestFeaturesOfProfiles TestConfiguration TestFeaturesHaveTheirCommands",
	"GET EVENT STATUS NOTIFICATION": "TestDiscsComeAndGo TestPrevent",
	"READ DISC INFORMATION":         "TestInformation TestOverTheWire",
	"READ TRACK INFORMATION":        "TestTracks TestOverTheWire",
	"SEND OPC INFORMATION":          "TestBurning",
	"CLOSE TRACK/SESSION":           "TestBurning",
	"READ BUFFER CAPACITY":          "TestBurning TestWrite",
	"REPORT KEY":                    "TestHosts",
	"READ(12)":                      "TestRead",
	"WRITE(12)":                     "TestWrite",
	"GET PERFORMANCE":               "TestPerformances TestOverTheWire",
	"READ DISC STRUCTURE":           "TestStructures TestOverTheWire",
	"SET STREAMING":                 "TestBurning",
	"READ CD MSF":                   "TestReadCD TestReadCDRefused",
	"SET CD SPEED":                  "TestBurning",
	"MECHANISM STATUS":              "TestHosts TestOverTheWire",
	"READ CD":                       "TestReadCD TestReadCDRefused TestReadCDOfOtherDiscs TestSectorCodes",
	"TEST UNIT READY":               "TestDiscsComeAndGo",
}

// A listed command is one of the drive's, with the features that make it mandatory.
type listed struct {
	op       scsi.Opcode
	name     string
	features []featureOf
}

func listCommands(t *testing.T) []listed {
	t.Helper()
	arena := buffer.NewArena(1 << 20)
	r, err := New(Config{Arena: arena, Identity: scsi.Identity{Vendor: "x", Product: "x", Revision: "1", Serial: "1", NAA: scsi.NAA6("x")}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []listed
	for _, c := range r.Commands() {
		l := listed{op: c.Op, name: scsi.CommandNameFor(scsi.TypeOptical, c.Op, c.Action)}
		for _, in := range []string{"PERSISTENT RESERVE IN", "PERSISTENT RESERVE OUT"} {
			if strings.HasPrefix(l.name, in) {
				l.name = in
			}
		}
		if slices.ContainsFunc(all, func(o listed) bool { return o.name == l.name }) {
			continue
		}
		for _, f := range featureTable {
			if slices.Contains(f.commands, c.Op) && c.Action == 0 {
				l.features = append(l.features, f)
			}
		}
		all = append(all, l)
	}
	slices.SortStableFunc(all, func(a, b listed) int { return cmp.Or(cmp.Compare(a.op, b.op), cmp.Compare(a.name, b.name)) })
	return all
}

// discsOf are the profiles with which a feature is current.
func discsOf(profiles []profile) string {
	if profiles == nil {
		return "always"
	}
	var names []string
	for _, p := range profiles {
		names = append(names, p.String())
	}
	return strings.Join(names, ", ")
}

// Every command of the drive is in the reference, with the features that demand it, and a test that is there.
func TestReference(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Features and commands of optical drives\n\n<!-- Made by \"go test ./device/optical -run Reference -update\". -->\n\n" +
		`What GET CONFIGURATION shows, and what commands there are (MMC-6). A feature is **current** with some discs; hosts find out what to do by
those that are. Each command that a feature makes mandatory is there, and no feature is shown without them.

The drive also runs the suite of all device types (` + "`device/devicetest`" + `): what a reservation fences, allocation lengths, unit attentions, aborts.

## Features

| number | feature | current with | commands that it makes mandatory |
|---|---|---|---|
`)
	for _, f := range featureTable {
		name := featureNames[f.code]
		if name == "" {
			t.Errorf("feature %04Xh has no name", f.code)
		}
		var commands []string
		for _, op := range f.commands {
			commands = append(commands, scsi.CommandNameFor(scsi.TypeOptical, op, 0))
		}
		fmt.Fprintf(&b, "| %04Xh | %s | %s | %s |\n", f.code, name, discsOf(f.profiles), strings.Join(commands, ", "))
	}
	b.WriteString("\n## Commands\n\n| code | command | for | tests |\n|---|---|---|---|\n")
	left := make(map[string]string)
	for name, tests := range testsOfCommands {
		left[name] = tests
	}
	for _, c := range listCommands(t) {
		tests := cmp.Or(left[c.name], "TestSuite")
		delete(left, c.name)
		var features []string
		for _, f := range c.features {
			features = append(features, featureNames[f.code])
		}
		fmt.Fprintf(&b, "| %02Xh | %s | %s | %s |\n", uint8(c.op), c.name, cmp.Or(strings.Join(features, ", "), "-"), testsThere(t, tests))
	}
	for name := range left {
		t.Errorf("%s is no command of the drive", name)
	}
	path := filepath.Join("..", "..", "docs", "reference", "optical.md")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, b.Bytes()) {
		t.Errorf("%s is not current (%v): make reference", path, err)
	}
}

// testsThere shows tests, of which each has to be there.
func testsThere(t *testing.T, tests string) string {
	t.Helper()
	files, _ := filepath.Glob("*_test.go")
	var shown []string
	for _, test := range strings.Fields(tests) {
		if !slices.ContainsFunc(files, func(f string) bool {
			text, err := os.ReadFile(f)
			return err == nil && strings.Contains(string(text), "func "+test+"(")
		}) {
			t.Errorf("there is no %s", test)
		}
		shown = append(shown, "`optical."+test+"`")
	}
	return strings.Join(shown, " ")
}
