package kind

import (
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
)

func TestTimeouts(t *testing.T) {
	all := timeouts([]string{"ERASE(6)=8h", "read element status=10m", "19h=9h", "e0h=1s"})
	want := map[scsi.Opcode]time.Duration{scsi.OpErase6: 9 * time.Hour, scsi.OpReadElementStatus: 10 * time.Minute, 0xe0: time.Second}
	if len(all) != len(want) {
		t.Errorf("%v", all)
	}
	for op, d := range want {
		if all[op] != d {
			t.Errorf("%v: %v, not %v", op, all[op], d)
		}
	}
	for text, wants := range map[string]string{
		"ERASE(6)":     "write COMMAND=TIME",
		"ERASE=8h":     "write ERASE(6)",
		"FLY=8h":       "no name of a command",
		"19h=soon":     "is no time",
		"19h=1ms":      "times from 1s",
		"19h=10000h":   "times from 1s",
		"=8h":          "no name of a command",
		"1219h=8h":     "no name of a command",
		"xxh=8h":       "no name of a command",
		"19h=8h=twice": "is no time",
	} {
		if err := checkTimeout(text); err == nil || !strings.Contains(err.Error(), wants) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzTimeout(f *testing.F) {
	for _, text := range []string{"ERASE(6)=8h", "19h=8h", "=", "19h=", "ERASE=1h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		op, d, err := parseTimeout(text)
		if err != nil {
			return
		}
		if d < minTimeout || d > maxTimeout {
			t.Errorf("%q: %v", text, d)
		}
		if again := timeouts([]string{text}); again[op] != d {
			t.Errorf("%q: %v", text, again)
		}
	})
}
