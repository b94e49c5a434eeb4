package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/initiator/sg/attached"
	"github.com/lunette-io/lunette/scsi"
)

func someDevices() *fakeDaemon {
	return &fakeDaemon{users: []string{"bacula-sd (pid 7) has /dev/nst0 open"}, devices: []attached.Unit{
		{Address: "0:0:0:0", Type: scsi.TypeTape, Vendor: "IBM", Product: "ULT3580-TD8", Serial: "S1", Name: "naa.5000e11156304001", Driver: "st", Nodes: attached.Nodes{BSG: "/dev/bsg/0:0:0:0", SG: "/dev/sg0", Upper: "/dev/nst0"}},
		{Address: "0:0:2:0", Type: scsi.TypeOptical, Vendor: "QEMU", Product: "QEMU CD-ROM"},
		{Address: "0:0:1:0", Type: scsi.TypeChanger, Vendor: "IBM", Product: "03584L32", Nodes: attached.Nodes{BSG: "/dev/bsg/0:0:1:0"}},
	}}
}

// The devices of this machine are listed, with who uses them.
func TestDevices(t *testing.T) {
	f := someDevices()
	status, out, errs := f.asks(t, false, "", "devices")
	if status != exitOK || errs != "" {
		t.Fatal(status, errs)
	}
	for _, want := range []string{"ADDRESS  TYPE", "IBM     ULT3580-TD8", "0:0:1:0  changer", "bacula-sd (pi…", "0:0:2:0: there is neither a /dev/bsg/0:0:2:0"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for line := range strings.Lines(out) {
		if n := len([]rune(line)); n > narrow+1 && !strings.Contains(line, "modprobe") {
			t.Errorf("%d characters: %s", n, line)
		}
	}
	_, out, _ = f.asks(t, false, "", "devices", "-o", "wide")
	if !strings.Contains(out, "naa.5000e11156304001") || !strings.Contains(out, "bacula-sd (pid 7) has /dev/nst0 open") {
		t.Error(out)
	}
	_, out, _ = f.asks(t, false, "", "devices", "-o", "json")
	var all []shownDevice
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 3 || all[0].Node != "/dev/nst0" || len(all[0].Users) != 1 || all[1].Users == nil || len(all[1].Notes) != 3 {
		t.Errorf("%v\n%s", err, out)
	}
	if _, out, _ := new(fakeDaemon).asks(t, false, "", "devices"); out != "No SCSI devices are attached to this machine.\n" {
		t.Error(out)
	}
	if got := words(t, f, "serve --passthrough "); got != "naa.5000e11156304001 S1 /dev/nst0 /dev/bsg/0:0:0:0 /dev/bsg/0:0:1:0" {
		t.Error(got)
	}
	if got := words(t, f, "unit create t --passthrough naa"); got != "naa.5000e11156304001" {
		t.Error(got)
	}
}
