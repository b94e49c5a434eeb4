package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/model"
)

// manyTargets is a document of targets with four file units each.
func manyTargets(t testing.TB, targets int) *model.Document {
	t.Helper()
	var units, shown strings.Builder
	for i := range targets {
		fmt.Fprintf(&shown, "- {name: \"iqn.2026-11.io.lunette:t%d\", luns: {", i)
		for j := range 4 {
			name := fmt.Sprintf("u%d", 4*i+j)
			fmt.Fprintf(&units, "- {name: %s, store: {kind: file, path: %s.img, size: 1M}}\n", name, name)
			fmt.Fprintf(&shown, "%d: %s,", j, name)
		}
		shown.WriteString("}}\n")
	}
	doc, err := model.Read("many.yaml", []byte("version: 1\nunits:\n"+units.String()+"targets:\n"+shown.String()+"portals: [\"127.0.0.1:0\"]\nlimits: {connections: 100}\n"), Builtin().Schema())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// cpu is how long this process has used processors.
func cpu(t testing.TB) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkStart opens the units of a document, which are there already.
func BenchmarkStart(b *testing.B) {
	b.Chdir(b.TempDir())
	doc := manyTargets(b, 250)
	opts := Options{Log: slog.New(slog.DiscardHandler), Socket: filepath.Join(b.TempDir(), "s")}
	for i := 0; b.Loop() || i < 2; i++ {
		was := cpu(b)
		at := time.Now()
		d, err := Start(b.Context(), doc, Builtin(), opts)
		if err != nil {
			b.Fatal(err)
		}
		if i > 0 {
			b.ReportMetric((cpu(b) - was).Seconds(), "cpu-s/start")
			b.ReportMetric(time.Since(at).Seconds(), "s/start")
		}
		b.StopTimer()
		if err := d.Stop(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
