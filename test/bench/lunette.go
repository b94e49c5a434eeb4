package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/network/rdma/roce"
	"github.com/lunette-io/lunette/network/udp/socket"
)

// variants are the flags that lunette has under other names.
var variants = map[string][]string{
	lunette:  nil,
	busy:     {"--busy-poll", "100us"},
	reactors: {"--engine", "reactors"},
	iserName: nil,
	roceName: nil,
	vhost:    nil,
	before:   nil,
	iserOld:  nil,
	vhostOld: nil,
	favoured: nil,
	other:    nil,
}

// startLunette starts the daemon as a user does.
func startLunette(o options, at *place, name, backing string) (*peer, error) {
	program := o.program
	if name == before || name == iserOld || name == vhostOld {
		program = o.before
	}
	p := &peer{name: name, backing: backing, what: strings.Join(append([]string{program}, variants[name]...), " ")}
	dir, err := p.at(at)
	if err != nil {
		return nil, err
	}
	portal, ready := p.addr, p.listening
	if name == vhost || name == vhostOld {
		p.rings, portal, ready = behind(socketOf(dir)), vhostPortal(dir), func() bool { return listens(socketOf(dir)) }
		p.what += " --portal " + portal
	}
	args := append([]string{"serve", "--socket", filepath.Join(dir, "sock"), "--log-level", "error"}, variants[name]...)
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
		config, err := directConfig(dir, portal)
		if err != nil {
			return nil, err
		}
		return p, p.start(dir, ready, nil, program, append(args, "--config", config)...)
	}
	switch name {
	case iserName, iserOld:
		p.iser, portal = true, "iser+iwarp://"+p.addr
		p.what += " --portal " + portal
	case roceName:
		// All of RoCE has one port of UDP, so that this one has an address of loopback for itself.
		p.addr = strings.Replace(p.addr, "127.0.0.1", fmt.Sprintf("127.1.%d.%d", os.Getpid()>>8&0xff, os.Getpid()&0xff|1), 1)
		if p.roce, err = roce.New(roce.Config{Host: socket.New()}); err != nil {
			return nil, err
		}
		portal = "iser+roce://" + p.addr
		p.what += " --portal " + portal
	}
	args = append(args, "--portal", portal, "--target", targetName)
	if name == favoured {
		program, args = "nice", append([]string{"-n", "-10", program}, args...)
		p.what = "nice -n -10 " + p.what
	}
	return p, p.start(dir, ready, nil, program, args...)
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
