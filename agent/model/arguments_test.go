package model

import (
	"strings"
	"testing"
)

// Arguments are checked as options are, whichever way they are written.
func TestArguments(t *testing.T) {
	options := []Option{
		{Name: "barcode", Required: true, Help: "which one"},
		{Name: "drive", Type: Int, Max: 9, Help: "where"},
		{Name: "force", Type: Bool, Help: "all the same"},
		{Name: "wait", Type: Duration, Default: "5s", Help: "how long"},
		{Name: "all", List: true, Help: "several"},
	}
	for _, text := range []string{`{"barcode": "000001L8", "drive": 3, "force": true, "all": ["a"]}`, "barcode: a1L8\ndrive: 3\nforce: true\nall: [a]\n"} {
		v, err := Arguments([]byte(text), options)
		if err != nil {
			t.Fatal(err)
		}
		if v.String("barcode") == "" || v.Int("drive") != 3 || !v.Bool("force") || v.Duration("wait").Seconds() != 5 || len(v.Strings("all")) != 1 {
			t.Errorf("%s is %v", text, v)
		}
	}
	if v, err := Arguments(nil, options[1:]); err != nil || len(v) != 1 {
		t.Errorf("nothing is %v, %v", v, err)
	}
	for text, want := range map[string]string{
		``:                               "it needs barcode: which one",
		`{}`:                             "it needs barcode: which one",
		`[]`:                             "a list",
		`5`:                              "keys and values are wanted",
		`null`:                           "it needs barcode: which one",
		`{"barcode": 5}`:                 "a string is wanted",
		`{"barcode": "a", "drive": 10}`:  "drive: 10 is not from 0 to 9",
		`{"barcode": "a", "barcode": 1}`: "twice",
		`{"barcode": "a", "drivr": 1}`:   `Did you mean "drive"?`,
		`{"barcode": "a", "all": "b"}`:   "a list is wanted",
		`{"barcode": `:                   "",
		"\xff":                           "",
	} {
		if _, err := Arguments([]byte(text), options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzArguments(f *testing.F) {
	f.Add([]byte(`{"barcode": "a", "drive": 3}`))
	f.Add([]byte("barcode: a\nall:\n- b\n"))
	options := []Option{{Name: "barcode", Required: true}, {Name: "drive", Type: Int}, {Name: "all", List: true}, {Name: "size", Type: Bytes}}
	f.Fuzz(func(t *testing.T, text []byte) {
		if v, err := Arguments(text, options); (v == nil) == (err == nil) {
			t.Errorf("%v, %v", v, err)
		}
	})
}
