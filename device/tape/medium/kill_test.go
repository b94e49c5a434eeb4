package medium

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/buffer"
)

// places are all places of this package at which a process can be killed.
func places(t *testing.T) (all []string) {
	t.Helper()
	place := regexp.MustCompile(`failpoint\.Here\("([^"]+)"\)`)
	files, err := filepath.Glob("*.go")
	must(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		must(t, err)
		for _, m := range place.FindAllSubmatch(text, -1) {
			all = append(all, string(m[1]))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Wherever a process is killed that writes, formats, compacts, creates or deletes: the cartridge is there, whole, and has all that was durable,
// and nothing of what was undone; or it is not there.
func TestKill(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "writer")
	if out, err := exec.Command("go", "build", "-tags", "failpoint", "-o", bin, "./testdata/writer").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	parent := t.TempDir()
	dir := filepath.Join(parent, "A")
	version, durable, kills := uint64(0), uint64(0), 0
	run := func(place string) (killed bool) {
		version += 100
		if place == "" {
			version = version/35*35 + 35 - 18 // so that it comes to all of it
		}
		c := exec.Command(bin, dir, fmt.Sprint(version))
		c.Env = append(os.Environ(), "LUNETTE_FAILPOINT="+place)
		out, err := c.CombinedOutput()
		exit := (*exec.ExitError)(nil)
		killed = errors.As(err, &exit) && exit.ExitCode() == -1
		if err != nil && !killed {
			t.Fatalf("%s: %v: %s", place, err, out)
		}
		there := false
		for line := range strings.Lines(string(out)) {
			var n uint64
			switch word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word {
			case "there":
				there = true
			case "gone":
				there, durable = false, 0
			case "durable":
				_, _ = fmt.Sscanf(line, "durable %d", &n)
				durable = n
			case "cut":
				_, _ = fmt.Sscanf(line, "cut %d", &n)
				durable = min(durable, n)
			}
		}
		must(t, Sweep(parent))
		checkKilled(t, place, dir, there, durable)
		return killed
	}
	for _, place := range places(t) {
		reached := false
		for n := 1; n <= 2; n++ {
			for v := range 2 { // some it comes to only if there is something, others only if not
				if version += uint64(v); run(fmt.Sprint(place, ":", n)) {
					reached = true
					kills++
				}
			}
		}
		for range 30 {
			if reached {
				break
			}
			if version++; run(place) {
				reached = true
				kills++
			}
		}
		if !reached {
			t.Errorf("nothing comes to %s", place)
		}
	}
	run("")
	t.Logf("%d kills", kills)
}

func checkKilled(t *testing.T, place, dir string, there bool, durable uint64) {
	t.Helper()
	ctx := context.Background()
	c, err := Open(dir, Options{})
	if errors.Is(err, fs.ErrNotExist) && !there {
		return
	}
	if err != nil {
		t.Fatalf("killed at %s: %v", place, err)
	}
	h := c.Head(0)
	last := uint64(0)
	l := buffer.Of(make([]byte, 5000))
	n := uint64(0)
	for ; ; n++ {
		_, err := h.Read(ctx, l, 0, 5000, nil)
		if errors.Is(err, ErrEndOfData) {
			break
		}
		if errors.Is(err, ErrFilemark) {
			continue
		}
		must(t, err)
		object, version := binary.BigEndian.Uint64(l.At(0)), binary.BigEndian.Uint64(l.At(8))
		if object != n || version < last {
			t.Fatalf("killed at %s: at %d there is block %d of version %d, behind version %d", place, n, object, version, last)
		}
		last = version
	}
	if n < durable {
		t.Fatalf("killed at %s: it has %d objects, %d were durable", place, n, durable)
	}
	must(t, c.Close())
	if r, err := Verify(ctx, dir, nil); err != nil || !r.Whole() {
		t.Fatalf("killed at %s: %v, %+v", place, err, r)
	}
	if i, err := Inspect(dir); err != nil || i.Partitions[0].Objects != n {
		t.Fatalf("killed at %s: %v, %+v", place, err, i)
	}
}
