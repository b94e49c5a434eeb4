package kind

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
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/scsi"
)

var update = flag.Bool("update", false, "write the reference of tape commands anew")

// A command is one that drives or robots have, and what is known of it beside.
type command struct {
	op     scsi.Opcode
	name   string
	models []string // that have it
}

// commandsOf are those of a device type, by all personalities of it, and how many those are.
func commandsOf(t *testing.T, kind scsi.PeripheralType, models map[string][]*device.Command) []command {
	t.Helper()
	all := map[string]*command{}
	for _, model := range slices.Sorted(keysOf(models)) {
		for _, c := range models[model] {
			name, _, _ := strings.Cut(scsi.CommandNameFor(kind, c.Op, c.Action), " RESERVE IN ")
			name, _, _ = strings.Cut(name, " RESERVE OUT ")
			name, _, _ = strings.Cut(name, " ATTRIBUTE ATTRIBUTE ")
			switch c.Op {
			case scsi.OpPersistentReserveIn:
				name = "PERSISTENT RESERVE IN"
			case scsi.OpPersistentReserveOut:
				name = "PERSISTENT RESERVE OUT"
			case scsi.OpReadAttribute:
				name = "READ ATTRIBUTE"
			}
			k := all[name]
			if k == nil {
				k = &command{op: c.Op, name: name}
				all[name] = k
			}
			if len(k.models) == 0 || k.models[len(k.models)-1] != model {
				k.models = append(k.models, model)
			}
		}
	}
	var list []command
	for _, k := range all {
		list = append(list, *k)
	}
	slices.SortFunc(list, func(a, b command) int {
		return cmp.Or(cmp.Compare(a.op, b.op), cmp.Compare(a.name, b.name))
	})
	return list
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// oneOfEach is an inventory with an element of each type, of which nothing is asked.
type oneOfEach struct{ changer.Inventory }

func (oneOfEach) Elements() []changer.Element {
	return []changer.Element{
		{Address: 1, Type: changer.Transport}, {Address: 2, Type: changer.Storage}, {Address: 3, Type: changer.Mail},
		{Address: 4, Type: changer.Drive, Drive: &changer.Identifier{Vendor: "x", Product: "x", Serial: "x"}},
	}
}

func driveCommands(t *testing.T, set personality.Set) map[string][]*device.Command {
	t.Helper()
	all := map[string][]*device.Command{}
	arena := buffer.NewArena(1 << 20)
	for _, m := range set.Drives {
		formats, err := set.FormatsOf(m)
		if err != nil {
			t.Fatal(err)
		}
		d, err := tape.New(tape.Config{Model: m, Formats: formats, Arena: arena, Identity: identityOf(m.Vendor, m.Product, m.Revision)})
		if err != nil {
			t.Fatal(err)
		}
		all[m.Name] = d.Commands()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	return all
}

func robotCommands(t *testing.T, set personality.Set) map[string][]*device.Command {
	t.Helper()
	all := map[string][]*device.Command{}
	for _, m := range set.Libraries {
		c, err := changer.New(changer.Config{Model: m, Inventory: oneOfEach{}, Identity: identityOf(m.Vendor, m.Product, m.Revision)})
		if err != nil {
			t.Fatal(err)
		}
		all[m.Name] = c.Commands()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	return all
}

func identityOf(vendor, product, revision string) scsi.Identity {
	return scsi.Identity{Vendor: vendor, Product: product, Revision: revision, Serial: "1", NAA: scsi.NAA6("commands")}
}

// known is what is said of a command: tests of it, as DIR:NAME (or as a file), and clients.
type known struct{ tests, clients string }

// Every command that a drive or a robot has is in the reference, with a test that is there.
func TestCommandReference(t *testing.T) {
	set, err := personality.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString("# Commands of tape drives and robots\n\n<!-- Made by \"go test ./device/library/kind -run Reference -update\". -->\n\n" +
		`Which command which personality has, which test holds it to the standard, and which programs were seen to send it. **Seen** is: in the guest of
` + "`make test`" + ` or ` + "`make test-vtl`" + ` (Linux st, ch and sg; mt, mtx, tar, sg3_utils, stenc; Bacula; Amanda), or their commands were sent as they send them,
by ` + "`test/vm/tape/demands.py`" + ` (Proxmox Backup's pmt and pmtx; LTFS). Programs in *italics* were not run: their documents say so.

Every drive and robot also runs the suite of all device types (` + "`device/devicetest`" + `): what a reservation fences, allocation lengths,
unit attentions, aborts.
`)
	table := func(title string, kind scsi.PeripheralType, models map[string][]*device.Command, facts map[string]known) {
		fmt.Fprintf(&b, "\n## %s\n\n| code | command | personalities | tests | clients |\n|---|---|---|---|---|\n", title)
		for _, c := range commandsOf(t, kind, models) {
			k, ok := facts[c.name]
			if !ok {
				t.Errorf("nothing is said of %02Xh %s", uint8(c.op), c.name)
			}
			delete(facts, c.name)
			fmt.Fprintf(&b, "| %02Xh | %s | %s | %s | %s |\n", uint8(c.op), c.name, who(c.models, models), testsOf(t, k.tests), cmp.Or(k.clients, "-"))
		}
		for name := range facts {
			t.Errorf("%s is no command of these", name)
		}
	}
	table("Drives", scsi.TypeTape, driveCommands(t, set), driveFacts())
	table("Robots", scsi.TypeChanger, robotCommands(t, set), robotFacts())
	path := filepath.Join("..", "..", "..", "docs", "reference", "tapecommands.md")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, b.Bytes()) {
		t.Errorf("%s is not current (%v): make reference", path, err)
	}
}

// who are the models that have a command, in few words.
func who(have []string, all map[string][]*device.Command) string {
	if len(have) == len(all) {
		return "all"
	}
	var without []string
	for _, name := range slices.Sorted(keysOf(all)) {
		if !slices.Contains(have, name) {
			without = append(without, name)
		}
	}
	if len(without) < len(have) {
		return "all but " + strings.Join(without, ", ")
	}
	return strings.Join(have, ", ")
}

// testsOf shows tests, of which each has to be there.
func testsOf(t *testing.T, tests string) string {
	t.Helper()
	var shown []string
	for _, name := range strings.Fields(tests) {
		dir, test, ok := strings.Cut(name, ":")
		root := filepath.Join("..", "..", "..")
		if !ok {
			if _, err := os.Stat(filepath.Join(root, dir)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			shown = append(shown, "`"+filepath.Base(dir)+"`")
			continue
		}
		files, _ := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
		found := slices.ContainsFunc(files, func(f string) bool {
			text, err := os.ReadFile(f)
			return err == nil && strings.Contains(string(text), "func "+test+"(")
		})
		if !found {
			t.Errorf("there is no %s in %s", test, dir)
		}
		shown = append(shown, "`"+filepath.Base(dir)+"."+test+"`")
	}
	return strings.Join(shown, " ")
}
