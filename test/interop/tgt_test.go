//go:build interop && tgt

package interop

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

const (
	demandsCHAPForDiscovery = false // setup.discovery works

	firstLUN = 1     // LUN 0 is tgt's controller
	endsWell = false // tgtd does not end on SIGTERM while a target exists
)

// command is tgtd on the portal's port.
func (v *server) command() (*exec.Cmd, error) {
	cmd := exec.Command("tgtd", "-f", "-C", v.control(), "--iscsi", "portal="+v.portal)
	cmd.Dir = v.dir
	return cmd, nil
}

// control is the number of tgtd's control socket: the port, brought into the range it takes.
func (v *server) control() string {
	_, port, _ := net.SplitHostPort(v.portal) // portal was made from a port
	n, _ := strconv.Atoi(port)
	return strconv.Itoa(n % 32768)
}

// configure makes the target and its units; every unit is a file, thin.
func (v *server) configure() error {
	t := []string{"--mode", "target", "--tid", "1"}
	steps := [][]string{append(t, "--op", "new", "-T", v.target)}
	for i, u := range v.units {
		file := filepath.Join(v.dir, fmt.Sprintf("unit%d.img", i))
		if err := sparse(file, u.size); err != nil {
			return err
		}
		params := "thin_provisioning=1"
		if v.readOnly {
			params += ",readonly=1"
		}
		lu := []string{"--mode", "logicalunit", "--tid", "1", "--lun", strconv.Itoa(firstLUN + i)}
		steps = append(steps,
			append(lu[:len(lu):len(lu)], "--op", "new", "-b", file, "--blocksize", strconv.Itoa(v.blockSize)),
			append(lu[:len(lu):len(lu)], "--op", "update", "--params", params))
	}
	if v.user != "" {
		account := []string{"--mode", "account", "--user", v.user}
		steps = append(steps,
			append(account[:len(account):len(account)], "--op", "new", "--password", v.secret),
			append(account[:len(account):len(account)], "--op", "bind", "--tid", "1"))
	}
	steps = append(steps, append(t[:len(t):len(t)], "--op", "bind", "-I", "ALL"))
	for _, step := range steps {
		out, err := run(10*time.Second, "tgtadm", append([]string{"-C", v.control(), "--lld", "iscsi"}, step...)...)
		if err != nil {
			return fmt.Errorf("tgtadm %v: %w: %s", step, err, out)
		}
	}
	return nil
}
