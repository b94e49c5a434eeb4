package model

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
)

// A document may begin with a byte order mark, and is UTF-8.
func TestReadTakesAMark(t *testing.T) {
	if _, err := Read("x.yaml", []byte("\ufeff"+goodYAML), testSchema); err != nil {
		t.Error(err)
	}
	var big, little []byte
	for _, u := range utf16.Encode([]rune("\ufeffversion: 1\n")) {
		big, little = append(big, byte(u>>8), byte(u)), append(little, byte(u), byte(u>>8))
	}
	for name, test := range map[string]struct{ text, want string }{
		"big":          {string(big), "UTF-16"},
		"little":       {string(little), "UTF-16"},
		"no mark":      {string(big[2:]), "UTF-16"},
		"latin-1":      {strings.Replace(goodYAML, "a target", "a t\xe4rget", 1), "x.yaml:12:16: the byte 0xe4 is not UTF-8"},
		"after a rune": {strings.Replace(goodYAML, "a target", "ä t\xe4rget", 1), "x.yaml:12:16: the byte 0xe4 is not UTF-8"},
		"escape":       {strings.Replace(goodYAML, "a target", "a \x1b[2J", 1), `x.yaml:12:15: there is the control character '\x1b': in quotes it can be written "\x1b"`},
		"mark inside":  {strings.Replace(goodYAML, "a target", "\ufeff", 1), ""},
	} {
		_, err := Read("x.yaml", []byte(test.text), testSchema)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// What the parser finds is told in words that help, at the right line.
func TestParserSpeaksPlainly(t *testing.T) {
	for text, want := range map[string]string{
		"version: 1\n\tunits: []\n":                "x.yaml:2:1: there is a tab where blanks are wanted",
		"version: 1\nunits:\n- name: a\n   x: 1\n": "look at the indentation",
		"version: 1\n  units: []\n":                "x.yaml:",
		"{\"version\": 1,":                         "or a }, is wanted",
		"{\"version\": 1, \"units\": [":            "has no ",
		"version: \"1\n":                           "a \" is missing",
		"version: '1\n":                            "a ' is missing",
		"version: \"\\q\"\n":                       "there is no such escape",
		"version: @1\n":                            "write the value in quotes",
		"version: 1\nversion: 1\n":                 "x.yaml:2:1: the key \"version\" is here twice",
		"a: b: c\n":                                "look at the indentation",
		"units: [1, 2\n":                           "the [ here has no ]",
		"units: ]\n":                               "",
		"version: 1\nunits\n":                      "",
		"version: *x\n":                            "anchors, aliases, merges and tags are not taken here",
	} {
		_, err := Read("x.yaml", []byte(text), testSchema)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
			continue
		}
		for _, theirs := range []string{"token", "context", "mapping", "found character", "could not"} {
			if strings.Contains(err.Error(), theirs) {
				t.Errorf("%q: the words are the parser's: %v", text, err)
			}
		}
	}
}

// What cannot be read does not hide what is wrong elsewhere, and is not told twice.
func TestAllProblemsAtOnce(t *testing.T) {
	const text = `version: 1
unit: 5
units:
  - {name: a, store: {kind: file, path: /a, sise: 1G}, device: {kind: disk, blocksize: 512}}
  - {name: 7, store: {kind: memory, size: 1X}}
targets:
  - {name: "iqn.2026-11.io.lunette:t", luns: {0: a, 1: b, x: a}, alias: [1]}
  - {name: "iqn.2026-11.io.lunette:T", luns: {0: a, 0: a}}
limits: {memory: lots, logins: 9999999}
`
	_, err := Read("x.yaml", []byte(text), testSchema)
	var got []string
	for _, p := range All(err) {
		got = append(got, p.Error())
	}
	want := []string{
		`:5:12: units[1].name: "7" is a number`, `"x" is not a LUN`, `alias: "1"`, `:8:53: targets[1].luns: the key "0" is here twice`, `limits.memory: "lots" is not a size`,
		`no option "sise"`, `no option "blocksize"`, `units[1].store.size: "1X" is not a size`, `there are two targets "iqn.2026-11.io.lunette:t"`, `limits.logins: 9999999 is not`, `x.yaml:2:1: there is no key "unit"`,
	}
	all := strings.Join(got, "\n")
	want[2] = "alias: this is a list"
	for _, w := range want {
		if !strings.Contains(all, w) {
			t.Errorf("%s is not told", w)
		}
	}
	if len(got) != len(want) || t.Failed() {
		t.Errorf("%d problems, want %d:\n%s", len(got), len(want), all)
	}
}

// A kind may have the name that YAML has for nothing.
func TestReadTakesTheKindNull(t *testing.T) {
	schema := testSchema
	schema.Kinds = append([]Kind{{Axis: "store", Name: "null", Options: []Option{{Name: "size", Type: Bytes}}}}, schema.Kinds...)
	const text = `{version: 1, units: [{name: a, store: {kind: %s, size: 1M}}], targets: [{name: "iqn.2026-11.io.lunette:t", luns: {0: a}}]}`
	for kind, want := range map[string]string{"null": "", `"null"`: "", "~": "no value", "": "no value", "Null": "no value"} {
		_, err := Read("x.yaml", fmt.Appendf(nil, text, kind), schema)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", kind, err, want)
		}
	}
	if _, err := Read("x.yaml", fmt.Appendf(nil, text, "null"), testSchema); err == nil || !strings.Contains(err.Error(), `there is no store "null"`) {
		t.Error(err)
	}
}

func FuzzEncoded(f *testing.F) {
	f.Add([]byte("\ufeffversion: 1\n"))
	f.Add([]byte("\xff\xfev\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		plain, at, err := encoded(text)
		if err != nil {
			if strings.ContainsFunc(err.Error(), unicode.IsControl) || at.Line > 1+bytes.Count(text, []byte("\n")) {
				t.Fatalf("%q: %v at %v", text, err, at)
			}
			return
		}
		if !bytes.HasSuffix(text, plain) || len(text)-len(plain) > 3 || bytes.ContainsRune(plain, 0x1b) {
			t.Fatalf("%q has become %q", text, plain)
		}
	})
}
