package ratelog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestPaced(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	now := time.Now()
	p := Paced{now: func() time.Time { return now }}
	for range 100 {
		p.Warn(log, "bad", "lba", 1)
	}
	if n := strings.Count(b.String(), "msg=bad"); n != PacedEvents || strings.Contains(b.String(), "more") {
		t.Errorf("%d of 100 told:\n%s", n, &b)
	}
	b.Reset()
	now = now.Add(PacedWindow)
	p.Warn(log, "bad", "lba", 2)
	p.Warn(log, "bad", "lba", 3)
	if got := b.String(); !strings.Contains(got, "lba=2 more=95\n") || !strings.Contains(got, "lba=3\n") {
		t.Errorf("told:\n%s", got)
	}
	if p.Info(log, "good"); !strings.Contains(b.String(), "level=INFO msg=good\n") {
		t.Errorf("told:\n%s", &b)
	}
	b.Reset()
	p.Flush(log, "more of it")
	if b.Len() != 0 {
		t.Errorf("nothing was held back: %s", &b)
	}
	for range 10 {
		p.Warn(log, "bad")
	}
	b.Reset()
	p.Flush(log, "more of it")
	if !strings.Contains(b.String(), "more=8") {
		t.Errorf("told:\n%s", &b)
	}
}
