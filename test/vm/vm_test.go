//go:build vm

package vm

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	buildLimit = 10 * time.Minute // the guest image, once; about two minutes of it are work
	guestLimit = "1500"           // seconds; a script takes less than a third of that on two slow cores that are its own
	notHad     = 3                // the status of lab -b when Debian's archive, or the keys to it, are not what the image or the QEMU needs
)

// TestISCSI is Linux's own initiator over TCP.
func TestISCSI(t *testing.T) { inGuest(t, "iscsi.sh", "lunette.sh") }

// TestManage is Linux's own initiator while the document changes.
func TestManage(t *testing.T) { inGuest(t, "manage.sh") }

// lateAnswer is where ib_iser of Linux 6.1 may hand an answer to a connection that it has just ended, if the adapter is rxe: a pointer is nil there, and the kernel dies. It was seen
// when a link went down under load.
const lateAnswer = "iscsi_complete_pdu"

// TestRDMA is Linux's own initiators over the kernel's software adapters, siw and rxe, and the one over TCP beside them.
func TestRDMA(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"siw iwarp", "rxe roce"} {
		t.Run(strings.Replace(args, " ", "_to_", 1), func(t *testing.T) {
			bed{image: "initiators", seconds: "2400", script: "rdma.sh " + args, others: []string{"attach.sh"}, flaw: lateAnswer}.run(t)
		})
	}
}

// TestTape is Linux's own drivers of tapes and robots, and programs above them, with a tape library by each transport.
func TestTape(t *testing.T) { inGuest(t, "tape.sh", "attach.sh", "tape") }

// TestWays is the three ways of initiator/sg to the kernel, with devices of scsi_debug: with the kernel of this release, and with one that has the best of them.
func TestWays(t *testing.T) {
	t.Parallel()
	fill := func(t *testing.T, dir string) {
		cmd := exec.Command("go", "test", "-c", "-trimpath", "-tags", "vm", "-o", filepath.Join(dir, "ways"), "./ways")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go test -c: %v: %s", err, out)
		}
	}
	for _, image := range []string{"initiators", "backports"} {
		t.Run(image, func(t *testing.T) { bed{image: image, script: "ways.sh", fill: fill, turns: true}.run(t) })
	}
}

// TestFCoE is Linux's own initiator over Ethernet alone, among neighbours and in a fabric that lunette is, and the one over TCP beside it. It takes
// longest, and hardly any of that is work, so it should begin early: of tests that run beside others the last one does.
func TestFCoE(t *testing.T) {
	bed{image: "initiators", seconds: "1500", script: "fcoe.sh", others: []string{"attach.sh"}}.run(t)
}

// inGuest runs a script in the guest that most of them need.
func inGuest(t *testing.T, script string, others ...string) {
	bed{image: "initiators", script: script, others: others}.run(t)
}

// A bed is a guest, and what runs there.
type bed struct {
	image    string
	emulator string                         // the release of Debian whose QEMU it is; empty: that of this machine
	seconds  string                         // after which it is ended; empty: guestLimit
	memory   string                         // in MiB; empty: 1536
	script   string                         // may be followed by arguments, such as steps of it
	others   []string                       // files and folders that it needs
	devices  string                         // more of QEMU's arguments
	turns    bool                           // its processors take turns: it changes its kernel's code (lab -s)
	flaw     string                         // a function in which the guest's kernel may die by a flaw of its own: then what comes after is not tested, and said so
	fill     func(t *testing.T, dir string) // puts more files into the directory that the guest sees
}

// panicked reports that the console ended with a panic of the kernel in a function.
func panicked(console, function string) bool {
	return strings.Contains(console, "Kernel panic") && regexp.MustCompile(`(?m)RIP: [0-9a-f]+:`+function+`\+`).MatchString(console)
}

// run runs it, beside others.
func (b bed) run(t *testing.T) {
	t.Parallel()
	b.need(t)
	dir := t.TempDir()
	b.furnish(t, dir)
	b.boot(dir).report(t)
}

// need skips the test if there cannot be such a guest here, or it is too late for one; else there is all that it takes.
func (b bed) need(t *testing.T) {
	t.Helper()
	if late(t) {
		t.Skip("NOT TESTED: no guest begins any more in the time that make test has: make vm runs all of them")
	}
	if _, ok := lab(t, "-i", b.image); !ok {
		t.Skipf("NOT TESTED: the kernel of the guest %s cannot be had here; lab has said why", b.image)
	}
	if _, ok := qemu(t, b.emulator); !ok {
		t.Skipf("NOT TESTED: QEMU of %s cannot be had here; lab has said why", b.emulator)
	}
}

// late reports that no guest is to begin any more: LUNETTE_GUESTS_UNTIL, in seconds of Unix time, is over. It is never too late if that is not set.
func late(t *testing.T) bool {
	t.Helper()
	text := os.Getenv("LUNETTE_GUESTS_UNTIL")
	if text == "" {
		return false
	}
	until, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("LUNETTE_GUESTS_UNTIL: %v", err)
	}
	return time.Now().Unix() >= until
}

// qemu is the path of QEMU of that release of Debian, or of this machine's; false: it cannot be had.
func qemu(t *testing.T, release string) (string, bool) {
	t.Helper()
	if release == "" {
		return "qemu-system-x86_64", true
	}
	return lab(t, "-q", release)
}

// lab makes what guests are made of, and returns what lab prints; false: it cannot be had.
func lab(t *testing.T, args ...string) (string, bool) {
	t.Helper()
	cmd := exec.Command("./lab", append(args, "-b")...)
	cmd.Stderr = os.Stderr
	limit := time.AfterFunc(buildLimit, func() { _ = cmd.Process.Signal(os.Interrupt) })
	defer limit.Stop()
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState.ExitCode() != notHad {
		t.Fatalf("lab %v: %v", args, err)
	}
	return strings.TrimSpace(string(out)), err == nil
}

// furnish fills the directory that the guest sees as /host. The server there is the one that LUNETTE names, else this checkout's.
func (b bed) furnish(t *testing.T, dir string) {
	t.Helper()
	serverOf(t, filepath.Join(dir, "lunette"))
	build(t, filepath.Join(dir, "results"), "./results")
	for _, name := range append(b.others, strings.Fields(b.script)[0], "lib.sh") {
		copyAll(t, filepath.Join(dir, name), name)
	}
	if b.fill != nil {
		b.fill(t, dir)
	}
}

// A visit is what has become of a guest.
type visit struct {
	out, trouble bytes.Buffer // what the script has said, and what lab has
	err          error        // how lab has ended
	flaw         string       // where the kernel died by a flaw of its own
}

// boot starts it, and returns when it has ended.
func (b bed) boot(dir string) *visit {
	args := []string{"-i", b.image, "-t", cmp.Or(b.seconds, guestLimit), "-m", cmp.Or(b.memory, "1536"), "-d", b.devices}
	if b.emulator != "" {
		args = append(args, "-q", b.emulator)
	}
	if b.turns {
		args = append(args, "-s")
	}
	v := &visit{}
	guest := exec.Command("./lab", append(args, dir, "bash "+b.script)...)
	guest.Stdout, guest.Stderr = &v.out, &v.trouble
	v.err = guest.Run()
	if b.flaw != "" && panicked(v.trouble.String(), b.flaw) {
		v.flaw = b.flaw
	}
	return v
}

// report makes every step of the script a subtest, and every check of a step one of that.
func (v *visit) report(t *testing.T) {
	steps, err := parse(&v.out)
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			t.Logf("%s s in the guest", s.seconds)
			for _, c := range s.checks {
				t.Run(c.what, func(t *testing.T) {
					if !c.ok {
						t.Error(c.what)
					}
				})
			}
			switch {
			case s.skipped:
				t.Skipf("NOT TESTED: %s", strings.TrimSpace(s.said))
			case !s.ok:
				t.Errorf("\n%s", s.said)
			}
		})
	}
	if v.flaw != "" && !t.Failed() {
		t.Skipf("NOT TESTED to its end: the guest's kernel died in %s, which is a flaw of its own: %v\n%s", v.flaw, err, v.trouble.String())
	}
	if err != nil {
		t.Errorf("%v\n%s", err, v.trouble.String())
	}
	if v.err != nil && !t.Failed() {
		t.Errorf("the guest ended with %v although every step passed\n%s", v.err, v.trouble.String())
	}
}

// A step is what a script said of one of its steps.
type step struct {
	name, seconds string
	ok, skipped   bool
	said          string // unless it is ok
	checks        []check
}

// A check is one thing of several that a step has looked at.
type check struct {
	what string
	ok   bool
}

var (
	checkLine = regexp.MustCompile(`^  (ok|BAD) - (.*)$`)
	planLine  = regexp.MustCompile(`^1\.\.(\d+)$`)
	stepLine  = regexp.MustCompile(`^(ok|not ok|skip) (\S+) (\d+)$`)
)

// parse reads the output of a script; an error says that it is not whole.
func parse(r io.Reader) ([]step, error) {
	var steps []step
	var said strings.Builder
	var checks []check
	plan := "no"
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		line := strings.TrimRight(scan.Text(), "\r")
		if m := planLine.FindStringSubmatch(line); m != nil {
			plan = m[1]
			continue
		}
		if m := checkLine.FindStringSubmatch(line); m != nil {
			checks = append(checks, check{what: m[2], ok: m[1] == "ok"})
			continue
		}
		m := stepLine.FindStringSubmatch(line)
		if m == nil {
			said.WriteString(line + "\n")
			continue
		}
		steps = append(steps, step{name: m[2], seconds: m[3], ok: m[1] == "ok", skipped: m[1] == "skip", said: said.String(), checks: checks})
		said.Reset()
		checks = nil
	}
	if err := scan.Err(); err != nil {
		return steps, err
	}
	if fmt.Sprint(len(steps)) != plan {
		return steps, fmt.Errorf("the guest planned %s steps and ended after %d; then it said:\n%s", plan, len(steps), said.String())
	}
	return steps, nil
}

func TestParse(t *testing.T) {
	steps, err := parse(strings.NewReader("1..3\r\nok one 3\n    cmp: differ\nnot ok two 4\n    why\nskip three 5\n"))
	if err != nil || len(steps) != 3 {
		t.Fatalf("%v, %v", steps, err)
	}
	if !steps[0].ok || steps[0].seconds != "3" || steps[1].ok || steps[1].skipped || steps[1].said != "    cmp: differ\n" {
		t.Errorf("%+v", steps)
	}
	if s := steps[2]; s.ok || !s.skipped || s.said != "    why\n" {
		t.Errorf("%+v", s)
	}
	steps, err = parse(strings.NewReader("1..1\n  ok - a\n  BAD - b: c\n    ok more\nnot ok one 3\n"))
	if want := []check{{"a", true}, {"b: c", false}}; err != nil || len(steps) != 1 || !slices.Equal(steps[0].checks, want) {
		t.Errorf("%v, %+v", err, steps)
	}
	for _, cut := range []string{"", "ok one 3\n", "1..2\nok one 3\nkernel panic\n"} {
		if _, err := parse(strings.NewReader(cut)); err == nil {
			t.Errorf("%q is taken for a whole run", cut)
		}
	}
}

// serverOf puts the server at path: the one that LUNETTE names, else this checkout's.
func serverOf(t *testing.T, path string) {
	t.Helper()
	if from := os.Getenv("LUNETTE"); from != "" {
		copyFile(t, path, from)
	} else {
		build(t, path, "../../cmd/lunette")
	}
}

// build puts a program of this checkout at path, static.
func build(t *testing.T, path, program string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
}

// copyAll copies a file, or a folder with all that is in it.
func copyAll(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		copyFile(t, filepath.Join(to, rel), path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
}
