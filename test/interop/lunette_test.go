//go:build interop && !tgt

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

const (
	demandsCHAPForDiscovery = true // setup.discovery works

	firstLUN = 0    // the first unit's LUN
	endsWell = true // SIGTERM must end in exit status 0
)

// command is the server's process, not started yet.
func (v *server) command() (*exec.Cmd, error) {
	binary := os.Getenv("LUNETTE")
	if binary == "" {
		binary = "../../bin/lunette"
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--portal", v.portal, "--target", v.target, "--socket", filepath.Join(v.dir, "lunette.sock"),
		"--block-size", strconv.Itoa(v.blockSize), "--target-reset", "anybody", "--settings", "shared"}
	if v.readOnly {
		args = append(args, "--read-only")
	}
	if v.user != "" {
		secret := filepath.Join(v.dir, "secret")
		if err := os.WriteFile(secret, []byte(v.secret), 0o600); err != nil {
			return nil, err
		}
		args = append(args, "--chap", v.user+":"+secret)
		if v.discovery {
			args = append(args, "--discovery-chap", v.user+":"+secret)
		}
	}
	for i, u := range v.units {
		if u.memory {
			args = append(args, "--memory", u.size)
			continue
		}
		// A read-only file must be there beforehand, so none is left to the server to make.
		file := filepath.Join(v.dir, fmt.Sprintf("unit%d.img", i))
		if err := sparse(file, u.size); err != nil {
			return nil, err
		}
		args = append(args, file)
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = v.dir
	return cmd, nil
}

// configure has nothing to do: the command line said everything.
func (v *server) configure() error { return nil }
