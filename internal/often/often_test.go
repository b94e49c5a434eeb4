package often_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/internal/often"
)

func TestEvents(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	var e often.Events
	for _, n := range []int{0, 1, often.Told, often.Told + 5, 2} {
		b.Reset()
		for range n {
			e.Warn(log, "refused", "who", "me")
		}
		e.Second(log, "more")
		if got := strings.Count(b.String(), "msg=refused who=me"); got != min(n, often.Told) {
			t.Errorf("%d of %d were told", got, n)
		}
		if more := strings.Contains(b.String(), "msg=more count=5\n"); more != (n == often.Told+5) {
			t.Errorf("%d: %s", n, b.String())
		}
	}
}
