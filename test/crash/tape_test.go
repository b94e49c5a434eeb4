//go:build crash

package crash

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/client"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// What the library of the tests has.
const (
	drives        = 3
	slots         = 12
	mailSlots     = 3
	maxCartridges = 16
)

// Addresses of the first of each.
const (
	firstDrive = 500
	firstMail  = 100
	firstSlot  = 1000
)

// elements are the places of the library, drives first.
func elements() (all []string) {
	for i := range drives {
		all = append(all, fmt.Sprint("drive", i))
	}
	for i := range mailSlots {
		all = append(all, fmt.Sprint("mail", i+1))
	}
	for i := range slots {
		all = append(all, fmt.Sprint("slot", i+1))
	}
	return all
}

// addressOf is the element address of a place.
func addressOf(place string) uint16 {
	var n uint16
	if _, err := fmt.Sscanf(place, "drive%d", &n); err == nil {
		return firstDrive + n
	}
	if _, err := fmt.Sscanf(place, "mail%d", &n); err == nil {
		return firstMail + n - 1
	}
	_, _ = fmt.Sscanf(place, "slot%d", &n)
	return firstSlot + n - 1
}

func moveMedium(from, to string) []byte {
	return cdb.MoveMedium{Source: addressOf(from), Destination: addressOf(to)}.Append(nil)
}

func exchange(from, first, second string) []byte {
	return cdb.ExchangeMedium{Source: addressOf(from), First: addressOf(first), Second: addressOf(second)}.Append(nil)
}

// A robots is a daemon with a library, what uses it, and what must be in it.
type robots struct {
	*keeper
	r       *rand.Rand
	store   string
	portal  string
	vault   *vault
	numbers atomic.Uint64
	sure    atomic.Int64
}

// newRobots starts a daemon with a library whose cartridges are blank.
func newRobots(t *testing.T, program string, r *rand.Rand) *robots {
	t.Helper()
	top := t.TempDir()
	b := &robots{r: r, store: filepath.Join(top, "vtl"), portal: freeAddr(t), vault: &vault{dir: filepath.Join(top, "vtl", "cartridges"),
		in: make(map[string]string), claimed: make(map[string]bool), tapes: make(map[string]*tapeLedger), serials: make(map[string]string)}}
	b.keeper = &keeper{t: t, program: program, state: filepath.Join(top, "state"), socket: filepath.Join(top, "socket"), place: filepath.Join(top, "failpoint")}
	document := fmt.Sprintf(`version: 1
units:
- name: backup
  device: {kind: library, store: %q, drives: [%dxlto8], slots: %d, mail-slots: %d, addresses: {transport: 1, storage: %d, mail: %d, drive: %d}}
targets:
- {name: %q, luns: {0: backup/changer, 1: backup/drive0, 2: backup/drive1, 3: backup/drive2}}
portals: [%q]
`, b.store, drives, slots, mailSlots, firstSlot, firstMail, firstDrive, targetName, b.portal)
	path := filepath.Join(top, "lunette.yaml")
	if err := errors.Join(os.Mkdir(b.store, 0o700), os.WriteFile(path, []byte(document), 0o600)); err != nil {
		t.Fatal(err)
	}
	b.client = client.New(b.socket)
	t.Cleanup(b.kill)
	if err := b.start("--config", path); err != nil {
		t.Fatal(err)
	}
	args := map[string]any{"format": "L8", "count": slots, "prefix": "LUN", "capacity": "8M"}
	if err := b.client.Act(context.Background(), "backup", "create", args, nil); err != nil {
		t.Fatal(err)
	}
	for i := range slots {
		barcode := fmt.Sprintf("LUN%03dL8", i+1)
		b.vault.in[fmt.Sprint("slot", i+1)], b.vault.tapes[barcode] = barcode, newTapeLedger()
	}
	return b
}

// inventory is what is where, by the actions of the library, and by its robot: both say the same.
func (b *robots) inventory(c *initiator.Conn) (map[string]string, error) {
	var ls struct {
		Elements []struct {
			Place     string
			Cartridge *struct{ Barcode string }
		}
		Shelf    []struct{ Barcode string }
		Problems []string
	}
	if err := b.client.Act(context.Background(), "backup", "ls", nil, &ls); err != nil {
		return nil, err
	}
	if len(ls.Problems) > 0 {
		return nil, fmt.Errorf("it has problems: %q", ls.Problems)
	}
	found, at := make(map[string]string), make(map[uint16]string)
	for _, e := range ls.Elements {
		if e.Cartridge != nil {
			found[e.Place], at[addressOf(e.Place)] = e.Cartridge.Barcode, e.Cartridge.Barcode
		}
	}
	in := make([]byte, 64<<10)
	r, err := c.Do(0, cdb.ReadElementStatus{Tags: true, Count: 0xffff, Allocation: uint32(len(in))}.Append(nil), nil, in)
	if err != nil || r.Status != scsi.Good {
		return nil, fmt.Errorf("READ ELEMENT STATUS: %w, %v", err, r)
	}
	robot, err := readElements(in[:r.Received])
	if err != nil || !maps.Equal(robot, at) {
		return nil, fmt.Errorf("the robot has %v, %w, and operators see %v", robot, err, at)
	}
	for _, c := range ls.Shelf {
		found[shelf+c.Barcode] = c.Barcode
	}
	dirs, err := os.ReadDir(b.vault.dir)
	if err != nil {
		return nil, err
	}
	var kept []string
	for _, d := range dirs {
		kept = append(kept, d.Name())
	}
	if all := slices.Sorted(maps.Values(found)); !slices.Equal(all, slices.Sorted(slices.Values(kept))) {
		return nil, fmt.Errorf("it has the cartridges %v, and in the store are %v", all, kept)
	}
	return found, nil
}

// end is the end of what the daemon has printed.
func (b *robots) end() string {
	text := b.printed.String()
	return text[max(0, len(text)-3000):]
}

// readElements reads the data of READ ELEMENT STATUS with volume tags: barcodes by address.
func readElements(b []byte) (map[uint16]string, error) {
	found := make(map[uint16]string)
	for b = b[8:]; len(b) > 8; {
		length, n := int(binary.BigEndian.Uint16(b[2:])), int(binary.BigEndian.Uint32(b[4:])&0xffffff)
		page := b[8:][:n]
		for b = b[8+n:]; len(page) > 0; page = page[length:] {
			if page[2]&1 == 0 {
				continue
			}
			address := binary.BigEndian.Uint16(page)
			if found[address] != "" {
				return nil, fmt.Errorf("element %d is there twice", address)
			}
			found[address] = strings.TrimRight(string(page[12:][:32]), " \x00")
		}
	}
	return found, nil
}

// writers log in, one for each drive.
func (b *robots) writers() (all []*tapeWriter) {
	b.t.Helper()
	for i := range drives {
		c, err := dial(b.portal, byte(10+i))
		if err != nil {
			b.t.Fatalf("%v; the daemon printed:\n%s", err, &b.printed)
		}
		lun, err := scsi.FlatLUN(uint32(i + 1))
		if err != nil {
			b.t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		all = append(all, &tapeWriter{vault: b.vault, place: fmt.Sprint("drive", i), lun: lun, conn: c,
			rand: rand.New(rand.NewPCG(b.r.Uint64(), 0)), numbers: &b.numbers, sure: &b.sure})
	}
	return all
}

// looks compares all that there is after a start with what must be.
func (b *robots) looks(c *initiator.Conn, all []*tapeWriter) error {
	found, err := b.inventory(c)
	if err == nil {
		err = b.vault.is(found)
	}
	if err != nil {
		return err
	}
	for _, w := range all {
		err := errGone
		for n := 0; n < 4 && errors.Is(err, errGone); n++ { // it tells first what has happened
			err = w.look()
		}
		if err != nil && !errors.Is(err, errGone) {
			return err
		}
		if w.tape != b.vault.tapes[found[w.place]] {
			return fmt.Errorf("%s says that it has %q, and the robot put %q there", w.place, w.barcode, found[w.place])
		}
	}
	return nil
}

// carry moves cartridges by the robot until the daemon has ended.
func (b *robots) carry(c *initiator.Conn, r *rand.Rand) error {
	for {
		s := b.vault.begin(func() *vaultStep { return b.vault.move(r) })
		if s == nil {
			if _, err := c.Do(0, make([]byte, 6), nil, nil); err != nil {
				return nil
			}
			continue
		}
		for {
			got, err := c.Do(0, s.robot, nil, nil)
			if err != nil {
				return nil
			}
			if got.Status == scsi.Good {
				break
			}
			if sense := got.Sense(); sense.Key != scsi.KeyUnitAttention {
				return wrongf("%s ended with %v, %v", s.what, got.Status, sense)
			}
		}
		b.vault.end(s, true)
	}
}

// operates has an operator do things until the daemon has ended.
func (b *robots) operates(ctx context.Context, r *rand.Rand) error {
	for ctx.Err() == nil {
		s := b.vault.begin(func() *vaultStep { return b.vault.operate(r) })
		if s == nil {
			time.Sleep(time.Millisecond)
			continue
		}
		if err := b.client.Act(context.Background(), "backup", s.action, s.args, nil); err != nil {
			select {
			case <-b.ended:
				return nil
			case <-time.After(startsWithin):
				return wrongf("%s: %w", s.what, err)
			}
		}
		b.vault.end(s, true)
	}
	return nil
}

// uses lets everybody work until the daemon has ended.
func (b *robots) uses(c *initiator.Conn, all []*tapeWriter) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var busy sync.WaitGroup
	goes := func(f func() error) {
		busy.Go(func() {
			if err := f(); err != nil {
				b.t.Error(err)
				_ = b.cmd.Process.Kill()
			}
		})
	}
	for _, w := range all {
		goes(w.run)
	}
	carrier, operator := rand.New(rand.NewPCG(b.r.Uint64(), 0)), rand.New(rand.NewPCG(b.r.Uint64(), 0))
	goes(func() error { return b.carry(c, carrier) })
	goes(func() error { return b.operates(ctx, operator) })
	<-b.ended
	cancel()
	busy.Wait()
}

// tapeFailpoints are all places of libraries and cartridges.
func tapeFailpoints(t *testing.T) []string {
	t.Helper()
	place := regexp.MustCompile(`(?:failpoint\.Here|point)\("([^"]+)"\)`)
	found := make(map[string]bool)
	for _, pattern := range []string{"../../device/library/*.go", "../../device/tape/medium/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			for _, m := range place.FindAllSubmatch(text, -1) {
				found[string(m[1])] = true
			}
		}
	}
	if len(found) < 20 {
		t.Fatalf("only %d failpoints were found", len(found))
	}
	return slices.Sorted(maps.Keys(found))
}

// TestTapeKills: a library whose drives are written, and whose cartridges are moved, exchanged, brought in and out, made, relabelled and
// deleted, is killed again and again, at any time or at a failpoint. Each time no cartridge is lost or there twice, what the robot
// has put into a drive the drive has, and each tape that is looked at has what was acknowledged as durable, and nothing that was
// not written; at the end all are looked at.
func TestTapeKills(t *testing.T) {
	anyEngine(t)
	b := newRobots(t, failing(t), random(t))
	places := tapeFailpoints(t)
	reached := make(map[string]int)
	kills := int(number(t, "CRASH_TAPE_KILLS", 60))
	for round := range kills + 1 {
		if round > 0 {
			if err := b.start(); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		c, err := dial(b.portal, 99)
		if err != nil {
			t.Fatalf("%v; the daemon printed:\n%s", err, &b.printed)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		all := b.writers()
		if err := b.looks(c, all); err != nil {
			t.Fatalf("round %d: %v; the daemon printed:\n%s", round, err, b.end())
		}
		if round < kills {
			place, within := "", 100*time.Millisecond
			if round%2 == 1 {
				place, within = fmt.Sprint(places[b.r.IntN(len(places))], ":", 1+b.r.IntN(3)), 3*within
			}
			b.killAt(place)
			stop := time.AfterFunc(time.Duration(b.r.Int64N(int64(within))), func() { _ = b.cmd.Process.Kill() })
			b.uses(c, all)
			if stop.Stop() && place != "" {
				reached[place[:strings.Index(place, ":")]]++
			}
			b.killAt("")
		} else {
			b.allTapes(c, all[0])
		}
		for _, w := range all {
			_ = w.conn.Close()
		}
		_ = c.Close()
		if t.Failed() {
			t.Fatalf("round %d; the daemon printed:\n%s", round, b.end())
		}
	}
	b.kill()
	for _, args := range [][]string{{"vtl", "ls", "backup"}, {"vtl", "verify", "backup"}} {
		if out, err := exec.Command(b.program, append(args, "--store", b.store)...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
	t.Logf("%d kills, of which %d at %d failpoints of %d; %d blocks, %d objects acknowledged as durable, %d moves and other steps",
		kills, sum(reached), len(reached), len(places), b.numbers.Load(), b.sure.Load(), b.vault.done)
}

func sum(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// allTapes brings each cartridge of the library into a drive and looks at it.
func (b *robots) allTapes(c *initiator.Conn, w *tapeWriter) {
	b.t.Helper()
	moves := func(from, to string) {
		s := &vaultStep{before: map[string]string{from: b.vault.in[from]}, after: map[string]string{to: b.vault.in[from]}}
		for range 3 {
			got, err := c.Do(0, moveMedium(from, to), nil, nil)
			if err != nil {
				b.t.Fatal(err)
			}
			if got.Status == scsi.Good {
				b.vault.end(s, true)
				return
			}
			if got.Sense().Key != scsi.KeyUnitAttention {
				b.t.Fatalf("from %s to %s: %v", from, to, got.Sense())
			}
		}
	}
	free := func() string { return b.vault.pick(b.r, elements()[drives:], empty) }
	if b.vault.in[w.place] != "" {
		moves(w.place, free())
	}
	for _, place := range b.vault.onShelf() {
		barcode := b.vault.in[place]
		to := free()
		if barcode == "" || to == "" {
			continue
		}
		args := map[string]any{"barcode": []string{barcode}, "to": to}
		if err := b.client.Act(context.Background(), "backup", "import", args, nil); err != nil {
			b.t.Fatal(err)
		}
		b.vault.end(&vaultStep{before: map[string]string{place: barcode}, after: map[string]string{to: barcode}}, true)
	}
	looked := 0
	for _, place := range elements()[1:] {
		if b.vault.in[place] == "" {
			continue
		}
		moves(place, w.place)
		err := w.look()
		for range 3 {
			if errors.Is(err, errGone) {
				err = w.look()
			}
		}
		if err != nil {
			b.t.Fatalf("%s, from %s: %v", b.vault.in[w.place], place, err)
		}
		looked++
		moves(w.place, place)
	}
	b.t.Logf("%d cartridges were looked at, of %d", looked, len(b.vault.in))
}
