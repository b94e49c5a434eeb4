package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
)

// What management is measured with: targets, and units of each, and how often one object is changed.
const (
	managedTargets = 1000
	managedUnits   = 4
	managedChanges = 50
)

// manage measures what changes of a large document cost: wall time on this machine, and processor time of
// the daemon, with all that it has written on the disk.
func manage(ctx context.Context, w io.Writer, o options) error {
	dir, err := os.MkdirTemp(o.dir, "lunette-manage-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m := &managed{o: o, dir: dir, out: w}
	defer m.kill()
	fmt.Fprintf(w, "%d targets with %d file units each; %s\n", managedTargets, managedUnits, machine())
	if err := m.start(ctx); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{m.fill, m.again, m.change} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	m.resident("in use")
	m.kill()
	return m.start(ctx)
}

// A managed is the daemon that is measured.
type managed struct {
	o     options
	dir   string
	out   io.Writer
	c     *client.Client
	child *exec.Cmd
}

// document has targets with file units, a line each.
func (m *managed) document(comment string) []byte {
	var b, targets strings.Builder
	fmt.Fprintf(&b, "version: 1\n# %s\nunits:\n", comment)
	for t := range managedTargets {
		var luns []string
		for u := range managedUnits {
			name := fmt.Sprintf("u%d-%d", t, u)
			fmt.Fprintf(&b, "- {name: %s, store: {kind: file, path: %q, size: 1M}}\n", name, filepath.Join(m.dir, name+".img"))
			luns = append(luns, fmt.Sprintf("%d: %s", u, name))
		}
		fmt.Fprintf(&targets, "- {name: \"iqn.2026-11.io.lunette:t%d\", luns: {%s}}\n", t, strings.Join(luns, ", "))
	}
	fmt.Fprintf(&b, "targets:\n%sportals: [\"127.0.0.1:0\"]\n", targets.String())
	return []byte(b.String())
}

// start starts the daemon on its state, and waits until it answers.
func (m *managed) start(ctx context.Context) error {
	socket := filepath.Join(m.dir, "s")
	program, err := filepath.Abs(m.o.program)
	if err != nil {
		return err
	}
	first := filepath.Join(m.dir, "first.yaml")
	if err := os.WriteFile(first, []byte("version: 1\nportals: [\"127.0.0.1:0\"]\n"), 0o600); err != nil {
		return err
	}
	m.child = exec.CommandContext(ctx, program, "serve", "--state", filepath.Join(m.dir, "state"), "--config", first, "--socket", socket, "--log-level", "error")
	m.child.Stderr = os.Stderr
	m.c = client.New(socket)
	_, err = os.Stat(filepath.Join(m.dir, "state"))
	what := "start with nothing"
	if err == nil {
		what = "start with all"
	}
	began := time.Now()
	if err := m.child.Start(); err != nil {
		return err
	}
	for {
		if _, err := m.c.Status(ctx); err == nil {
			break
		}
		if ctx.Err() != nil || time.Since(began) > time.Minute {
			return errors.New("the daemon does not answer")
		}
		time.Sleep(5 * time.Millisecond)
	}
	m.tell(what, time.Since(began), m.cpu())
	m.resident(what)
	return nil
}

// fill applies the whole document to a daemon that has none of it.
func (m *managed) fill(ctx context.Context) error {
	return m.apply(ctx, "apply of all", m.document("all"), true)
}

// again applies it with another comment: nothing changes.
func (m *managed) again(ctx context.Context) error {
	return m.apply(ctx, "apply with no change", m.document("the same"), true)
}

func (m *managed) apply(ctx context.Context, what string, text []byte, changed bool) error {
	cpu, began := m.cpu(), time.Now()
	r, err := m.c.Apply(ctx, client.ApplyRequest{Text: text})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if r.Changed != changed {
		return fmt.Errorf("%s: changed: %v", what, r.Changed)
	}
	m.tell(fmt.Sprintf("%s (%d steps)", what, len(r.Plan.Steps)), time.Since(began), m.cpu()-cpu)
	return nil
}

// change changes one object at a time.
func (m *managed) change(ctx context.Context) error {
	target := func(i int) model.Key {
		return model.Key{Kind: model.TargetObject, Name: fmt.Sprintf("iqn.2026-11.io.lunette:t%d", i*7)}
	}
	for _, k := range []struct {
		what string
		do   func(i int) (*apply.Result, error)
	}{
		{"alias of a target", func(i int) (*apply.Result, error) {
			return m.c.PatchObject(ctx, target(i), fmt.Appendf(nil, `{"alias": "alias %d"}`, i), client.Options{})
		}},
		{"LUN added to a target", func(i int) (*apply.Result, error) {
			return m.c.PatchObject(ctx, target(i), fmt.Appendf(nil, `{"luns": {"9": "u%d-0"}}`, i), client.Options{})
		}},
		{"unit created", func(i int) (*apply.Result, error) {
			return m.c.CreateObject(ctx, model.Key{Kind: model.UnitObject, Name: fmt.Sprintf("more%d", i)},
				fmt.Appendf(nil, `{"name": "more%d", "store": {"kind": "file", "path": %q, "size": "1M"}}`, i, filepath.Join(m.dir, fmt.Sprintf("more%d.img", i))), client.Options{})
		}},
		{"unit grown", func(i int) (*apply.Result, error) {
			return m.c.PatchObject(ctx, model.Key{Kind: model.UnitObject, Name: fmt.Sprintf("more%d", i)}, []byte(`{"store": {"size": "2M"}}`), client.Options{})
		}},
	} {
		var all []time.Duration
		cpu := m.cpu()
		for i := range managedChanges {
			began := time.Now()
			r, err := k.do(i)
			if err != nil || !r.Changed {
				return fmt.Errorf("%s: %w", k.what, err)
			}
			all = append(all, time.Since(began))
		}
		cpu = (m.cpu() - cpu) / managedChanges
		slices.Sort(all)
		m.tell(k.what+", median", all[len(all)/2], cpu)
		m.tell(k.what+", longest", all[len(all)-1], cpu)
	}
	return nil
}

func (m *managed) tell(what string, wall, cpu time.Duration) {
	fmt.Fprintf(m.out, "%-36s %8.1f ms wall %8.1f ms processor\n", what, wall.Seconds()*1e3, cpu.Seconds()*1e3)
}

// resident tells how much memory the daemon has.
func (m *managed) resident(when string) {
	if mib := residentMiB(m.child.Process.Pid); mib > 0 {
		fmt.Fprintf(m.out, "%-36s %8d MiB\n", "resident, "+when, mib)
	}
}

// residentMiB is how much memory a process has; 0: that is not known.
func residentMiB(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kib >> 10
		}
	}
	return 0
}

// cpu is the processor time that the daemon has had.
func (m *managed) cpu() time.Duration { return processTime(m.child.Process.Pid) }

// processTime is utime and stime of proc(5), in ticks of 10 ms.
func processTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// kill ends the daemon as a crash does.
func (m *managed) kill() {
	if m.child == nil {
		return
	}
	_ = m.child.Process.Signal(syscall.SIGKILL)
	_ = m.child.Wait() // killed
	m.child = nil
}
