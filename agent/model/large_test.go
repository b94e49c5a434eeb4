package model

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// large is a document of n targets with four units each, in YAML or JSON.
func large(n int, f Format) []byte {
	var b strings.Builder
	if f == JSON {
		b.WriteString(`{"version":1,"units":[`)
		for i := range 4 * n {
			if i > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, `{"name":"u%d","store":{"kind":"file","path":"/x/u%d.img","size":"1G"}}`, i, i)
		}
		b.WriteString(`],"targets":[`)
		for i := range n {
			if i > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, `{"name":"iqn.2026-11.io.lunette:t%d","luns":{"0":"u%d","1":"u%d","2":"u%d","3":"u%d"}}`, i, 4*i, 4*i+1, 4*i+2, 4*i+3)
		}
		b.WriteString(`]}`)
		return []byte(b.String())
	}
	b.WriteString("version: 1\nunits:\n")
	for i := range 4 * n {
		fmt.Fprintf(&b, "  - name: u%d\n    store:\n      kind: file\n      path: /x/u%d.img\n      size: 1G\n", i, i)
	}
	b.WriteString("targets:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: iqn.2026-11.io.lunette:t%d\n    luns:\n      0: u%d\n      1: u%d\n      2: u%d\n      3: u%d\n", i, 4*i, 4*i+1, 4*i+2, 4*i+3)
	}
	return []byte(b.String())
}

func BenchmarkRead(b *testing.B) {
	for _, f := range []Format{JSON, YAML} {
		b.Run(string(f), func(b *testing.B) {
			text := large(1000, f)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			defer cpu(b)()
			for range b.N {
				if _, err := Read("big", text, testSchema); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkValidate(b *testing.B) {
	d, err := Read("big", large(1000, JSON), testSchema)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	defer cpu(b)()
	for range b.N {
		if err := d.Validate(testSchema); err != nil {
			b.Fatal(err)
		}
	}
}

// cpu reports the processor's time of what is timed, which other programs do not change.
func cpu(b *testing.B) func() {
	var before syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	return func() {
		var after syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
		used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
		b.ReportMetric(float64(used)/float64(b.N)/1e6, "cpu-ms/op")
	}
}

func BenchmarkEdited(b *testing.B) {
	for _, f := range []Format{JSON, YAML} {
		for key, body := range map[string]string{
			"unit/u2000":                          `{"name": "u2000", "store": {"kind": "file", "path": "/x/u2000.img", "size": "2G"}}`,
			"target/iqn.2026-11.io.lunette:t500":  `{"luns": {"0": "u0"}}`,
			"access/iqn.2026-11.io.lunette:t10/a": `{"luns": {"0": "u1"}}`,
		} {
			k, _ := ParseKey(key)
			b.Run(string(f)+"/"+string(k.Kind), func(b *testing.B) {
				d, err := Read("large", large(1000, f), testSchema)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.ResetTimer()
				defer cpu(b)()
				for range b.N {
					if _, err := d.Edited(testSchema, Edit{Op: PutObject, Key: k, Body: []byte(body)}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
