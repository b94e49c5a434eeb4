package passthrough

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
)

var update = flag.Bool("update", false, "write the reference page anew")

// The reference has every command that has a rule, and what is done with it.
func TestReference(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`# Commands of devices that are passed through

<!-- Made by "go test ./device/passthrough -run Reference -update". -->

What lunette does with the commands of initiators to a real device ([the design](../design/passthrough.md)):

- **passes**: the device gets it, and its answer goes back bit for bit.
- **edited**: the device answers, and lunette changes what is not so for initiators by this way: names of ports, protection information, third-party copies,
  the largest transfer, commands that are refused.
- **ours**: lunette answers. Of PREVENT ALLOW MEDIUM REMOVAL the device is told what comes of what all initiators have said; REQUEST SENSE passes while nothing is pending here.
- **refused**: no initiator may have it.
- ` + "*if `WORD`*" + `: it is refused unless the unit's ` + "`allow`" + ` lists the word. With ` + "`exclusive: true`" + ` all these pass, and the reservations of the one initiator are the device's.

Reservations: **free** runs whatever is reserved; **probing** beside persistent reservations; **parameters** beside those that are not exclusive, or for who is registered;
**reading** beside those that are not exclusive; **writing** for who holds the reservation, or shares it. **Alone**: the device has one of these commands at a time, in the
order in which they came. **Read-only**: who may only read the unit may not have it. **Others are told**: with a unit attention. The time-out is what counts if neither the configuration nor the device says another.

`)
	shown := make(map[string]bool)
	section := func(title string, kind scsi.PeripheralType, rules []rule, rest ...*rule) {
		fmt.Fprintf(&b, "## %s\n\n| code | command | | reservations | | time-out |\n|---|---|---|---|---|---|\n", title)
		table := newTable(rules, nobodys)
		for i, r := range append(table.all, rest...) {
			code, op := "-", scsi.Opcode(0xff)
			if i < len(table.all) {
				op = r.op
				code = fmt.Sprintf("%02Xh", uint8(r.op))
				if hasActions(r.op) && r.action != anyAction {
					code += fmt.Sprintf("/%02Xh", uint16(r.action))
				}
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", code, r.name, what(r), fence(r), how(r), wait(r, usualTimeout(kind, op, r.action)))
			shown[r.name] = true
		}
		b.WriteString("\n")
	}
	section("Of all device types", scsi.TypeUnknown, primaryRules())
	disk := newTable(nil, vendor)
	section("Disks (SBC-4, ZBC-2)", scsi.TypeDisk, diskRules(), disk.vendor, disk.rest)
	section("Tape drives (SSC-5)", scsi.TypeTape, tapeRules(), disk.vendor, disk.rest)
	section("Media changers (SMC-3)", scsi.TypeChanger, changerRules(), disk.vendor, disk.rest)
	section("Optical drives (MMC-6)", scsi.TypeOptical, opticalRules(), disk.vendor, disk.rest)
	section("Enclosures (SES-3)", typeEnclosure, enclosureRules(), disk.vendor, disk.rest)
	other := newTable(nil, nobodys)
	section("Other device types", scsi.TypeUnknown, nil, other.vendor, other.rest)
	text := bytes.TrimSpace(b.Bytes())
	text = append(text, '\n')
	path := filepath.Join("..", "..", "docs", "reference", "passthrough.md")
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if is, err := os.ReadFile(path); err != nil || !bytes.Equal(is, text) {
		t.Errorf("%s is not current (%v): make reference", path, err)
	}
	if len(shown) < 100 {
		t.Errorf("%d commands", len(shown))
	}
}

// what says who answers a command.
func what(r *rule) string {
	text := r.whose.String()
	switch {
	case r.needs != nobodys:
		text += fmt.Sprintf(" *if `%v`*", r.needs)
	case r.op == scsi.OpSendDiagnostic:
		text += " as a self-test, with pages, UNITOFFL and DEVOFFL *if `firmware`*"
	case r.op == scsi.OpWriteBuffer:
		text += " with data and echoes, with microcode *if `firmware`*, else *if `vendor`*"
	case r.name == "SEND KEY":
		text += ", the region of the drive *if `vendor`*"
	case r.op == scsi.OpReadBuffer, r.op == opReadBuffer16:
		text += " with data, echoes and the error history, else *if `vendor`*"
	}
	return text
}

// fence says how reservations fence a command.
func fence(r *rule) string {
	names := map[reserve.Class]string{
		reserve.Unfenced: "free", reserve.Probing: "probing", reserve.Parameters: "parameters", reserve.Reading: "reading", reserve.Writing: "writing",
	}
	switch {
	case r.whose == refused:
		return "-"
	case r.accessOf != nil:
		return names[r.access] + ", or probing by its CDB"
	}
	return names[r.access]
}

// how says how a command stands to others.
func how(r *rule) string {
	var all []string
	if r.alone && r.whose != refused {
		all = append(all, "alone")
	}
	if r.changes && r.whose != refused {
		all = append(all, "read-only")
	} else if r.changesOf != nil {
		all = append(all, "read-only by its CDB")
	}
	if r.after != nil && r.op != scsi.OpReserve6 && r.op != scsi.OpReserve10 && r.op != scsi.OpRelease6 && r.op != scsi.OpRelease10 {
		all = append(all, "others are told")
	}
	return cmp.Or(strings.Join(all, ", "), "-")
}

// wait is a time-out in words; none for what the device never gets.
func wait(r *rule, d time.Duration) string {
	switch {
	case r.whose == refused:
		return "-"
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d min", d/time.Minute)
}
