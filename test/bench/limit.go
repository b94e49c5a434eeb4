package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// compileLimit makes the program of limit/limit.c.
func compileLimit(root, dir string) (string, error) {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	path := filepath.Join(dir, "limit")
	out, err := exec.Command(cc, "-O2", "-o", path, filepath.Join(root, "test", "bench", "limit", "limit.c")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", cc, err, out)
	}
	return path, nil
}

// startRaw starts the limit: the program in C, or where there is no C compiler the echo
// server of this program.
func startRaw(at *place) (*peer, error) {
	p := &peer{name: raw, backing: inMemory, raw: true, what: "the limit: a batched server in C"}
	dir, err := p.at(at)
	if err != nil {
		return nil, err
	}
	root, err := repository()
	program := ""
	if err == nil {
		program, err = compileLimit(root, at.disk)
	}
	if err == nil {
		return p, p.launch(dir, nil, program, p.port(), strconv.Itoa(units), strconv.Itoa(unitSize))
	}
	p.what = fmt.Sprintf("the limit: a batched server in Go, since there is none in C: %v", err)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return p, p.launch(dir, []string{childEnv + "=" + childEcho, childAddr + "=" + p.addr}, self)
}
