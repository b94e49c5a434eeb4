package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// startLunette starts the daemon as a user does.
func startLunette(o options, at *place, backing string) (*peer, error) {
	p := &peer{name: lunette, backing: backing, what: o.program}
	dir, err := p.at(at)
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--socket", filepath.Join(dir, "sock"), "--log-level", "error"}
	switch backing {
	case inMemory:
		for range units {
			args = append(args, "--memory", strconv.Itoa(unitSize))
		}
	case inFile:
		all, err := files(dir)
		if err != nil {
			return nil, err
		}
		args = append(args, all...)
	case onDisk:
		config, err := directConfig(dir, p.addr)
		if err != nil {
			return nil, err
		}
		return p, p.launch(dir, nil, o.program, append(args, "--config", config)...)
	}
	return p, p.launch(dir, nil, o.program, append(args, "--portal", p.addr, "--target", targetName)...)
}

// directConfig writes a document with files that are opened with O_DIRECT.
func directConfig(dir, addr string) (string, error) {
	all, err := files(dir)
	if err != nil {
		return "", err
	}
	var doc, luns strings.Builder
	doc.WriteString("version: 1\nunits:\n")
	for u, path := range all {
		fmt.Fprintf(&doc, "- {name: unit%d, store: {kind: file, path: %q, direct: true}}\n", u, path)
		fmt.Fprintf(&luns, " %d: unit%d,", u, u)
	}
	fmt.Fprintf(&doc, "targets:\n- {name: %q, luns: {%s}}\nportals: [%q]\n", targetName, strings.TrimSuffix(luns.String(), ","), addr)
	path := filepath.Join(dir, "direct.yaml")
	return path, os.WriteFile(path, []byte(doc.String()), 0o600)
}
