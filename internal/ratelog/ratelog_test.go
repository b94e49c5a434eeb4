package ratelog_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/internal/ratelog"
)

func TestEvents(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	var e ratelog.Events
	for _, n := range []int{0, 1, ratelog.PerSecond, ratelog.PerSecond + 5, 2} {
		b.Reset()
		for range n {
			e.Warn(log, "refused", "who", "me")
		}
		e.Flush(log, "more")
		if got := strings.Count(b.String(), "msg=refused who=me"); got != min(n, ratelog.PerSecond) {
			t.Errorf("%d of %d were told", got, n)
		}
		if more := strings.Contains(b.String(), "msg=more count=5\n"); more != (n == ratelog.PerSecond+5) {
			t.Errorf("%d: %s", n, b.String())
		}
	}
}
