package model

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

// Flags go before what a document says. They are not part of it: its text is what was written, and what is
// wrong with a flag is told by its name.
func TestFlagsGoBeforeTheDocument(t *testing.T) {
	schema := Schema{Document: []Option{{Name: "net", Type: Group, Options: []Option{
		{Name: "engine", Values: []string{"fast", "slow"}, Default: "slow"}, {Name: "room", Type: Bytes, Default: "1M"},
	}}}}
	schema.Flags = []Flag{{Name: "--engine", Given: Grouped("net", Text("engine", "fast"))}}
	text := []byte("version: 1\nportals: []\nnet: {engine: slow, room: 2M} # as it was\n")
	d, err := Read("d.yaml", text, schema)
	if err != nil {
		t.Fatal(err)
	}
	if v := d.Values.Group("net"); v.String("engine") != "fast" || v.Size("room") != 2<<20 {
		t.Errorf("%v", v)
	}
	if !bytes.Equal(d.Text(), text) {
		t.Errorf("the text is %q", d.Text())
	}
	if b, err := d.Encode(YAML); err != nil || !strings.Contains(string(b), "slow") {
		t.Errorf("it is written as %s, %v", b, err)
	}
	e, err := d.Edited(schema, Edit{Op: MergeObject, Key: Key{SectionObject, "net"}, Body: []byte(`{"room": "3M"}`)})
	if err != nil || e.Values.Group("net").String("engine") != "fast" || slices.Equal(e.Text(), text) || e.Text() == nil {
		t.Errorf("edited: %q, %v", e.Text(), err)
	}
	schema.Flags[0].Of[0].Text = "odd"
	if _, err := Read("d.yaml", text, schema); err == nil || !strings.Contains(err.Error(), "--engine: ") {
		t.Errorf("%v", err)
	}
}

// A file of a document is read as far as one may be, and only if it can be read again.
func TestFileText(t *testing.T) {
	dir := t.TempDir()
	if _, err := FileText(dir); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a directory: %v", err)
	}
	long := dir + "/long"
	if err := os.WriteFile(long, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(long, 1<<40); err != nil {
		t.Fatal(err)
	}
	if text, err := FileText(long); err != nil || len(text) != maxDocument+1 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
