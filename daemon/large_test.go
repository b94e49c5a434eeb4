package daemon

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
)

// BenchmarkDocument reads 1,000 targets with four units each, with all that the plugins look at, and edits one
// object.
func BenchmarkDocument(b *testing.B) {
	var t strings.Builder
	t.WriteString(`{"version":1,"users":[{"name":"me","secret-file":"/s/me"}],"units":[`)
	for i := range 4000 {
		fmt.Fprintf(&t, `{"name":"u%d","store":{"kind":"file","path":"/x/u%d.img","size":"1G"}},`, i, i)
	}
	text := strings.TrimSuffix(t.String(), ",") + `],"targets":[`
	t.Reset()
	for i := range 1000 {
		fmt.Fprintf(&t, `{"name":"iqn.2026-11.io.lunette:t%d","luns":{"0":"u%d","1":"u%d","2":"u%d","3":"u%d"},"auth":{"users":["me"]}},`, i, 4*i, 4*i+1, 4*i+2, 4*i+3)
	}
	text += strings.TrimSuffix(t.String(), ",") + `]}`
	schema := Builtin().Schema()
	d, err := model.Read("large", []byte(text), schema)
	if err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"read": func() error { _, err := model.Read("large", []byte(text), schema); return err },
		"edit": func() error {
			_, err := d.Edited(schema, model.Edit{Op: model.MergeObject, Key: model.Key{Kind: model.UnitObject, Name: "u2000"}, Body: []byte(`{"store": {"size": "2G"}}`)})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			var before, after syscall.Rusage
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
			for range b.N {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
			used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
			b.ReportMetric(float64(used)/float64(b.N)/1e6, "cpu-ms/op")
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MB")
		})
	}
	runtime.KeepAlive(d)
}
