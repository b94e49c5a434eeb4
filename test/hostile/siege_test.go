//go:build hostile

package hostile

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/bench"
	"github.com/lunette-io/lunette/scsi"
)

var siegeFor = flag.Duration("for", 20*time.Second, "how long TestSiege goes on: all attacks in turn, again and again")

var siegeWith = flag.String("with", "", "of what attacks TestSiege consists: a regular expression for their names")

// siegeMemory is the memory of the group of processes that the daemon is alone in, with its page cache.
const siegeMemory = 512 << 20

// A pen is a memory control group.
type pen struct{ dir, limit string }

// newPen makes one, by the version of control groups that has memory here.
func newPen(t *testing.T) (*pen, error) {
	name := "lunette-hostile-" + strconv.Itoa(os.Getpid())
	var errs []error
	for _, p := range []pen{
		{filepath.Join("/sys/fs/cgroup", name), "memory.max"},
		{filepath.Join("/sys/fs/cgroup/memory", name), "memory.limit_in_bytes"},
	} {
		err := os.Mkdir(p.dir, 0o755)
		if err == nil {
			var f *os.File // which is there, if this is a control group
			if f, err = os.OpenFile(filepath.Join(p.dir, p.limit), os.O_WRONLY, 0); err == nil {
				_, err = f.WriteString(strconv.Itoa(siegeMemory))
				err = errors.Join(err, f.Close())
			}
			if err != nil {
				err = errors.Join(err, os.Remove(p.dir))
			}
		}
		if err == nil {
			t.Cleanup(func() { // the daemon has ended by then
				if err := os.Remove(p.dir); err != nil {
					t.Error(err)
				}
			})
			return &p, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// under are the commands that run another inside of the pen.
func (p *pen) under() []string {
	return []string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(p.dir, "cgroup.procs")}
}

// TestSiege does all attacks in turn, for as long as it is told to, on one daemon with little memory in a group of
// processes with little memory. Its customers, and verified load on both units, go on without an error; what is
// resident does not grow from one round to the next; and at the end nothing is left.
func TestSiege(t *testing.T) {
	var under []string
	if p, err := newPen(t); err == nil {
		under = p.under()
	} else {
		t.Logf("NO MEMORY CONTROL GROUP CAN BE MADE HERE, so that only what is resident is looked at: %v", err)
	}
	s := newScene(t, "{memory: 16M, login-timeout: 5s, idle-timeout: 3s}", under...)
	before, err := s.d.state()
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var load sync.WaitGroup
	t.Cleanup(load.Wait) // before the daemons are stopped
	t.Cleanup(stop)
	var runs [2]*bench.Result
	var errs [2]error
	for lun := range runs {
		r := s.load(ctx, uint32(lun))
		load.Go(func() {
			runs[lun], errs[lun] = r.Go(ctx)
			errs[lun] = errors.Join(errs[lun], r.Close())
		})
	}
	begin := time.Now()
	var peaks []int64 // of each round, in MiB
	with, err := regexp.Compile(*siegeWith)
	must(t, err)
	all := slices.DeleteFunc(attacks(), func(a attack) bool { return !with.MatchString(a.name) })
	for round := 0; round == 0 || time.Since(begin) < *siegeFor; round++ {
		peak := int64(0)
		for i, a := range all {
			if time.Since(begin) > *siegeFor && (round > 0 || *siegeFor < time.Minute) {
				break
			}
			s.attacked(a, a.over[(round+i)%len(a.over)])
			now, err := s.d.state()
			must(t, err)
			peak = max(peak, now.rss>>20)
			t.Logf("%8v round %d, after %s: %v", time.Since(begin).Round(time.Second), round, a.name, now)
			if t.Failed() {
				return
			}
		}
		peaks = append(peaks, peak)
	}
	stop()
	load.Wait()
	for lun, r := range runs {
		if !errors.Is(errs[lun], bench.ErrInterrupted) && errs[lun] != nil {
			t.Errorf("load on LUN %d: %v", lun, errs[lun])
		}
		if r != nil {
			t.Logf("LUN %d: %d commands, failed: %v", lun, r.Read.Commands+r.Write.Commands, r.Errors)
			for kind, n := range r.Errors {
				// A host tries that again, and nobody behind it learns of it; often it must not be.
				if kind != scsi.TaskSetFull.String() || n > (r.Read.Commands+r.Write.Commands)/100 {
					t.Errorf("load on LUN %d: %d times %s", lun, n, kind)
				}
			}
		}
	}
	if n := len(peaks) - 1; n > 1 && peaks[n-1] > peaks[0]+peaks[0]/4+16 { // the last round is not whole
		t.Errorf("MiB resident at most after the attacks of each round: %v", peaks)
	}
	s.left("all", before)
}

// load logs in; what it makes then writes to the first blocks of a unit and reads them, and checks what it reads,
// until it is stopped.
func (s *scene) load(ctx context.Context, lun uint32) *bench.Run {
	s.t.Helper()
	u, err := bench.ParseURL(fmt.Sprintf("iscsi://%s/%s/%d", s.d.addr("tcp"), targetName, lun))
	must(s.t, err)
	r, err := bench.Open(ctx, bench.Config{
		URL: u, Initiator: prefix + "load", Connections: 1, Range: home * blockSize, Verify: true, Rate: 200,
		Workload: bench.Workload{Size: 16 << 10, Reads: 50, Depth: 4},
		Plan:     bench.Plan{Time: *siegeFor + 24*time.Hour, Patience: hang},
	})
	must(s.t, err)
	return r
}
