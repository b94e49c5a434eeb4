//go:build bench

package main

import (
	"os"
	"regexp"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(childEnv); kind != "" {
		exit(child(kind))
	}
	os.Exit(m.Run())
}

// TestBench is the whole comparison; BENCH_QUICK=1 makes it short, BENCH_OUT names a file
// for all samples.
func TestBench(t *testing.T) {
	o := options{
		rounds: 5, time: 750 * time.Millisecond, only: regexp.MustCompile(""), peers: regexp.MustCompile(""), dir: "/var/tmp",
		program: os.Getenv("LUNETTE"), spdk: os.Getenv("SPDK"), fio: os.Getenv("FIO"), json: os.Getenv("BENCH_OUT"), foreign: true,
	}
	if os.Getenv("BENCH_QUICK") != "" {
		o.rounds, o.time = 1, 250*time.Millisecond
	}
	if err := run(t.Context(), os.Stdout, o); err != nil {
		t.Fatal(err)
	}
}
