package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseFio(t *testing.T) {
	const text = `note: something
{"fio version": "fio-3.33", "jobs": [{"jobname": "job0", "error": 0,
 "read": {"iops": 1000.5, "total_ios": 750, "clat_ns": {"percentile": {"50.000000": 250000, "99.000000": 900000}}},
 "write": {"iops": 500, "total_ios": 375, "clat_ns": {"percentile": {"50.000000": 1, "99.000000": 2}}}}]}`
	s, err := parse([]byte(text))
	if err != nil || s.IOPS != 1500.5 || s.Commands != 1125 || s.writes != 375 || s.P50 != 250 || s.P99 != 900 {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = parse([]byte(strings.Replace(text, `"total_ios": 750`, `"total_ios": 0`, 1)))
	if err != nil || s.P99 != 0.002 {
		t.Errorf("writes only: %+v, %v", s, err)
	}
	for want, bad := range map[string]string{
		"no report":     "fio: it does not work",
		"the report":    "{",
		"not one":       `{"jobs": []}`,
		"error 5":       strings.Replace(text, `"error": 0`, `"error": 5`, 1),
		"done nothing":  `{"jobs": [{}]}`,
		"not one group": "",
	} {
		if want == "not one group" {
			want, bad = "2 groups", `{"jobs": [{}, {}]}`
		}
		if _, err := parse([]byte(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", bad, err, want)
		}
	}
}

func TestFioArguments(t *testing.T) {
	p := &peer{addr: "127.0.0.1:3260", first: 1}
	w := of(4, 2, false, mix64k)[0]
	args := arguments(w.Workload, jobs(p, w), timed(750*time.Millisecond, "--ioengine=libiscsi")...)
	for _, want := range []string{
		"--bs=65536", "--iodepth=16", "--rw=randrw", "--rwmixread=70", "--runtime=750ms", "--ramp_time=200ms", "--thread", "--name=job3",
		`--filename=iscsi\://127.0.0.1\:3260/iqn.2026-11.io.lunette\:bench/2`, "--offset=167772160", "--size=33554432",
	} {
		if !slices.Contains(args, want) {
			t.Errorf("no %s in %q", want, args)
		}
	}
	if n := len(jobs(p, w)); n != 4 {
		t.Errorf("%d jobs", n)
	}
	if args := arguments(readBig, nil); !slices.Contains(args, "--rw=read") {
		t.Errorf("%q", args)
	}
}
