package state

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// childVariable names the directory that the test binary is to write to as a child, until it is killed.
const childVariable = "LUNETTE_STATE_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		os.Exit(child(path))
	}
	os.Exit(m.Run())
}

// largeText is the text of a generation, so large that a kill finds it half written.
func largeText(generation uint64) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "generation: %020d\n", generation), 10_000)
}

// child commits one generation after the other, with a file that each makes, and prints those that
// were acknowledged.
func child(path string) int {
	d, err := Open(path, Options{Keep: 3})
	if err == nil {
		err = errors.Join(takeAllBack(d), d.Cleared())
	}
	for err == nil {
		var tx Transaction
		if tx, err = d.Begin(); err != nil {
			break
		}
		s, _ := d.Current()
		made := filepath.Join(filepath.Dir(path), fmt.Sprint(s.Generation+1, ".img"))
		if err = tx.Makes(Made{Path: made}); err != nil {
			break
		}
		if err = os.WriteFile(made, nil, 0o600); err != nil {
			break
		}
		var m Meta
		if m, err = tx.Commit(largeText(s.Generation+1), Meta{}); err == nil {
			fmt.Println(m.Generation)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func takeAllBack(d *Dir) (err error) {
	for _, m := range d.Unfinished() {
		err = errors.Join(err, TakeBack(m))
	}
	return err
}

// TestKill: a process that is killed leaves the last generation that it has acknowledged, or the next
// one, and nothing of what a change made that was not committed.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	var acknowledged uint64
	for round := range 50 {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), childVariable+"="+path)
		var printed strings.Builder
		c.Stderr = &printed
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		// It is killed some steps after it has acknowledged some generations.
		lines := bufio.NewScanner(out)
		for i := 0; i < 1+rand.IntN(3) && lines.Scan(); i++ {
			if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
				t.Fatal(err)
			}
		}
		for range rand.IntN(1_000_000) { // somewhere in the next one
			_ = rand.Int()
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // those that it has acknowledged until then
			if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.Wait()
		if printed.Len() != 0 {
			t.Fatal(printed.String())
		}
		d, err := Open(path, Options{Keep: 3})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		s, _ := d.Current()
		if s.Generation != acknowledged && s.Generation != acknowledged+1 || !bytes.Equal(s.Text, largeText(s.Generation)) {
			t.Fatalf("round %d: generation %d after %d was acknowledged", round, s.Generation, acknowledged)
		}
		if err := errors.Join(takeAllBack(d), d.Cleared(), d.Close()); err != nil {
			t.Fatal(err)
		}
		acknowledged = s.Generation
		made, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.img"))
		if err != nil || uint64(len(made)) != s.Generation {
			t.Fatalf("round %d: %d files that %d generations have made", round, len(made), s.Generation)
		}
	}
	t.Logf("%d generations", acknowledged)
}

func BenchmarkCommit(b *testing.B) {
	path := filepath.Join(b.TempDir(), "state")
	d, err := Open(path, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	text := largeText(1)[:330_000]
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		tx, err := d.Begin()
		if err == nil {
			_, err = tx.Commit(text, Meta{Author: "root"})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen has as many generations as are kept.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "state")
	text := largeText(1)[:330_000]
	d, err := Open(path, Options{})
	for i := 0; i < 100 && err == nil; i++ {
		var tx Transaction
		if tx, err = d.Begin(); err == nil {
			_, err = tx.Commit(text, Meta{})
		}
	}
	if err := errors.Join(err, d.Close()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		d, err := Open(path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		_ = d.Close()
	}
}

// BenchmarkMakes is what one more thing costs, of those that are noted at the same time.
func BenchmarkMakes(b *testing.B) {
	for _, at := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(at), func(b *testing.B) {
			d, err := Open(filepath.Join(b.TempDir(), "state"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			tx, err := d.Begin()
			if err != nil {
				b.Fatal(err)
			}
			defer tx.Abort()
			b.SetParallelism(at)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := tx.Makes(Made{Path: "/srv/lunette/unit-0001.img"}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
