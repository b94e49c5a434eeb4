package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// tuned are the keys that make tgt fast.
var tuned = []string{
	"MaxRecvDataSegmentLength=262144", "MaxXmitDataSegmentLength=262144", "InitialR2T=No", "ImmediateData=Yes",
	"FirstBurstLength=262144", "MaxBurstLength=1048576", "MaxOutstandingR2T=8",
}

// digestsOn make tgt insist on digests: it never agrees to what the initiator likes.
var digestsOn = []string{"HeaderDigest=CRC32C", "DataDigest=CRC32C"}

// startTGT starts tgt with its default keys or with the tuned ones. Tuned, it has a second
// target of the same units, with digests.
func startTGT(at *place, backing string, tune bool) (*peer, error) {
	p := &peer{name: tgt, backing: backing, first: 1, what: "Debian's tgt, its default keys"} // LUN 0 is its controller
	if tune {
		p.name, p.digest, p.what = tgtTuned, targetName+".digests", "Debian's tgt, "+strings.Join(tuned, " ")
	}
	store := []string{"--bstype", "rdwr"}
	if backing == onDisk {
		store = []string{"--bstype", "aio"} // which is O_DIRECT, always
		p.what += ", bstype aio"
	}
	dir, err := p.at(at)
	if err != nil {
		return nil, err
	}
	n, _ := strconv.Atoi(p.port())
	control := strconv.Itoa(n%32000 + 1)
	if err := p.launch(dir, nil, "tgtd", "-f", "-C", control, "--iscsi", "portal="+p.addr); err != nil {
		return nil, fmt.Errorf("tgt (Debian's package tgt, as root): %w", err)
	}
	adm := func(tid int, args ...string) {
		if err == nil {
			var out []byte
			cmd := exec.Command("tgtadm", append([]string{"-C", control, "--lld", "iscsi", "--tid", strconv.Itoa(tid)}, args...)...)
			if out, err = cmd.CombinedOutput(); err != nil {
				err = fmt.Errorf("tgtadm %v: %w: %s", args, err, out)
			}
		}
	}
	all, ferr := files(dir)
	for tid, name := range []string{1: targetName, 2: p.digest} {
		if name == "" {
			continue
		}
		adm(tid, "--mode", "target", "--op", "new", "-T", name)
		for i, f := range all {
			adm(tid, append([]string{"--mode", "logicalunit", "--op", "new", "--lun", strconv.Itoa(p.first + i), "-b", f}, store...)...)
		}
		keys := tuned
		if name == p.digest {
			keys = append(keys[:len(keys):len(keys)], digestsOn...)
		}
		for _, k := range keys {
			if tune {
				name, value, _ := strings.Cut(k, "=")
				adm(tid, "--mode", "target", "--op", "update", "-n", name, "-v", value)
			}
		}
		adm(tid, "--mode", "target", "--op", "bind", "-I", "ALL")
	}
	if err = errors.Join(err, ferr); err != nil {
		p.stop()
	}
	return p, err
}
