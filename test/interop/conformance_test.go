//go:build interop

package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	suite     = "iscsi-test-cu"
	testLimit = 60 * time.Second // the longest honest test takes about ten
	hangLimit = 3                // so many hung tests and the rest of the unit's are not worth the wait
	workers   = 2                // servers that work through the tests of a unit side by side
)

// blank are the tests that need a new server, whose units are all zeros: MultipathIO.CompareAndWrite writes zeros to 256
// blocks, and takes 257 for zeros.
var blank = []string{"MultipathIO.CompareAndWrite"}

// A result is what one test did, and what it printed.
type result struct {
	test    string
	outcome outcome
	output  string
}

// TestConformance runs every test of iscsi-test-cu in a process of its own and compares what becomes of it with
// expected.txt, both ways.
func TestConformance(t *testing.T) {
	f, err := os.Open("expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	expected, err := readExpected(f)
	if err != nil {
		t.Fatalf("expected.txt: %v", err)
	}
	tests := listTests(t)
	for _, e := range expected {
		if !slices.Contains(tests, e.test) {
			t.Errorf("expected.txt: %s has no test %s", suite, e.test)
		}
	}
	total := make(map[string]outcome) // the worst of each test
	for _, u := range []struct {
		name string
		setup
	}{
		{"memory", setup{units: []unit{{memory: true, size: "256M"}}}},
		{"file", setup{units: []unit{{size: "256M"}}}},
		{"blocks4096", setup{blockSize: 4096, units: []unit{{memory: true, size: "256M"}}}},
		{"readonly", setup{readOnly: true, units: []unit{{size: "256M"}}}},
	} {
		t.Run(u.name, func(t *testing.T) {
			p := plan(u.name, tests, expected)
			count := make(map[outcome]int)
			for r := range conform(t, u.setup, slices.DeleteFunc(slices.Clone(tests), func(test string) bool { _, ok := p[test]; return !ok })) {
				count[r.outcome]++
				total[r.test] = worse(total[r.test], r.outcome)
				if e := p[r.test]; r.outcome != e.outcome {
					t.Errorf("%s: %s, expected %s (%s):\n%s", r.test, r.outcome, e.outcome, e.reason, r.output)
				}
			}
			report(" "+u.name, count)
		})
	}
	count := make(map[outcome]int)
	for _, o := range total {
		count[o]++
	}
	report("", count)
}

func report(unit string, count map[outcome]int) {
	fmt.Printf("%s%s: %d passed, %d failed, %d hung, %d skipped\n", suite, unit, count[pass], count[fail], count[hang], count[skip])
}

// listTests returns the names of all tests as Suite.Test.
func listTests(t *testing.T) []string {
	t.Helper()
	out, err := tool(t, suite, "-l")
	if err != nil {
		t.Fatalf("%s -l: %v: %s", suite, err, out)
	}
	var tests []string
	for _, line := range strings.Split(out, "\n") {
		// Families overlap; ALL has every test once.
		if name, ok := strings.CutPrefix(line, "ALL."); ok && strings.Contains(name, ".") {
			tests = append(tests, name)
		}
	}
	if len(tests) < 200 {
		t.Fatalf("%s -l lists %d tests: is it the one of libiscsi 1.19?", suite, len(tests))
	}
	return tests
}

// conform runs the tests on a few servers at once and sends each result. The tests of one server follow each other;
// one that did not end well gets a new server, as reservations and half-dead sessions would spoil the next ones.
func conform(t *testing.T, s setup, tests []string) <-chan result {
	todo := make(chan string, len(tests))
	for _, test := range tests {
		todo <- test
	}
	close(todo)
	results := make(chan result)
	var wg sync.WaitGroup
	var hung atomic.Int32
	for range min(workers, len(tests)) {
		dir := t.TempDir()
		wg.Go(func() {
			var v *server
			for test := range todo {
				if hung.Load() >= hangLimit {
					results <- result{test, fail, fmt.Sprintf("not run: %d tests hung", hangLimit)}
					continue
				}
				if v != nil && slices.Contains(blank, test) {
					v.kill()
					v = nil
				}
				if v == nil {
					var err error
					if v, err = startServer(dir, s); err != nil {
						results <- result{test, fail, err.Error()}
						continue
					}
				}
				r := runTest(v, test)
				if r.outcome == hang {
					hung.Add(1)
				}
				switch {
				case !v.alive():
					r = result{test, fail, fmt.Sprintf("%s\nthe server ended: %v; it printed:\n%s", r.output, v.err, v.printed())}
					v = nil
				case r.outcome == fail || r.outcome == hang:
					v.kill()
					v = nil
				}
				results <- r
			}
			if v == nil {
				return
			}
			if err := v.stop(10 * time.Second); err != nil {
				t.Errorf("server ended with %v; it printed:\n%s", err, v.printed())
			}
		})
	}
	go func() {
		wg.Wait()
		close(results)
	}()
	return results
}

// summary is the line that says one test ran.
var summary = regexp.MustCompile(`(?m)^ +tests +1 +1 +[01] +[01] `)

// runTest runs one test. -d allows it to write; the URL is there twice for the tests that want two paths. It is
// told from its exit status and what it printed, as the suite counts a skipped test as passed.
func runTest(v *server, test string) result {
	out, err := run(testLimit, suite, "-d", "-n", "-t", "ALL."+test, v.url(0), v.url(0))
	var exit *exec.ExitError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return result{test, hang, out}
	case errors.As(err, &exit) || err == nil && !summary.MatchString(out):
		return result{test, fail, fmt.Sprintf("%s\n%s: %v", out, suite, err)}
	case err != nil:
		return result{test, fail, err.Error()}
	case strings.Contains(out, "[SKIPPED]"):
		return result{test, skip, out}
	}
	return result{test, pass, out}
}
