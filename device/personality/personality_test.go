package personality

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func builtin(t testing.TB) Set {
	t.Helper()
	s, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rows are the keys of a structure, for people.
func rows(w io.Writer, sort, path string, structure any) {
	v := reflect.TypeOf(structure)
	rules := rulesOf(sort)
	for i := range v.NumField() {
		f := v.Field(i)
		name, optional := key(f)
		need := ""
		if !optional {
			need = " Required."
		}
		fmt.Fprintf(w, "| `%s%s` | %s%s |\n", path, name, rules[name].help, need)
		switch {
		case f.Type.Kind() == reflect.Struct:
			rows(w, name, path+name+".", reflect.Zero(f.Type).Interface())
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			rows(w, name+"[]", path+name+"[].", reflect.Zero(f.Type.Elem()).Interface())
		}
	}
}

// Every key has a rule with a sentence, and every rule a key.
func TestRulesAreOfKeys(t *testing.T) {
	for sort, structure := range map[string]any{keyLibraries: Library{}, keyDrives: Drive{}, keyFormats: Format{}, "addresses": Addresses{}, "formats[]": DriveFormat{}} {
		rules := rulesOf(sort)
		v := reflect.TypeOf(structure)
		for i := range v.NumField() {
			name, _ := key(v.Field(i))
			if !strings.HasSuffix(rules[name].help, ".") {
				t.Errorf("%s: %s has no rule with a sentence", sort, name)
			}
			delete(rules, name)
		}
		if len(rules) > 0 {
			t.Errorf("%s: rules of nothing: %v", sort, rules)
		}
	}
}

// What backup software has drivers for is there, and called as it wants it.
func TestBuiltin(t *testing.T) {
	s := builtin(t)
	for name, want := range map[string]string{
		"ibm-ts3500": "IBM 03584L32", "ibm-ts3100": "IBM 3573-TL", "ibm-ts4500": "IBM 03584L32", "hpe-msl-g3": "HP MSL G3 Series", "hpe-msl6480": "HPE MSL6480",
		"hpe-msl3040": "HPE MSL3040", "stk-l700": "STK L700", "stk-sl150": "STK SL150", "quantum-i40": "QUANTUM Scalar i40-i80", "dell-ml3": "DELL ML3",
		"dell-tl2000": "DELL PV-TL2000", "overland-neo": "OVERLAND NEO Series", "spectra-t": "SPECTRA PYTHON", "aws-l700": "STK L700",
		"aws-gateway-vtl": "AWS Gateway-VTL", "aws-ts3500": "IBM 03584L32", "quantum-superloader3": "QUANTUM UHDL",
	} {
		l, err := s.Library(name)
		if err != nil || l.Vendor+" "+l.Product != want {
			t.Errorf("%s is %s %s, %v", name, l.Vendor, l.Product, err)
		}
		if _, err := s.DriveOf(l, "lto8"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]string{"ibm-lto8": "IBM ULT3580-TD8", "ibm-lto9-hh": "IBM ULT3580-HH9", "ibm-lto10": "IBM ULT3580-TDA", "hpe-lto6": "HP Ultrium 6-SCSI", "hpe-lto9": "HPE Ultrium 9-SCSI", "ibm-359260f": "IBM 0359260F", "stk-t10000d": "STK T10000D"} {
		if d, err := s.Drive(name); err != nil || d.Vendor+" "+d.Product != want {
			t.Errorf("%s is %s %s, %v", name, d.Vendor, d.Product, err)
		}
	}
	// LTFS takes no less (4 characters are compared).
	for name, least := range map[string]string{"ibm-lto5": "B170", "ibm-lto8": "HB81", "ibm-3592e07": "3694"} {
		if d, err := s.Drive(name); err != nil || len(d.Revision) != 4 || d.Revision < least {
			t.Errorf("%s has the revision %s, %v", name, d.Revision, err)
		}
	}
}

// A drive takes media by the table: two generations back are read, one is written, and from LTO-8 on one alone.
func TestUse(t *testing.T) {
	s := builtin(t)
	for drive, want := range map[string]string{
		"ibm-lto1": "L1w", "ibm-lto4": "L2r L3w L4w LTw LUw", "ibm-lto5": "L3r L4w L5w LTr LUw LVw", "hpe-lto7": "L5r L6w L7w LVr LWw LXw",
		"ibm-lto8": "L7w M8w L8w LXw LYw", "ibm-lto9": "L8w L9w LYw LZw", "ibm-lto10": "LAw PAw LHw", "ibm-3592e07": "JAr JJr JBw JCw JKw JWr JRr JXw JYw",
	} {
		d, err := s.Drive(drive)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Fields(want)
		var names []string
		for _, f := range s.Formats {
			names = append(names, f.Name, f.WORMName)
		}
		for _, name := range append(names, "", "XX") {
			u, ok := s.Use(d, name)
			got := ""
			if ok {
				got = name + map[bool]string{true: "w", false: "r"}[u.Write]
			}
			expected := ""
			for _, w := range want {
				if name != "" && strings.HasPrefix(w, name) {
					expected = w
				}
			}
			if got != expected || ok && u.Density == 0 {
				t.Errorf("%s does with %q: %q, want %q", drive, name, got, expected)
			}
		}
		if formats, err := s.FormatsOf(d); err != nil || len(formats) != len(d.Formats) {
			t.Errorf("%s: %v", drive, err)
		}
	}
}

// Names that are not there come with those that are like them.
func TestMissing(t *testing.T) {
	s := builtin(t)
	_, err := s.Library("ibm-ts350")
	if err == nil || !strings.Contains(err.Error(), "Did you mean ibm-ts3500") {
		t.Error(err)
	}
	if _, err := s.Drive("lto8"); err == nil || !strings.Contains(err.Error(), "ibm-lto8") {
		t.Error(err)
	}
	if _, err := s.Format("L0"); err == nil {
		t.Error("a format that is not there")
	}
	if _, err := s.Drive(strings.Repeat("x", 1000)); err == nil || len(err.Error()) > 400 {
		t.Error(err)
	}
	hpe, _ := s.Library("hpe-msl-g3")
	if d, err := s.DriveOf(hpe, "lto7"); err != nil || d.Name != "hpe-lto7" {
		t.Errorf("%s, %v", d.Name, err)
	}
}

// example is a file of a user.
const example = `# ours
libraries:
  - name: ours
    like: ibm-ts3500
    addresses: {storage: 0x400, mail: 0x300}
  - name: ibm-ts3100 # takes the place of the other
    like: ibm-ts3100
    revision: "9.99"
drives:
  - name: before
    like: slow
    help: it is like what comes behind it
  - name: slow
    like: ibm-lto5
    max-block: 65536
    formats: [{format: XX, write: true}, {format: L5}]
formats:
  - {name: XX, like: L5, worm-type: 0x5c, worm-name: XY, capacity: 100}
`

// A user's file adds, and takes the place of what is there; a folder is all of its files.
func TestWith(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ours.yaml")
	write(t, file, example)
	write(t, filepath.Join(dir, "README"), "not one of them")
	for _, at := range []string{file, dir} {
		s, err := builtin(t).With(at)
		if err != nil {
			t.Fatal(err)
		}
		l, err := s.Library("ours")
		if err != nil || l.Product != "03584L32" || l.Addresses != (Addresses{1, 0x400, 0x300, 0x101}) {
			t.Errorf("%+v, %v", l, err)
		}
		if l, err := s.Library("ibm-ts3100"); err != nil || l.Revision != "9.99" || l.Product != "3573-TL" {
			t.Errorf("%+v, %v", l, err)
		}
		if d, err := s.Drive("before"); err != nil || d.MaxBlock != 65536 || d.Product != "ULT3580-TD5" {
			t.Errorf("%+v, %v", d, err)
		}
		slow, _ := s.Drive("slow")
		if u, ok := s.Use(slow, "XY"); !ok || !u.Write || u.Density != 0x58 {
			t.Errorf("%+v, %v", u, ok)
		}
		if was, _ := builtin(t).Library("ibm-ts3100"); was.Revision == "9.99" {
			t.Error("the set that it was made of has changed")
		}
	}
	if _, err := builtin(t).With(filepath.Join(dir, "none")); err == nil {
		t.Error("a file that is not there")
	}
	write(t, file, strings.Repeat("#", maxFile+1))
	if _, err := builtin(t).With(file); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Error(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What is wrong is told with its place.
func TestWrong(t *testing.T) {
	const library = "libraries:\n  - name: x\n    like: ibm-ts3500\n"
	const drive = "drives:\n  - name: x\n    like: ibm-lto8\n"
	base := builtin(t)
	const format = "formats:\n  - name: X1\n    like: L8\n    worm-type: 0\n    worm-name: \"\"\n"
	for text, want := range map[string]string{
		"librarys: []":                           `f.yaml:1:1: there is no key "librarys"`,
		"libraries: {}":                          "f.yaml:1:12: a list is wanted",
		"libraries: [5]":                         "f.yaml:1:13: keys and values are wanted here, not a number",
		"- a":                                    "f.yaml:1:1: keys and values are wanted here, not a list",
		"libraries: [":                           "this is not YAML",
		"a: 1\n---\nb: 1":                        "f.yaml:3:1: a second document",
		strings.Repeat("[", 100):                 "f.yaml:1:1: values are nested too deep",
		"libraries:\n  - help: x":                "f.yaml:2:5: a library needs name",
		"libraries:\n  - name: x":                `f.yaml:2:5: the library "x" needs help`,
		library + "    vendor: 12":               "f.yaml:4:13: vendor: a string is wanted, not a number (in quotes: \"12\")",
		library + "    vendor: NINELETTERS":      "f.yaml:4:13: vendor: \"NINELETTERS\" has 11 characters: 1 to 8",
		library + "    vendor: \"a\\tb\"":        "f.yaml:4:13: vendor: \"a\\tb\" has the character '\\t'",
		library + "    vendor: \"\"":             "f.yaml:4:13: vendor: \"\" has 0 characters",
		library + "    vendor: \" x\"":           "begins or ends with a space",
		library + "    vendr: x":                 `f.yaml:4:5: there is no key "vendr" here. Did you mean vendor?`,
		library + "    vendor: x\n    vendor: y": `f.yaml:5:5: the key "vendor" is here twice`,
		library + "    vendor: &a x":             "f.yaml:4:13: vendor: a string is wanted, not an anchor",
		library + "    barcodes: 1":              "f.yaml:4:15: barcodes: true or false is wanted, not a number",
		library + "    version: 8":               "f.yaml:4:14: version: 8 is not from 0 to 7",
		library + "    version: 256":             "f.yaml:4:14: version: 256 is not a number from 0 to 255",
		library + "    version: -1":              "f.yaml:4:14: version: -1 is not a number from 0 to 255",
		library + "    version: 1.5":             "a whole number is wanted",
		library + "    length: 20":               "f.yaml:4:13: length: 20 is not 0 and not from 36 to 96",
		library + "    length: 40":               "f.yaml:4:13: length: 40 has no room for the serial number",
		library + "    identifier: t11":          `f.yaml:4:17: identifier: "t11" is not t10 or serial`,
		library + "    identifier-length: 5":     "identifier-length is for an identifier that is a serial number",
		library + "    addresses: {drive: 1}":    "addresses overlap: 1 the transport are at 1 to 1, and 1 drives at 1 to 1",
		library + "    addresses: {drive: 0x2ff}\n    max-drives: 3":     "addresses overlap: 1 mail slots are at 769 to 769, and 3 drives",
		library + "    addresses: {drive: 0x2ff, x: 1}":                  `f.yaml:4:31: there is no key "addresses.x"`,
		library + "    max-slots: 65535":                                 "end at 66559: the last address is 65535",
		library + "  - name: x\n    like: ibm-ts3100":                    "f.yaml:4:5: the library \"x\" is at f.yaml:2:5 already",
		"libraries:\n  - name: x\n    like: y":                           "f.yaml:3:5: like: there is no library \"y\"",
		"libraries:\n  - name: x\n    like: x":                           `f.yaml:2:5: the library "x" is like itself`,
		"libraries:\n  - name: x\n    like: y\n  - name: y\n    like: x": `is like itself, perhaps by way of others`,
		"libraries:\n  - name: X!\n    like: ibm-ts3500":                 "f.yaml:2:11: name: \"X!\" does not look right",
		drive + "    formats: []":                                        "f.yaml:4:14: formats: 0 are here: 1 to 32 are wanted",
		drive + "    formats: [{format: L8}]":                            "formats[0]: a drive writes its own format",
		drive + "    formats: [{format: ZZ, write: true}]":               `formats[0]: there is no media format "ZZ"`,
		drive + "    formats: [{format: LY, write: true}]":               "formats[0]: LY are the WORM cartridges of L8: name that",
		drive + "    formats: [{format: L8, write: true}, {format: L8}]": "formats[1]: L8 is here twice",
		drive + "    formats: [{write: true}]":                           "formats[0] needs format",
		drive + "    max-block: 0":                                       "max-block: 0 is not from 1 to 8388608",
		drive + "    min-block: 8388608\n    max-block: 5":               "f.yaml:4:16: min-block: 8388608 is more than max-block",
		drive + "    granularity: 3\n    min-block: 4":                   "granularity: blocks of min-block and max-block are no multiples of 8",
		drive + "    protection: [3]":                                    "protection[0]: 3 is neither 1 nor 2",
		drive + "    protection: [1, 1]":                                 "here twice",
		drive + "    encryption: 0":                                      "there is no encryption that ukad and akad could be for",
		"libraries:\n  - {name: x, help: x, vendor: x, product: x, revision: x, maker: x, identifier: t10, addresses: {drive: 1}}": "addresses needs transport",
		format + "    worm-type: 0x11":                                    "is here twice",
		"formats:\n  - name: X1\n    like: L8":                            "barcodes that end in LY are those of the media format L8 already",
		"formats:\n  - name: LONG\n    like: L8":                          "does not look right",
		"formats:\n  - {name: X1, like: L8, worm-name: X2, worm-type: 0}": "worm-type and worm-name are there together",
	} {
		b := base.builder()
		b.read("f.yaml", []byte(text))
		if _, err := b.set(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n    %v\n    want %s", text, err, want)
		}
	}
}

// compiled is the JSON Schema.
func compiled(t testing.TB) *jsonschema.Schema {
	t.Helper()
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("p.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("p.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is YAML as the validator of schemas takes it.
func asJSON(t testing.TB, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	x, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// The schema takes all files that are right, and refuses the values that the program refuses by themselves.
func TestSchemaAgrees(t *testing.T) {
	s := compiled(t)
	all, err := filepath.Glob("data/*/*.yaml")
	if err != nil || len(all) < 10 {
		t.Fatal(all, err)
	}
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Validate(asJSON(t, []byte(example))); err != nil {
		t.Error(err)
	}
	const library = "libraries:\n  - name: x\n    like: ibm-ts3500\n    "
	const drive = "drives:\n  - name: x\n    like: ibm-lto8\n    "
	base := builtin(t)
	for _, wrong := range []string{
		"librarys: []", "libraries: {}", "libraries: [5]", "libraries: [{help: x}]", "libraries: [{name: x}]", library + "vendor: 12", library + "vendor: NINELETTERS",
		library + "vendor: ''", library + "vendor: ' x'", library + "vendr: x", library + "barcodes: 1", library + "version: 8", library + "version: -1", library + "identifier: t11",
		library + "addresses: {x: 1}", drive + "formats: []", drive + "formats: [{write: true}]", drive + "max-block: 0", drive + "protection: [3]", "formats: [{name: LONG, like: L8}]",
	} {
		b := base.builder()
		b.read("f.yaml", []byte(wrong))
		_, own := b.set()
		if err := s.Validate(asJSON(t, []byte(wrong))); err == nil || own == nil {
			t.Errorf("%s: the schema says %v, the program %v", wrong, err, own)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("libraries: [{name: x, like: ibm-ts3500, addresses: {drive: 7}}]"))
	f.Add([]byte("drives:\n- name: &a x\n  like: *a\n"))
	base := builtin(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxFile {
			return
		}
		b := base.builder()
		b.read("f", text)
		s, err := b.set()
		if err != nil {
			return
		}
		for _, d := range s.Drives {
			if _, err := s.FormatsOf(d); err != nil || d.MaxBlock < 1 || d.MaxBlock > biggestBlock {
				t.Errorf("%+v: %v", d, err)
			}
		}
		for _, l := range s.Libraries {
			if len(l.Vendor) > 8 || len(l.Product) > 16 || len(l.Revision) > 4 || l.Addresses.Check(1, 1, 1) != nil {
				t.Errorf("%+v", l)
			}
		}
	})
}
