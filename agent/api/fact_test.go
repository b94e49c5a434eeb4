package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Facts are fields beside those that all have, and columns. What is read is what was written.
func TestFacts(t *testing.T) {
	u := Unit{Name: "a", Device: "disk", Counts: Counts{Commands: 7}, Facts: Facts{
		{Name: "size", Value: int64(1<<62 + 1), Column: "SIZE", Text: "4K"},
		{Name: "name", Value: "another"}, // a field of all units stays what it is
		{Name: "size", Value: int64(1)},
		{Name: "slots", Value: []string{"x", "y"}},
		{Column: "ACCESS", Text: "read-only"},
	}}
	text, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"name":"a","device":"disk","commands":7,"errors":0,"failures":0,"bytesRead":0,"bytesWritten":0,` +
		`"columns":[{"column":"SIZE","text":"4K"},{"column":"ACCESS","text":"read-only"}],"size":4611686018427387905,"slots":["x","y"]}`
	if string(text) != want {
		t.Errorf("%s\nwant %s", text, want)
	}
	var back Unit
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if back.Name != "a" || back.Commands != 7 || len(back.Columns) != 2 || back.Facts.Value("size") != json.Number("4611686018427387905") ||
		fmt.Sprint(back.Facts.Value("slots")) != "[x y]" || back.Facts.Value("device") != nil {
		t.Errorf("%+v", back)
	}
	if again, err := json.Marshal(back); err != nil || !strings.Contains(string(again), `"columns":[{"column":"SIZE","text":"4K"}`) {
		t.Errorf("%s, %v", again, err)
	}
	target := Target{Name: "t", Facts: Facts{{Name: "auth", Value: "none", Column: "AUTH", Text: "none"}}}
	if text, err := json.Marshal(target); err != nil || !strings.HasSuffix(string(text), `"columns":[{"column":"AUTH","text":"none"}],"auth":"none"}`) {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := json.Marshal(Unit{Facts: Facts{{Name: "x", Value: func() {}}}}); err == nil {
		t.Error("a value that is none")
	}
	if json.Unmarshal([]byte(`{"name": 5}`), &back) == nil || json.Unmarshal([]byte(`[]`), &back) == nil {
		t.Error("an answer that is none")
	}
}
