package personality

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the reference of personalities anew")

// current writes a file of the reference, if it is told to, and compares it.
func current(t *testing.T, file string, want []byte) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", "reference", file)
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, want) {
		t.Errorf("%s is not current (%v): make reference", path, err)
	}
}

// The reference has the personalities that there are, and what a file can say.
func TestReferenceIsCurrent(t *testing.T) {
	s := builtin(t)
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	current(t, "personality.schema.json", append(text, '\n'))
	current(t, "personalities.md", page(s))
}

func page(s Set) []byte {
	var b bytes.Buffer
	b.WriteString("# Personalities\n\n<!-- Made by \"go test ./device/personality -run Reference -update\" from the files of device/personality/data. -->\n\n" + `What the robots, drives and cartridges of a tape library call themselves and can do. A library unit names one of the libraries
and some of the drives; those who want others write a file and name it in ` + "`personalities`" + `.

A file has lists of ` + "`libraries`, `drives` and `formats`" + `, with the keys below. What says ` + "`like: NAME`" + ` has the values of that one where it says
none itself; one that has the name of another takes its place. [personality.schema.json](personality.schema.json) is the JSON Schema, for editors. A library of which
only the addresses differ:

    libraries:
      - name: our-ts3500
        like: ibm-ts3500
        addresses: {storage: 0x400, mail: 0x300}

Addresses are the first of each type, here in hexadecimal; a document may say others. "Not sure" is what nobody who was asked knew from the real machine.
`)
	b.WriteString("\n## Libraries\n\n| name | machine | vendor, product, revision | transport, storage, mail, drive | short names of drives | from where, and not sure |\n|---|---|---|---|---|---|\n")
	for _, l := range s.Libraries {
		a := l.Addresses
		fmt.Fprintf(&b, "| `%s` | %s | `%s` `%s` `%s` | %X, %X, %X, %X | `%s-` | %s |\n", l.Name, l.Help, l.Vendor, l.Product, l.Revision, a.Transport, a.Storage, a.Mail, a.Drive, l.Maker, l.Sources)
	}
	b.WriteString("\n## Drives\n\n| name | drive | vendor, product, revision | writes | reads | partitions | encryption | protection | not sure |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, d := range s.Drives {
		var writes, reads, protection []string
		for _, f := range d.Formats {
			if f.Write {
				writes = append(writes, f.Format)
			} else {
				reads = append(reads, f.Format)
			}
		}
		for _, p := range d.Protection {
			protection = append(protection, map[byte]string{1: "Reed-Solomon", 2: "CRC32C"}[p])
		}
		encryption := ""
		if d.Encryption != 0 {
			encryption = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` `%s` `%s` | %s | %s | %d | %s | %s | %s |\n", d.Name, d.Help, d.Vendor, d.Product, d.Revision,
			strings.Join(writes, " "), strings.Join(reads, " "), d.Partitions, encryption, strings.Join(protection, ", "), d.Sources)
	}
	b.WriteString("\n## Media\n\n| name | WORM | cartridge | density | medium type | native capacity | not sure |\n|---|---|---|---|---|---|---|\n")
	for _, f := range s.Formats {
		capacity := fmt.Sprintf("%g GB", float64(f.Capacity)/1000)
		if f.Capacity < 1000 {
			capacity = ""
		}
		types := fmt.Sprintf("%02X", f.MediumType)
		if f.WORMType != 0 {
			types += fmt.Sprintf(", %02X", f.WORMType)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %02X | %s | %s | %s |\n", f.Name, f.WORMName, f.Help, f.Density, types, capacity, f.Sources)
	}
	for _, x := range []struct {
		sort, title string
		fields      any
	}{{keyLibraries, "Keys of a library", Library{}}, {keyDrives, "Keys of a drive", Drive{}}, {keyFormats, "Keys of a media format", Format{}}} {
		fmt.Fprintf(&b, "\n## %s\n\n| key | |\n|---|---|\n", x.title)
		rows(&b, x.sort, "", x.fields)
	}
	return b.Bytes()
}
