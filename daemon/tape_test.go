package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	srp "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// Addresses of the default library (ibm-ts3500).
const (
	firstSlot  = 0x401
	firstMail  = 0x301
	firstDrive = 0x101
)

// tapesDocument has a library with two drives: in one target all of it, and in others each drive alone.
const tapesDocument = `version: 1
units:
- {name: backup, device: {kind: library, store: vtl, drives: [2xlto8], slots: %d, mail-slots: 2%s}}
targets:
- {name: "` + disks + `", luns: {0: backup/changer, 1: backup/drive0, 2: backup/drive1}}
- {name: "` + closed + `", luns: {0: backup/drive1}}
portals: ["127.0.0.1:0", "iser+iwarp://127.0.0.1:0", "srp+iwarp://127.0.0.1:0"]
limits: {stop-timeout: 1s}
`

// tapes starts a daemon with a library, whose store is in the directory of the test. It stops with the test, unless stop does before.
func tapes(t *testing.T, text string) (d *Daemon, stop func()) {
	t.Helper()
	if err := os.MkdirAll("vtl", 0o700); err != nil {
		t.Fatal(err)
	}
	d = start(t, text)
	stop = sync.OnceFunc(func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return d, stop
}

// operate does an action, which has to go well.
func operate(t *testing.T, d *Daemon, action string, args map[string]any) map[string]any {
	t.Helper()
	var result map[string]any
	if err := client.New(d.Socket()).Act(t.Context(), "backup", action, args, &result); err != nil {
		t.Fatalf("%s %v: %v", action, args, err)
	}
	return result
}

// fails does an action that cannot be done.
func fails(t *testing.T, d *Daemon, action string, args map[string]any, want string) {
	t.Helper()
	err := client.New(d.Socket()).Act(t.Context(), "backup", action, args, nil)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s %v: %v, want %q", action, args, err, want)
	}
}

// cartridges makes some in the slots, small ones.
func cartridges(t *testing.T, d *Daemon, n int) {
	t.Helper()
	operate(t, d, "create", map[string]any{"format": "L8", "count": n, "capacity": "64M", "prefix": "LUN"})
}

// at logs in to a target by iSCSI.
func at(t *testing.T, d *Daemon, name string, isid byte) anyInitiator {
	t.Helper()
	c, err := dial(t, d, initiator.Config{InitiatorName: me, TargetName: name, ISID: pdu.ISID{0x80, isid}})
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	return overISCSI(c)
}

// must runs a command past unit attentions, which has to end with GOOD.
func (do anyInitiator) must(t *testing.T, lun int, cdb, out, in []byte) {
	t.Helper()
	if sense := do.run(t, lun, cdb, out, in); sense != (scsi.Sense{}) {
		t.Fatalf("LUN %d: %x: %v", lun, cdb, sense)
	}
}

// run runs a command past unit attentions, and returns its sense data.
func (do anyInitiator) run(t *testing.T, lun int, cdb, out, in []byte) scsi.Sense {
	t.Helper()
	number, err := scsi.FlatLUN(uint32(lun))
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		status, sense, err := do(number, cdb, out, in)
		switch {
		case err != nil:
			t.Fatalf("LUN %d: %x: %v", lun, cdb, err)
		case status == scsi.Good:
			return scsi.Sense{}
		case status != scsi.CheckCondition:
			t.Fatalf("LUN %d: %x: %v", lun, cdb, status)
		case sense.Key != scsi.KeyUnitAttention:
			return sense
		}
		_, _, _ = do(number, make([]byte, 6), nil, nil) // TEST UNIT READY, as who hears of one does
	}
	t.Fatalf("LUN %d: %x: nothing but unit attentions", lun, cdb)
	return scsi.Sense{}
}

// move is MOVE MEDIUM.
func moveMedium(source, destination int) []byte {
	cdb := make([]byte, 12)
	cdb[0] = 0xa5
	binary.BigEndian.PutUint16(cdb[4:], uint16(source))
	binary.BigEndian.PutUint16(cdb[6:], uint16(destination))
	return cdb
}

// six is a CDB of six bytes with a length.
func six(op byte, flags byte, n int) []byte {
	return []byte{op, flags, byte(n >> 16), byte(n >> 8), byte(n), 0}
}

func writeBlock(n int) []byte { return six(0x0a, 0, n) }
func readBlock(n int) []byte  { return six(0x08, 2, n) }
func filemarks(n int) []byte  { return six(0x10, 0, n) }
func rewind() []byte          { return six(0x01, 0, 0) }

// distinct is a block that no other is like.
func distinct(n, size int) []byte {
	b := make([]byte, size)
	for i := 0; i+8 <= size; i += 8 {
		binary.BigEndian.PutUint64(b[i:], uint64(n)<<32|uint64(i)*0x9e3779b1)
	}
	return b
}

// writes writes files of three blocks, each with a filemark behind it.
func (do anyInitiator) writes(t *testing.T, lun int, first, files int) {
	t.Helper()
	for f := range files {
		for i := range 3 {
			b := distinct(first+3*f+i, 4000+8*i)
			do.must(t, lun, writeBlock(len(b)), b, nil)
		}
		do.must(t, lun, filemarks(1), nil, nil)
	}
}

// reads rewinds, and reads what writes has written; behind it is the end of data.
func (do anyInitiator) reads(t *testing.T, lun int, first, files int) {
	t.Helper()
	do.must(t, lun, rewind(), nil, nil)
	in := make([]byte, 8192)
	for f := range files {
		for i := range 3 {
			want := distinct(first+3*f+i, 4000+8*i)
			do.must(t, lun, readBlock(len(in)), nil, in)
			if !bytes.Equal(in[:len(want)], want) {
				t.Fatalf("block %d of file %d is another", i, f)
			}
		}
		if s := do.run(t, lun, readBlock(len(in)), nil, in); s.Key != scsi.KeyNoSense || s.ASC != 0x0001 {
			t.Fatalf("at the filemark of file %d: %v", f, s)
		}
	}
	if s := do.run(t, lun, readBlock(len(in)), nil, in); s.Key != scsi.KeyBlankCheck {
		t.Fatalf("at the end of data: %v", s)
	}
}

// A library goes through the life of a backup: a robot loads, drives write and read, by all transports and targets; after a restart
// all is where it was.
func TestTapes(t *testing.T) {
	t.Chdir(t.TempDir())
	text := fmt.Sprintf(tapesDocument, 10, "")
	d, stop := tapes(t, text)
	cartridges(t, d, 4)

	do := at(t, d, disks, 1)
	if luns := do.luns(t); !slices.Equal(luns, []int{0, 1, 2}) {
		t.Errorf("LUNs %d", luns)
	}
	if s := do.run(t, 1, six(0, 0, 0), nil, nil); s.Key != scsi.KeyNotReady || s.ASC != 0x3a00 {
		t.Errorf("an empty drive: %v", s)
	}
	do.must(t, 0, moveMedium(firstSlot, firstDrive), nil, nil)
	do.must(t, 0, moveMedium(firstSlot+1, firstDrive+1), nil, nil)
	do.writes(t, 1, 100, 2)
	do.reads(t, 1, 100, 2)

	// The second drive has a target of its own, too: another initiator writes by it.
	other := at(t, d, closed, 2)
	other.writes(t, 0, 200, 1)
	other.reads(t, 0, 200, 1)

	inventory := operate(t, d, "ls", nil)
	if n := len(inventory["elements"].([]any)); n != 4 { // two slots and two drives
		t.Errorf("%d elements: %v", n, inventory)
	}
	for _, u := range d.Units() {
		if u.Name == "backup/drive0" && u.Facts.Value("barcode") != "LUN001L8" {
			t.Errorf("%s has %v", u.Name, u.Facts)
		}
	}

	var serials []any
	for _, u := range d.Units() {
		serials = append(serials, u.Facts.Value("serial"))
	}
	stop()
	d, _ = tapes(t, text)
	for i, u := range d.Units() {
		if u.Facts.Value("serial") != serials[i] {
			t.Errorf("%s has become %v", u.Name, u.Facts.Value("serial"))
		}
	}
	do = at(t, d, disks, 1)
	do.reads(t, 1, 100, 2)
	do.reads(t, 2, 200, 1)
	do.must(t, 0, moveMedium(firstDrive, firstSlot+7), nil, nil)
	if s := do.run(t, 1, six(0, 0, 0), nil, nil); s.Key != scsi.KeyNotReady {
		t.Errorf("a drive whose cartridge has gone: %v", s)
	}
	do.must(t, 0, moveMedium(firstSlot+7, firstDrive), nil, nil)
	do.reads(t, 1, 100, 2)
}

// What one initiator has written by one transport another reads by another.
func TestTapesOverAllTransports(t *testing.T) {
	t.Chdir(t.TempDir())
	d, _ := tapes(t, fmt.Sprintf(tapesDocument, 4, ""))
	cartridges(t, d, 1)
	device := peer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	b, err := initiator.DialRDMA(ctx, device, d.portals.load()[1].Addr(), initiator.Config{InitiatorName: me, TargetName: disks, ISID: pdu.ISID{0x80, 2}}, initiator.RDMA{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.SetDeadline(time.Now().Add(time.Minute))
	attach := addTarget(t, d, 0)
	port, err := iu.ParsePortID("0x" + attach[1] + attach[2])
	if err != nil {
		t.Fatal(err)
	}
	c, err := srp.Dial(ctx, device, d.portals.load()[2].Addr(), srp.Config{Initiator: iu.MakePortID(0, 7), Target: port})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	all := []anyInitiator{at(t, d, disks, 1), overISCSI(b), overSRP(c)}
	for i, writer := range all {
		writer.must(t, 0, moveMedium(firstSlot, firstDrive), nil, nil)
		writer.writes(t, 1, 10*i, 1)
		for _, reader := range all {
			reader.reads(t, 1, 10*i, 1)
		}
		writer.must(t, 0, moveMedium(firstDrive, firstSlot), nil, nil)
	}
}

// Operators and initiators use a library at the same time: what the one does the other sees, and who writes is not disturbed.
func TestTapesAreOperated(t *testing.T) {
	t.Chdir(t.TempDir())
	d, _ := tapes(t, fmt.Sprintf(tapesDocument, 10, ""))
	cartridges(t, d, 3)
	do := at(t, d, disks, 1)
	operate(t, d, "load", map[string]any{"barcode": "LUN001L8", "drive": 0})
	do.writes(t, 1, 100, 1)
	fails(t, d, "load", map[string]any{"barcode": "LUN002L8", "drive": 0}, "LUN001L8")
	fails(t, d, "load", map[string]any{"barcode": "NONE"}, "NONE")
	fails(t, d, "unload", map[string]any{"drive": 1}, "drive 1 is empty")
	fails(t, d, "unload", nil, "either the number of a drive")
	fails(t, d, "move", map[string]any{"barcode": "LUN002L8", "to": "attic"}, "attic")
	fails(t, d, "delete", map[string]any{"barcode": []string{"LUN002L8"}}, "LUN002L8")
	fails(t, d, "verify", map[string]any{"barcode": []string{"LUN001L8"}}, "unload it first")

	// An initiator that prevents it keeps its cartridge, but from who ejects it.
	do.must(t, 1, []byte{0x1e, 0, 0, 0, 1, 0}, nil, nil)
	fails(t, d, "unload", map[string]any{"drive": 0}, "prevent")
	do.reads(t, 1, 100, 1)
	operate(t, d, "eject", map[string]any{"barcode": "LUN001L8"})
	if s := do.run(t, 1, six(0, 0, 0), nil, nil); s.Key != scsi.KeyNotReady {
		t.Errorf("a drive whose cartridge was ejected: %v", s)
	}

	// To the shelf and back, by a mail slot.
	operate(t, d, "export", map[string]any{"barcode": []string{"LUN002L8", "LUN003L8"}})
	operate(t, d, "lock", map[string]any{"barcode": []string{"LUN002L8"}})
	operate(t, d, "label", map[string]any{"barcode": "LUN003L8", "becomes": "OTHER3L8"})
	do.told(t, 0)
	operate(t, d, "import", map[string]any{"barcode": []string{"LUN002L8"}, "to": "mail"})
	if told := do.told(t, 0); !slices.Contains(told, scsi.ASC(0x2801)) {
		t.Errorf("of an import the robot tells %v", told)
	}
	do.must(t, 0, moveMedium(firstMail, firstDrive+1), nil, nil)
	if s := do.run(t, 2, writeBlock(8), distinct(1, 8), nil); s.Key != scsi.KeyDataProtect {
		t.Errorf("a write to a locked cartridge: %v", s)
	}
	operate(t, d, "unload", map[string]any{"drive": 1})
	operate(t, d, "unlock", map[string]any{"barcode": []string{"LUN002L8"}})
	operate(t, d, "delete", map[string]any{"barcode": []string{"OTHER3L8"}})
	if shelf := operate(t, d, "ls", map[string]any{"details": true})["shelf"]; len(shelf.([]any)) != 0 {
		t.Errorf("the shelf has %v", shelf)
	}
	checked := operate(t, d, "verify", map[string]any{"barcode": []string{"LUN001L8"}})["checked"].([]any)[0].(map[string]any)
	if checked["objects"] != 4.0 || len(checked["damaged"].([]any)) != 0 {
		t.Errorf("%v", checked)
	}
	operate(t, d, "compact", map[string]any{"barcode": []string{"LUN001L8"}})
	info := operate(t, d, "inspect", map[string]any{"barcode": "LUN001L8"})
	if parts := info["details"].(map[string]any)["partitions"].([]any); parts[0].(map[string]any)["files"] != 1.0 {
		t.Errorf("%v", info)
	}
	operate(t, d, "load", map[string]any{"barcode": "LUN001L8"})
	do.reads(t, 1, 100, 1)
}

// A library that is changed is made anew behind its LUNs: cartridges stay where they are, and what cannot be is refused before.
func TestTapesAreChanged(t *testing.T) {
	t.Chdir(t.TempDir())
	d, _ := tapes(t, fmt.Sprintf(tapesDocument, 4, ""))
	cartridges(t, d, 2)
	do := at(t, d, disks, 1)
	do.must(t, 0, moveMedium(firstSlot, firstDrive), nil, nil)
	do.writes(t, 1, 100, 1)
	was := d.units.load()[0].device.Load()
	asked(t, d, fmt.Sprintf(tapesDocument, 20, ", compression: zstd"))
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		if now := d.units.load()[0].device.Load(); now != was && now.err == nil {
			break
		}
		if time.Since(begin) > 30*time.Second {
			t.Fatal("no other library has come")
		}
	}
	do.reads(t, 1, 100, 1)
	do.must(t, 0, moveMedium(firstDrive, firstSlot+19), nil, nil)
	doc := strings.Replace(fmt.Sprintf(tapesDocument, 20, ""), "2xlto8", "2xlto88", 1)
	if _, err := d.engine.Apply(t.Context(), whatever(doc)); err == nil || !strings.Contains(err.Error(), "lto88") {
		t.Error(err)
	}
	do.must(t, 0, moveMedium(firstSlot+19, firstDrive), nil, nil)
	do.reads(t, 1, 100, 1)
}

// Two units cannot have one library, but one directory.
func TestTapesOfOneStore(t *testing.T) {
	t.Chdir(t.TempDir())
	const two = `version: 1
units:
- {name: a, device: {kind: library, store: vtl, drives: [lto8], slots: 3}}
- {name: b, device: {kind: library, store: %s, drives: [lto8], slots: 3%s}}
`
	if err := os.Mkdir("vtl", 0o700); err != nil {
		t.Fatal(err)
	}
	refused := func(text, want string) {
		t.Helper()
		doc, err := model.Read("x.yaml", []byte(text), Builtin().Schema())
		if err != nil {
			t.Fatal(err)
		}
		d, err := Start(t.Context(), doc, Builtin(), quiet(t))
		if err == nil {
			_ = d.Stop(context.Background())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	missing, err := model.Read("x.yaml", []byte(fmt.Sprintf(two, "none", "")), Builtin().Schema())
	if err != nil {
		t.Fatal(err)
	}
	if err := Examine(t.Context(), missing, Builtin()); err == nil || !strings.Contains(err.Error(), "lunette vtl create") {
		t.Error(err)
	}
	refused(fmt.Sprintf(two, "vtl", ", name: a"), "library a in vtl")
	refused(fmt.Sprintf(two, "none", ""), "lunette vtl create NAME --store none")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(fmt.Sprintf(two, file, ""), "is not a directory")

	d, _ := tapes(t, fmt.Sprintf(two, "vtl", ""))
	c := client.New(d.Socket())
	if err := c.Act(t.Context(), "a", "create", map[string]any{"format": "L8", "barcode": "ONE001L8", "capacity": "4M"}, nil); err != nil {
		t.Fatal(err)
	}
	args := map[string]any{"barcode": []string{"ONE001L8"}}
	if err := c.Act(t.Context(), "b", "import", args, nil); err == nil {
		t.Error("a cartridge of another library is taken")
	}
	for _, step := range []struct{ unit, action string }{{"a", "export"}, {"b", "import"}} {
		if err := c.Act(t.Context(), step.unit, step.action, args, nil); err != nil {
			t.Error(err)
		}
	}
	seen := make(map[any]bool)
	for _, u := range d.Units() {
		if s := u.Facts.Value("serial"); seen[s] {
			t.Errorf("%s has the serial number %v of another", u.Name, s)
		} else {
			seen[s] = true
		}
	}
}
