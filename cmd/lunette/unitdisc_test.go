package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
)

// Discs go into a drive and out of it by its actions.
func TestDiscs(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("here.iso", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	here := filepath.Join(dir, "here.iso")
	f := &fakeDaemon{
		objects: map[model.Key]string{key("unit", "cd"): `{"device":{"kind":"optical","disc":"/a.iso"}}`, key("unit", "db"): `{}`},
		results: map[string]string{
			"load":  `{"disc":"/srv/x.iso","profile":"DVD-ROM","size":4294967296,"writable":false,"tray":"closed"}`,
			"eject": `{"disc":"","writable":false,"tray":"open"}`,
			"ls":    `{"library":"/srv/iso","images":[{"name":"a.iso","size":1048576,"loaded":true},{"name":"b.iso","size":2048,"loaded":false}]}`,
		},
	}
	for line, want := range map[string]struct{ asked, out string }{
		"unit load cd x":           {`act cd load {"medium":"x"}`, "cd has /srv/x.iso in it, a DVD-ROM of 4G, read-only.\n"},
		"unit load cd here.iso":    {`act cd load {"medium":"` + here + `"}`, "cd has /srv/x.iso in it, a DVD-ROM of 4G, read-only.\n"},
		"unit load cd ./x --force": {`act cd load {"force":true,"medium":"` + dir + `/x"}`, "cd has /srv/x.iso in it, a DVD-ROM of 4G, read-only.\n"},
		"unit eject cd":            {`act cd eject {}`, "cd is empty, and its tray is open.\n"},
		"unit eject cd --force":    {`act cd eject {"force":true}`, "cd is empty, and its tray is open.\n"},
		"unit discs cd":            {`act cd ls {}`, "DISC   SIZE  \na.iso  1M    in the drive\nb.iso  2K    -\n"},
		"unit eject cd -o json":    {`act cd eject {}`, "{\n  \"disc\": \"\",\n  \"writable\": false,\n  \"tray\": \"open\"\n}\n"},
	} {
		status, out, errs := f.asks(t, false, "", strings.Split(line, " ")...)
		if status != exitOK || errs != "" || strings.Join(f.asked, "; ") != want.asked || out != want.out {
			t.Errorf("%s: %d %s, asked %v\n%s\nwant %s\n%s", line, status, errs, f.asked, out, want.asked, want.out)
		}
	}
	for line, want := range map[string]string{"unit load ": "cd", "unit eject ": "cd", "unit load cd ": "a.iso b.iso", "unit load cd b": "b.iso"} {
		if got := words(t, f, line); got != want {
			t.Errorf("%q: %q", line, got)
		}
	}
	// A folder here is no disc; what is to be known of one is told.
	if err := os.Mkdir("x", 0o700); err != nil {
		t.Fatal(err)
	}
	f.results["load"] = `{"disc":"/srv/x.iso","profile":"DVD-ROM","size":4294967296,"writable":false,"tray":"closed","volume":"X","warning":"it was cut off"}`
	status, out, errs := f.asks(t, false, "", "unit", "load", "cd", "x")
	if want := "cd has /srv/x.iso in it, a DVD-ROM of 4G, read-only.\n"; status != exitOK || out != want || errs != "lunette: /srv/x.iso: it was cut off\n" || strings.Join(f.asked, "; ") != `act cd load {"medium":"x"}` {
		t.Errorf("%d %q %q, asked %v", status, out, errs, f.asked)
	}
	if _, out, _ := f.asks(t, false, "", "unit", "load", "cd", "x", "-o", "json"); !strings.Contains(out, `"volume": "X"`) || !strings.Contains(out, `"warning": "it was cut off"`) {
		t.Error(out)
	}
	// A list of less than all says so, also in JSON.
	f.results["ls"] = `{"library":"/srv/iso","images":[{"name":"a.iso","size":2048,"loaded":false}],"incomplete":true}`
	if _, out, errs := f.asks(t, false, "", "unit", "discs", "cd"); out != "DISC   SIZE  \na.iso  2K    -\n" || !strings.HasPrefix(errs, "lunette: not all of /srv/iso is listed: ") {
		t.Errorf("%q %q", out, errs)
	}
	if _, out, errs := f.asks(t, false, "", "unit", "discs", "cd", "-o", "json"); !strings.Contains(out, `"incomplete": true`) || errs != "" {
		t.Errorf("%q %q", out, errs)
	}
	f.results = nil
	if got := words(t, f, "unit load cd "); got != ":file" {
		t.Error(got)
	}
	f.err = errors.New("an initiator prevents that the disc is taken out")
	if status, _, errs := f.asks(t, false, "", "unit", "eject", "cd"); status != exitFailed || !strings.Contains(errs, "prevents") {
		t.Error(status, errs)
	}
}
