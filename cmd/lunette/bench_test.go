package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/bench"
)

// benched runs bench with the unit 0 of s.
func benched(t *testing.T, s *served, user string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	target := list[api.Target](t, s, "targets")[0]
	at := strings.TrimPrefix(target.Portals[0], "iscsi+tcp://")
	var out, errs bytes.Buffer
	status = run(t.Context(), append([]string{"bench", "iscsi://" + user + at + "/" + target.Name + "/0"}, args...), &out, &errs)
	return status, out.String(), errs.String()
}

func TestBenchVerifies(t *testing.T) {
	s := serve(t, "--memory", "4M", "--portal", "127.0.0.1:0")
	status, stdout, stderr := benched(t, s, "", "--connections", "2", "--depth", "8", "--read", "70", "--count", "1001", "--range", "3M",
		"--verify", "--destroy-data", "--digests", "both", "--socket", s.socket, "-o", "json")
	var r benchReport
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != exitOK || stderr != "" {
		t.Fatalf("status %d, %v, %s%s", status, err, stdout, stderr)
	}
	if r.Commands() != 1001 || !r.Load.Verified || r.Size != 4<<20 || r.LogicalSize != 512 || len(r.Errors) != 0 ||
		r.Read.Commands < r.Write.Commands || r.Write.Bytes != 4096*r.Write.Commands || r.Write.Latency.P50 <= 0 || r.ClientCPU <= 0 {
		t.Errorf("%+v", r)
	}
	if x := r.Server; x == nil || x.PID != os.Getpid() || x.CPU == nil || x.Receives <= 0 || x.Sends <= 0 || x.Switches == nil || x.Switches.Voluntary <= 0 {
		t.Errorf("server: %+v", x)
	}
	// All of the range was written, and nothing behind it.
	u := list[api.Unit](t, s, "units")[0]
	if want := 3<<20 + r.Write.Bytes; u.BytesWritten != want || u.Errors > 2 {
		t.Errorf("%d bytes were written, want %d; %d errors", u.BytesWritten, want, u.Errors)
	}
}

func TestBenchTable(t *testing.T) {
	s := serve(t, "--memory", "1M", "--portal", "[::1]:0")
	status, stdout, stderr := benched(t, s, "", "--pattern", "sequential", "--block-size", "64K", "--depth", "2", "--count", "1000", "--rate", "500", // two seconds at least
		"--progress", "always", "--socket", s.socket)
	if status != exitOK {
		t.Fatalf("status %d, %s", status, stderr)
	}
	for _, line := range []string{
		`^iscsi://\[::1\]:\d+/iqn\.2026-11\.io\.lunette:memory/0: 1M, blocks of 512 bytes$`,
		`^64K sequential, 100% reads, 1 connections with 2 commands each, digests none: 1000 commands in [\d.]+ s$`,
		`^ +IOPS +MB/s +p50 us +p90 us +p99 us +p99\.9 us +max us$`, `^ +read +\d+( +[\d.]+){6}$`,
		`^CPU per command: client [\d.]+ us, server [\d.]+ us$`, `^server per command: [\d.]+ receives, [\d.]+ sends, 0 bytes copied, [\d.]+ voluntary and [\d.]+ involuntary context switches$`,
	} {
		if !regexp.MustCompile("(?m)" + line).MatchString(stdout) {
			t.Errorf("no line %s in\n%s", line, stdout)
		}
	}
	if !regexp.MustCompile(`^( +[\d.ms]+ +\d+ IOPS +[\d.]+ MB/s  p50 [\d.]+.?s  p99 [\d.]+.?s\n)+$`).MatchString(stderr) {
		t.Errorf("progress: %q", stderr)
	}
	if u := list[api.Unit](t, s, "units")[0]; u.BytesWritten != 0 {
		t.Errorf("%d bytes were written", u.BytesWritten)
	}
}

// A socket for virtual machines is measured as any portal is, from the side of its daemon as well.
func TestBenchVHost(t *testing.T) {
	sandbox(t)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	path := dir + "/vm.sock"
	s := serve(t, "--memory", "4M", "--portal", "virtio+vhost://"+path)
	var out, errs bytes.Buffer
	status := run(t.Context(), []string{"bench", "vhost://" + path + "?target=0&lun=0", "--connections", "2", "--depth", "8", "--read", "70", "--count", "1001",
		"--verify", "--destroy-data", "--socket", s.socket, "-o", "json"}, &out, &errs)
	var r benchReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || status != exitOK || errs.Len() > 0 {
		t.Fatalf("status %d, %v, %s%s", status, err, &out, &errs)
	}
	if r.Commands() != 1001 || !r.Load.Verified || r.Wakes == nil || r.Wakes.Kicks <= 0 || r.Wakes.Waits <= 0 {
		t.Errorf("%+v, %+v", r, r.Wakes)
	}
	if x := r.Server; x == nil || x.Receives <= 0 || x.Sends <= 0 || x.Copied < 4096 || x.Copied > 4096+iuBytes {
		t.Errorf("server: %+v", x)
	}
	out.Reset()
	if status := run(t.Context(), []string{"bench", "vhost://" + path, "--count", "10", "--socket", s.socket}, &out, &errs); status != exitOK ||
		!regexp.MustCompile(`(?m)^wakes per command: [\d.]+ kicks of the device, [\d.]+ calls of the client, which slept [\d.]+ times$`).MatchString(out.String()) ||
		!regexp.MustCompile(`(?m)^server per command: [\d.]+ wakes, [\d.]+ calls, \d+ bytes copied, 0 bytes read or written in place,`).MatchString(out.String()) {
		t.Errorf("status %d, %s%s", status, &out, &errs)
	}
	errs.Reset()
	if status := run(t.Context(), []string{"bench", "vhost://" + path + "x"}, &out, &errs); status != exitFailed || !strings.Contains(errs.String(), "there is no socket "+path+"x") {
		t.Errorf("status %d, %s", status, &errs)
	}
}

// iuBytes is what a request and its response have beside their data.
const iuBytes = 51 + 108

// A unit that fails is an error with its sense, and the rest is measured.
func TestBenchCountsErrors(t *testing.T) {
	sandbox(t)
	doc := "version: 1\nunits:\n- {name: a, store: {kind: memory, size: 1M}, filters: [{kind: fault, calls: write, skip: 10, times: 2}]}\n" +
		"targets:\n- {name: \"iqn.2026-11.io.lunette:a\", luns: {0: a}}\nportals: [\"127.0.0.1:0\"]\n"
	if err := os.WriteFile("fault.yaml", []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--config", "fault.yaml")
	status, stdout, stderr := benched(t, s, "", "--read", "50", "--count", "100", "--destroy-data", "--depth", "4")
	if status != exitFailed || !strings.Contains(stderr, "2 commands have failed: MEDIUM ERROR") || strings.Count(stderr, "\n") != 1 ||
		!strings.Contains(stdout, ": 98 commands in") || !strings.Contains(stdout, "\n2 commands failed: MEDIUM ERROR") {
		t.Errorf("status %d, %s%s", status, stdout, stderr)
	}
	// The operator sees what failed apart from what was refused, and why it may: the filter.
	if u := list[api.Unit](t, s, "units")[0]; u.Failures != 2 || u.Errors < u.Failures || len(u.Filters) != 1 {
		t.Errorf("the unit is %+v", u)
	}
	var table, none bytes.Buffer
	if run(t.Context(), []string{"units", "--socket", s.socket}, &table, &none); !strings.Contains(table.String(), "fault") {
		t.Errorf("the table is\n%s%s", &table, &none)
	}
}

func TestBenchSecrets(t *testing.T) {
	sandbox(t)
	s := serve(t, "disk.img", "--read-only", "--portal", "127.0.0.1:0", "--chap", "me:secret", "--initiator", "iqn.2026-11.io.lunette:me")
	me := "--initiator=iqn.2026-11.io.lunette:me"
	for want, try := range map[string]struct {
		user   string
		args   []string
		status int
	}{
		"":                    {"me@", []string{me, "--secret", "secret"}, exitOK},
		"login refused":       {"me@", []string{me, "--secret", "other"}, exitFailed},
		"refused":             {"", []string{me}, exitFailed},
		"not found":           {"me@", []string{"--secret", "secret"}, exitFailed},
		"chmod 600 open":      {"me@", []string{me, "--secret", "open"}, exitUsage},
		"no secret":           {"me@", []string{me}, exitUsage},
		"no user":             {"", []string{me, "--secret", "secret"}, exitUsage},
		"use --secret FILE":   {"me%correct horse battery@", nil, exitUsage},
		"WRITE PROTECTED (7/": {"me@", []string{me, "--secret", "secret", "--destroy-data", "--read=0"}, exitFailed},
	} {
		status, stdout, stderr := benched(t, s, try.user, append(try.args, "--count", "4", "--depth", "2", "--block-size", "512")...)
		if status != try.status || !strings.Contains(strings.ToUpper(stderr), strings.ToUpper(want)) || want == "" && stderr != "" || strings.Count(stderr, "\n") > 1 {
			t.Errorf("want %d, %q: %d, %s", try.status, want, status, stderr)
		}
		if strings.Contains(stdout+stderr, "horse") || strings.Contains(stdout+stderr, "another secret") {
			t.Errorf("it shows a secret: %s%s", stdout, stderr)
		}
	}
}

func TestBenchOfAnotherDaemon(t *testing.T) {
	s := serve(t, "--memory", "1M", "--portal", "127.0.0.1:0")
	other := serve(t, "--memory", "1M", "--portal", "127.0.0.1:0")
	status, _, stderr := benched(t, s, "", "--socket", other.socket)
	if status != exitFailed || !strings.Contains(stderr, "has 0 of our 1 connections") {
		t.Errorf("status %d, %s", status, stderr)
	}
	status, _, stderr = benched(t, s, "", "--range", "2M")
	if status != exitUsage || !strings.Contains(stderr, "larger than the unit") {
		t.Errorf("status %d, %s", status, stderr)
	}
}

func TestBenchWrongCommandLines(t *testing.T) {
	const unit = "iscsi://127.0.0.1:1/iqn.2026-11.io.lunette:a/0"
	for _, test := range []struct {
		args, want string
		status     int
	}{
		{"", "<url>", exitUsage},
		{"http://x", "does not begin with iscsi://", exitUsage},
		{unit + " --read 70", "--read below 100 writes, which destroys what is on the unit: add --destroy-data", exitUsage},
		{unit + " --verify", "--verify writes the whole range first", exitUsage},
		{unit + " --read 101", "101 percent of the commands cannot be reads", exitUsage},
		{unit + " --read=-1 --destroy-data", "percent", exitUsage},
		{unit + " --connections 0", "0 connections", exitUsage},
		{unit + " --depth 0", "queue depth of 0", exitUsage},
		{unit + " --depth 1024 --connections 1024 --block-size 64K", "bytes of memory", exitUsage},
		{unit + " --block-size 5", "5 bytes", exitUsage},
		{unit + " --block-size x", `--block-size: "x" is not a size`, exitUsage},
		{unit + " --block-size 1E", "--block-size: 1E is more than 64M", exitUsage},
		{unit + " --range 0", "--range: it is empty", exitUsage},
		{unit + " --time=-1s", "--time: -1s is no time", exitUsage},
		{unit + " --time 0", "--time: 0s is no time", exitUsage},
		{unit + " --rate=-1", "a rate of -1", exitUsage},
		{unit + " --rate NaN", "a rate of NaN", exitUsage},
		{unit + " --count 1 --connections 2", "less than one for each", exitUsage},
		{unit + " --pattern odd", "--pattern must be one of", exitUsage},
		{unit + " --digests md5", "--digests must be one of", exitUsage},
		{unit + " --initiator me", "iSCSI name", exitUsage},
		{unit, "no target listens at 127.0.0.1:1: connection refused", exitFailed},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), append([]string{"bench"}, strings.Fields(test.args)...), &stdout, &stderr)
		if status != test.status || !strings.Contains(stderr.String(), test.want) || stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%s: %d, %s%s", test.args, status, &stdout, &stderr)
		}
	}
}

func TestProgressOnATerminal(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&b, "always")
	p.terminal = true
	p.end()
	if b.Len() > 0 {
		t.Errorf("%q", &b)
	}
	for i := range 2 {
		p.callback()(bench.Progress{Errors: int64(i), Phase: "filling"})
	}
	p.end()
	if want := again; strings.Count(b.String(), want) != 3 || strings.Contains(b.String(), "\n") || !strings.Contains(b.String(), "1 ERRORS  filling") {
		t.Errorf("%q", &b)
	}
	if newProgress(&b, "auto").callback() != nil || newProgress(os.Stderr, "never").callback() != nil {
		t.Error("it shows what nobody wants")
	}
}
