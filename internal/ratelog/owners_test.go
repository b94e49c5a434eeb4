package ratelog

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestOwners(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	var e Owners
	e.Flush(log, "more")
	for range 100 {
		e.Warn(log, "event", "greedy", "what", 1)
	}
	for i := range PerSecond + 5 {
		e.Warn(log, "event", fmt.Sprint("modest", i))
	}
	e.Flush(log, "more")
	for what, want := range map[string]int{"msg=event": 2*PerSecond - 1, "from=greedy what=1": PerSecond, "from=greedy count=90": 1, "from=modest0\n": 1, "from=others count=6": 1, "msg=more": 2} {
		if n := strings.Count(b.String(), what); n != want {
			t.Errorf("%d times %q:\n%s", n, what, b.String())
		}
	}
	b.Reset()
	e.Warn(log, "event", "greedy")
	e.Flush(log, "more")
	if n := strings.Count(b.String(), "\n"); n != 1 {
		t.Errorf("%s", b.String())
	}
}
