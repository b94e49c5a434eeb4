//go:build interop

package interop

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// An outcome is what became of one conformance test on one unit.
type outcome string

const (
	pass outcome = "pass"
	skip outcome = "skip"
	fail outcome = "fail"
	hang outcome = "hang"
)

// worse is the one of two outcomes that says less for the server; "" is none yet.
func worse(a, b outcome) outcome {
	order := []outcome{"", pass, skip, fail, hang}
	if slices.Index(order, a) > slices.Index(order, b) {
		return a
	}
	return b
}

// An expectation is a line of expected.txt.
type expectation struct {
	test, unit string
	outcome    outcome
	reason     string
}

// readExpected reads the lines of expected.txt and refuses what contradicts itself or means nothing.
func readExpected(r io.Reader) ([]expectation, error) {
	var es []expectation
	scan := bufio.NewScanner(r)
	for n := 1; scan.Scan(); n++ {
		line, _, _ := strings.Cut(scan.Text(), "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) < 4 {
			return nil, fmt.Errorf("line %d: want test, unit, outcome and reason", n)
		}
		e := expectation{f[0], f[1], outcome(f[2]), strings.Join(f[3:], " ")}
		switch {
		case !slices.Contains([]outcome{pass, skip, fail}, e.outcome):
			return nil, fmt.Errorf("line %d: no outcome %s", n, e.outcome)
		case e.main() && e.outcome == pass:
			return nil, fmt.Errorf("line %d: passing is the rule and needs no line", n)
		case !e.main() && !slices.Contains([]string{"blocks4096", "readonly"}, e.unit):
			return nil, fmt.Errorf("line %d: no unit %s", n, e.unit)
		}
		for _, o := range es {
			if o.test == e.test && (o.unit == e.unit || o.unit == "any" || e.unit == "any" || o.main() != e.main()) {
				return nil, fmt.Errorf("line %d: %s is there already", n, e.test)
			}
		}
		es = append(es, e)
	}
	return es, scan.Err()
}

// main says that the line is about one or both of the main units.
func (e expectation) main() bool { return slices.Contains([]string{"any", "file", "memory"}, e.unit) }

// plan is what one unit has to run, and what should become of it.
func plan(unit string, tests []string, es []expectation) map[string]expectation {
	p := make(map[string]expectation)
	if unit == "file" || unit == "memory" {
		for _, test := range tests {
			p[test] = expectation{test, unit, pass, "every test passes unless expected.txt says otherwise"}
		}
	}
	for _, e := range es {
		switch {
		case e.unit == unit, e.unit == "any" && (unit == "file" || unit == "memory"):
			p[e.test] = e
		case !e.main():
			delete(p, e.test) // it runs on its own unit
		}
	}
	return p
}

func TestReadExpected(t *testing.T) {
	const header = "# comment\n\n"
	for _, c := range []struct{ text, err string }{
		{"A.B any skip no such command # really", ""},
		{"A.B file skip x\nA.B memory fail y", ""},
		{"A.B readonly pass x", ""},
		{"A.B any skip", "line 3: want test, unit, outcome and reason"},
		{"A.B any hang x", "line 3: no outcome hang"},
		{"A.B any pass x", "line 3: passing is the rule and needs no line"},
		{"A.B tape skip x", "line 3: no unit tape"},
		{"A.B any skip x\nA.B file fail x", "line 4: A.B is there already"},
		{"A.B readonly pass x\nA.B file fail x", "line 4: A.B is there already"},
	} {
		_, err := readExpected(strings.NewReader(header + c.text))
		if got := fmt.Sprint(err); got != c.err && (err != nil || c.err != "") {
			t.Errorf("%q: %s, want %q", c.text, got, c.err)
		}
	}
}

func TestPlan(t *testing.T) {
	es, err := readExpected(strings.NewReader("A.skips any skip x\nA.file file fail x\nA.other readonly pass x\n"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []string{"A.skips", "A.file", "A.other", "A.plain"}
	for unit, want := range map[string]map[string]outcome{
		"file":       {"A.skips": skip, "A.file": fail, "A.plain": pass},
		"memory":     {"A.skips": skip, "A.file": pass, "A.plain": pass},
		"readonly":   {"A.other": pass},
		"blocks4096": {},
	} {
		p := plan(unit, tests, es)
		if len(p) != len(want) {
			t.Errorf("%s: %d tests, want %d", unit, len(p), len(want))
		}
		for test, o := range want {
			if p[test].outcome != o {
				t.Errorf("%s: %s should %q, want %s", unit, test, p[test].outcome, o)
			}
		}
	}
}
