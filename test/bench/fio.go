package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lunette-io/lunette/bench"
)

// A fio runs fio, which has the engine libiscsi.
type fio struct {
	program string
	runs    uint32
}

// ramp is how long fio works before it measures.
const ramp = 200 * time.Millisecond

// findFio finds what test/install/fio-libiscsi.sh has built.
func findFio(path string) (*fio, error) {
	if path == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(cache, "lunette", "fio", "fio")
	}
	out, err := exec.Command(path, "--enghelp").CombinedOutput()
	if err == nil && !slices.Contains(strings.Fields(string(out)), "libiscsi") {
		err = fmt.Errorf("%s has no engine libiscsi", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; test/install/fio-libiscsi.sh builds one", err)
	}
	return &fio{program: path}, nil
}

// A job is one connection of fio.
type job struct {
	file      string
	from, len int64
}

// jobs gives each connection its part of the units, behind what others check.
func jobs(p *peer, w workload) []job {
	var all []job
	for i := range w.conns {
		share := int64(unmarked / (w.conns / w.units))
		all = append(all, job{
			file: strings.ReplaceAll(p.url(i%w.units), ":", `\:`), // a bare colon separates files
			from: marked + int64(i/w.units)*share, len: share,
		})
	}
	return all
}

// arguments are those of a run of jobs.
func arguments(w bench.Workload, all []job, more ...string) []string {
	kind := map[int]string{0: "write", 100: "read"}[w.Reads]
	if kind == "" {
		kind = "rw"
	}
	if !w.Sequential {
		kind = "rand" + kind
	}
	args := []string{"--output-format=json", "--thread", "--group_reporting", "--direct=1", "--bs=" + strconv.Itoa(w.Size),
		"--iodepth=" + strconv.Itoa(w.Depth), "--rw=" + kind, "--rwmixread=" + strconv.Itoa(w.Reads), "--randrepeat=0"}
	args = append(args, more...)
	for i, j := range all {
		args = append(args, fmt.Sprintf("--name=job%d", i), "--filename="+j.file,
			fmt.Sprintf("--offset=%d", j.from), fmt.Sprintf("--size=%d", j.len))
	}
	return args
}

// timed are the arguments of a run that is measured.
func timed(d time.Duration, engine ...string) []string {
	return append(engine, "--time_based", fmt.Sprintf("--runtime=%dms", d.Milliseconds()), fmt.Sprintf("--ramp_time=%dms", ramp.Milliseconds()),
		"--norandommap", "--scramble_buffers=0", "--disable_slat=1", "--disable_lat=1")
}

// A report is what fio prints.
type report struct {
	Jobs []struct {
		Error       int
		Read, Write side
	}
}

type side struct {
	IOPS float64 `json:"iops"`
	IOs  int64   `json:"total_ios"`
	Clat struct {
		Percentile map[string]float64
	} `json:"clat_ns"`
}

// parse makes a sample of what fio has printed: notes, and then the report.
func parse(out []byte) (s sample, err error) {
	var r report
	i := bytes.IndexByte(out, '{')
	if i < 0 {
		return s, fmt.Errorf("no report in %q", out)
	}
	if err := json.NewDecoder(bytes.NewReader(out[i:])).Decode(&r); err != nil {
		return s, fmt.Errorf("the report: %w", err)
	}
	if len(r.Jobs) != 1 {
		return s, fmt.Errorf("%d groups of jobs are in the report, not one", len(r.Jobs))
	}
	j := r.Jobs[0]
	if j.Error != 0 {
		return s, fmt.Errorf("the jobs have ended with error %d", j.Error)
	}
	s.IOPS, s.Commands, s.writes = j.Read.IOPS+j.Write.IOPS, j.Read.IOs+j.Write.IOs, j.Write.IOs
	latency := j.Read.Clat.Percentile
	if j.Read.IOs == 0 {
		latency = j.Write.Clat.Percentile
	}
	s.P50, s.P99 = latency["50.000000"]/1e3, latency["99.000000"]/1e3
	if s.Commands == 0 {
		return s, errors.New("it has done nothing")
	}
	return s, nil
}

// run runs fio, for d and what it takes beside that.
func (f *fio) run(ctx context.Context, d time.Duration, args []string) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, d+20*time.Second)
	defer cancel()
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, f.program, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return sample{}, fmt.Errorf("fio: %w: %s%s", err, &errs, out)
	}
	return parse(out)
}

// verify has fio write a part of each unit, and read it again.
func (f *fio) verify(ctx context.Context, p *peer) error {
	w := workload{Workload: bench.Workload{Size: 4 << 10, Depth: 16}, conns: units, units: units}
	all := jobs(p, w)
	for i := range all {
		all[i].len = 1 << 20
	}
	_, err := f.run(ctx, 0, arguments(w.Workload, all, "--ioengine=libiscsi", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0"))
	return err
}

// measure makes one sample, and looks whether what was written is there.
func (f *fio) measure(ctx context.Context, p *peer, w workload, d time.Duration) (s sample, err error) {
	f.runs++
	pattern := fmt.Sprintf("0x%016x", uint64(fioMark)<<32|uint64(f.runs))
	m, err := watch(p)
	if err != nil {
		return s, err
	}
	s, err = f.run(ctx, d, arguments(w.Workload, jobs(p, w), timed(d, "--ioengine=libiscsi", "--buffer_pattern="+pattern)...))
	if err != nil {
		return s, err
	}
	if s.CPU, err = m.end(s.IOPS, ramp+d); err != nil || w.Reads == 100 {
		return s, err
	}
	return s, f.look(ctx, p, w, s.writes)
}

// fioMark begins every eight bytes of what fio writes; the number of the run ends them.
const fioMark = 0xf10f10f1

// stride is coprime to the number of places, so that all are met in turn.
const stride = 37

// look reads some of what a run with so many writes has written, or may have.
func (f *fio) look(ctx context.Context, p *peer, w workload, writes int64) error {
	// As many as make it certain to meet one of so many writes.
	places := unmarked / int64(w.Size)
	looks := int(min(places*int64(w.units), max(64, 30*places*int64(w.units)/max(writes, 1))))
	c, err := p.dial(ctx, 2000, false)
	if err != nil {
		return err
	}
	defer c.Close()
	j := &bench.Job{Buf: make([]byte, w.Size)}
	found := 0
	for i := range looks {
		j.Unit = i % w.units
		j.Off = marked + int64(i/w.units)*stride%places*int64(w.Size)
		if err := c.Submit(j); err != nil {
			return err
		}
		if _, err = c.Wait(0); err == nil {
			err = j.Err
		}
		if err != nil {
			return err
		}
		if binary.BigEndian.Uint64(j.Buf) != uint64(fioMark)<<32|uint64(f.runs) {
			continue // it was not written this time
		}
		if bytes.Count(j.Buf, j.Buf[:8]) != len(j.Buf)/8 {
			return fmt.Errorf("WRONG DATA: unit %d, offset %d: only a part of what fio has written is there", j.Unit, j.Off)
		}
		found++
	}
	if found == 0 {
		return fmt.Errorf("WRONG DATA: of %d places none has what fio has just written", looks)
	}
	return nil
}

// local is fio on a file, with io_uring: what a disk allows.
func (f *fio) local(at *place, backing string) (*peer, error) {
	if f == nil {
		return nil, errors.New("there is no fio")
	}
	p := &peer{name: ring, backing: backing, what: "fio on a file, engine io_uring, O_DIRECT, registered buffers and files"}
	dir, err := at.of(p.name, backing)
	if err != nil {
		return nil, err
	}
	p.file = filepath.Join(dir, "unit0.img")
	file, err := os.Create(p.file)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	block := bytes.Repeat([]byte("lunette "), 1<<17)
	for range unitSize / len(block) {
		if _, err := file.Write(block); err != nil {
			return nil, err
		}
	}
	return p, file.Sync()
}

// measureFile makes one sample of the file.
func (f *fio) measureFile(ctx context.Context, p *peer, w workload, d time.Duration) (sample, error) {
	return f.run(ctx, d, arguments(w.Workload, []job{{p.file, 0, marked}},
		timed(d, "--ioengine=io_uring", "--fixedbufs=1", "--registerfiles=1")...))
}
