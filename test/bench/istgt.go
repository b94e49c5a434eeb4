package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// startISTGT starts Debian's istgt, with large bursts, and without a queue and a thread for
// each unit, which make it several times slower. It knows no InitialR2T=No.
func startISTGT(at *place, backing string) (*peer, error) {
	p := &peer{name: istgt, backing: backing, what: "Debian's istgt, segments of 256 KiB, bursts of 1 MiB, QueueDepth 0"}
	dir, err := p.at(at)
	if err != nil {
		return nil, err
	}
	all, err := files(dir)
	if err != nil {
		return nil, err
	}
	control, err := freeAddr()
	if err != nil {
		return nil, err
	}
	base, name, _ := strings.Cut(targetName, ":")
	var b strings.Builder
	fmt.Fprintf(&b, "[Global]\n  NodeBase %q\n  PidFile %q\n  AuthFile %q\n  MediaDirectory %q\n", base,
		filepath.Join(dir, "pid"), filepath.Join(dir, "auth"), dir)
	b.WriteString("  LogFacility \"local7\"\n  Timeout 30\n  NopInInterval 20\n  DiscoveryAuthMethod None\n" +
		"  MaxSessions 64\n  MaxConnections 8\n  MaxR2T 32\n  MaxOutstandingR2T 16\n" +
		"  FirstBurstLength 262144\n  MaxBurstLength 1048576\n  MaxRecvDataSegmentLength 262144\n\n")
	fmt.Fprintf(&b, "[UnitControl]\n  AuthMethod None\n  Portal UC1 %s\n  Netmask 127.0.0.1\n\n", control)
	fmt.Fprintf(&b, "[PortalGroup1]\n  Portal DA1 %s\n\n[InitiatorGroup1]\n  InitiatorName \"ALL\"\n  Netmask 127.0.0.1\n\n", p.addr)
	fmt.Fprintf(&b, "[LogicalUnit1]\n  TargetName %q\n  Mapping PortalGroup1 InitiatorGroup1\n  AuthMethod None\n"+
		"  UseDigest Auto\n  UnitType Disk\n  QueueDepth 0\n", name)
	for u, path := range all {
		fmt.Fprintf(&b, "  LUN%d Storage %s %dMB\n", u, path, unitSize>>20)
	}
	config := filepath.Join(dir, "istgt.conf")
	for path, text := range map[string]string{config: b.String(), filepath.Join(dir, "auth"): ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	if err := p.launch(dir, nil, "istgt", "-D", "-c", config); err != nil {
		return nil, fmt.Errorf("istgt (Debian's package istgt): %w", err)
	}
	return p, nil
}
