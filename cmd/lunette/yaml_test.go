package main

import (
	"strings"
	"testing"
)

func TestYAML(t *testing.T) {
	tests := []struct{ json, want string }{
		{`{}`, "{}\n"},
		{`[]`, "[]\n"},
		{`"a: b"`, "\"a: b\"\n"},
		{`{"b":1,"a":"x","n":null,"t":true,"e":[],"o":{}}`, "b: 1\na: x\n\"n\": null\nt: true\ne: []\no: {}\n"},
		{`{"luns":{"0":"db","1":{"unit":"b","read-only":true}}}`, "luns:\n  0: db\n  1:\n    unit: b\n    read-only: true\n"},
		{`[{"a":1,"b":{"c":[1,[2,3],{}]}},"s"]`, "- a: 1\n  b:\n    c:\n      - 1\n      -\n        - 2\n        - 3\n      - {}\n- s\n"},
		{`["true","12","1:30","2026-11-29","- x","#","10G","iqn.2026-11.io.lunette:a","a:","a ","","it is told: a"]`,
			"- \"true\"\n- \"12\"\n- \"1:30\"\n- \"2026-11-29\"\n- \"- x\"\n- \"#\"\n- 10G\n- iqn.2026-11.io.lunette:a\n- \"a:\"\n- \"a \"\n- \"\"\n- \"it is told: a\"\n"},
		{`"a\u0007\u202e\nb\ud83d\ude00"`, "\"a\\a\\u202e\\nb😀\"\n"},
	}
	for _, test := range tests {
		v, err := readTree([]byte(test.json))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := writeYAML(&b, v); err != nil || b.String() != test.want {
			t.Errorf("%s, %v:\n%s\nwant\n%s", test.json, err, b.String(), test.want)
		}
	}
	for _, bad := range []string{``, `{`, `[1,`, `1 2`, `{"a"}`, strings.Repeat("[", 20000)} {
		if v, err := readTree([]byte(bad)); err == nil {
			t.Errorf("%.20s is read as %v", bad, v)
		}
	}
}

func FuzzTree(f *testing.F) {
	f.Add([]byte(`{"a":[1,"x",null,{"b":false}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := readTree(text)
		if err != nil {
			return
		}
		var b strings.Builder
		if err := writeYAML(&b, v); err != nil {
			t.Error(err)
		}
		_, _ = inline(v), flat("", v)
		if again, err := treeOf(v); err != nil {
			t.Errorf("%v: %v", again, err)
		}
	})
}
