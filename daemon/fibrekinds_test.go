package daemon

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	iscsi "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// kindsDocument has a unit of each device type that needs no device, by iSCSI and by Fibre Channel.
const kindsDocument = `version: 1
units:
- {name: m, store: {kind: memory, size: 4M}}
- {name: cd, store: {kind: file, path: cd.iso}, device: {kind: optical}}
- {name: backup, device: {kind: library, store: vtl, drives: [lto8], slots: 4}}
targets:
- {name: "` + disks + `", luns: {0: m, 1: cd, 2: backup/changer, 3: backup/drive0}}
portals: ["127.0.0.1:0", "fcp+hub://eth0"]
limits: {stop-timeout: 1s}
`

// kindsScript is what is asked of each unit, in this order. What goes out is the same each time, so that what comes back is. Of INQUIRY that is all
// but the version descriptors, which name the transport.
var kindsScript = map[scsi.LUN][]string{
	0 << 48: {
		"12 0 0 0 3a 0", "12 1 0 0 ff 0", "12 1 80 0 ff 0", "12 1 b0 0 ff 0", "12 1 b1 0 ff 0", "12 1 b2 0 ff 0", "12 1 55 0 ff 0", "25 0 0 0 0 0 0 0 0 0",
		"9e 10 0 0 0 0 0 0 0 0 0 0 0 20 0 0", "1a 0 3f 0 ff 0", "5a 0 3f 0 0 0 0 2 0 0", "a0 0 0 0 0 0 0 0 1 0 0 0", "a3 c 0 0 0 0 0 0 4 0 0 0", "5e 0 0 0 0 0 0 1 0 0",
		"2a 0 0 0 0 8 0 0 8 0", "28 0 0 0 0 8 0 0 8 0", "28 0 0 0 0 8 0 0 1 0", "28 0 7f ff ff ff 0 0 1 0", "2f 0 0 0 0 8 0 0 8 0", "93 0 0 0 0 0 0 0 0 4 0 0 0 2 0 0", "42 0 0 0 0 0 0 0 18 0",
		"35 0 0 0 0 0 0 0 0 0", "1d 4 0 0 0 0", "c5 0 0 0 0 0",
	},
	1 << 48: {
		"12 0 0 0 3a 0", "12 1 80 0 ff 0", "25 0 0 0 0 0 0 0 0 0", "46 0 0 0 0 0 0 2 0 0", "43 0 0 0 0 0 0 0 ff 0", "51 0 0 0 0 0 0 0 ff 0", "52 1 0 0 0 1 0 0 ff 0",
		"4a 1 0 0 10 0 0 0 ff 0", "28 0 0 0 0 4 0 0 2 0", "be 0 0 0 0 4 0 0 1 10 0 0", "5a 0 2a 0 0 0 0 0 ff 0", "2a 0 0 0 0 4 0 0 1 0", "28 0 7f ff ff ff 0 0 1 0", "bd 0 0 0 0 0 0 0 0 8 0 0",
	},
	2 << 48: {
		"12 0 0 0 3a 0", "12 1 80 0 ff 0", "b8 10 0 0 0 ff 3 0 4 0 0 0", "1a 0 1d 0 ff 0", "1a 0 1f 0 ff 0", "a5 0 0 0 4 1 1 1 0 0 0 0", "b8 10 0 0 0 ff 3 0 4 0 0 0", "a5 0 0 0 4 2 1 1 0 0 0 0", "28 0 0 0 0 0 0 0 1 0",
	},
	3 << 48: {
		"12 0 0 0 3a 0", "5 0 0 0 0 0", "1 0 0 0 0 0", "a 0 0 2 0 0", "a 0 0 2 0 0", "10 0 0 0 1 0", "34 0 0 0 0 0 0 0 0 0", "1 0 0 0 0 0", "8 0 0 4 0 0", "8 0 0 1 0 0", "8 0 0 1 0 0",
		"34 6 0 0 0 0 0 0 20 0", "11 1 ff ff ff 0", "11 3 0 0 0 0", "1a 0 f 0 ff 0", "4d 0 40 0 0 0 0 1 0 0", "44 0 0 0 0 0 0 0 ff 0", "1 0 0 0 0 0", "28 0 0 0 0 0 0 0 1 0",
	},
}

// play runs the script, and says what came of each command.
func play(t *testing.T, do anyInitiator) (all []string) {
	t.Helper()
	for index := range uint64(4) {
		lun := scsi.LUN(index << 48)
		do.told(t, lun)
		for _, text := range kindsScript[lun] {
			cdb := make([]byte, 0, 16)
			for _, digits := range bytes.Fields([]byte(text)) {
				var b byte
				if _, err := fmt.Sscanf(string(digits), "%x", &b); err != nil {
					t.Fatal(err)
				}
				cdb = append(cdb, b)
			}
			var in, out []byte
			switch cdb[0] {
			case 0x2a:
				out = bytes.Repeat([]byte("lunette!"), 8<<9/8)
			case 0x0a:
				out = bytes.Repeat([]byte("lunette!"), 512/8)
			case 0x93:
				out = make([]byte, 512)
			case 0x42:
				out = append([]byte{0, 22, 0, 16, 0, 0, 0, 0}, make([]byte, 16)...)
			case 0x00, 0x01, 0x10, 0x11, 0x1d, 0x2f, 0x35, 0xa5:
			default:
				in = make([]byte, 8192)
			}
			status, sense, err := do(lun, cdb, out, in)
			if err != nil {
				t.Fatalf("LUN %d, %s: %v", index, text, err)
			}
			all = append(all, fmt.Sprintf("LUN %d, %s: %v, %v, %x", index, text, status, sense, bytes.TrimRight(in, "\x00")))
		}
	}
	return all
}

// Units of every type answer by Fibre Channel as by iSCSI.
func TestKindsByFibreChannel(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("vtl", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("cd.iso", bytes.Repeat([]byte("a disc, "), 1<<17), 0o600); err != nil {
		t.Fatal(err)
	}
	f := startFibre(t, kindsDocument)
	operate(t, f.Daemon, "create", map[string]any{"format": "L8", "count": 3, "capacity": "64M", "prefix": "LUN"})
	operate(t, f.Daemon, "load", map[string]any{"barcode": "LUN001L8", "drive": 0})
	c, err := iscsi.Dial(context.Background(), f.portals.load()[0].Addr(), iscsi.Config{InitiatorName: me, TargetName: disks, ISID: pdu.ISID{0x80, 1}})
	if err != nil {
		t.Fatal(err)
	}
	want := play(t, overISCSI(c))
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	got := play(t, overFCP(f.dial(f.port(f.neighbours, fibreMe), fcp.PortName(fcp.NodeName(disks), 1))))
	good := 0
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("by iSCSI   %s\nby FCP     %s", want[i], got[i])
		}
		if bytes.Contains([]byte(want[i]), []byte("GOOD")) {
			good++
		}
	}
	t.Logf("%d commands, of which %d GOOD", len(want), good)
	if good < len(want)*2/3 {
		for _, line := range want {
			t.Log(line[:min(len(line), 160)])
		}
		t.Error("few commands do what they ask for")
	}
}
