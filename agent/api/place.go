// Package api has what a daemon and its clients agree on: the types of the API, facts, and where the socket is.
package api

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// SocketName is the file name of the socket where a daemon has it by itself.
const SocketName = "lunette.sock"

// runDir is where root has its socket.
const runDir = "/run"

// DefaultSocket is where the daemon of this user has its API unless it is told: /run/lunette.sock for
// root; for others lunette.sock in $XDG_RUNTIME_DIR, in /run/user/UID, or in a directory that a daemon
// of this user has made among the temporary files, whichever is first a directory of this user alone.
// It is empty if there is none: then no daemon of this user runs, and one that starts makes a directory
// (see [SocketPlace]). Daemon and clients find the same.
func DefaultSocket() string {
	uid := os.Getuid()
	if uid == 0 {
		return filepath.Join(runDir, SocketName)
	}
	return places{uid: uid, runtime: os.Getenv("XDG_RUNTIME_DIR"), users: "/run/user", temp: os.TempDir()}.socket()
}

// places are where a user's directory for sockets may be.
type places struct {
	uid     int
	runtime string // $XDG_RUNTIME_DIR
	users   string // has a directory for each user
	temp    string // where anybody can make files
}

func (p places) socket() string {
	candidates := []string{p.runtime, filepath.Join(p.users, strconv.Itoa(p.uid))}
	made, _ := filepath.Glob(filepath.Join(p.temp, p.pattern())) // sorted; it fails for no pattern of ours
	for _, dir := range append(candidates, made...) {
		if dir != "" && private(dir, p.uid) == nil {
			return filepath.Join(dir, SocketName)
		}
	}
	return ""
}

// pattern is of the directories that [places.make] makes.
func (p places) pattern() string { return "lunette-" + strconv.Itoa(p.uid) + "-*" }

// make makes a directory for this user alone, with a name that nobody can know before.
func (p places) make() (string, error) {
	dir, err := os.MkdirTemp(p.temp, p.pattern())
	if err != nil {
		return "", fmt.Errorf("there is no directory for the socket: neither $XDG_RUNTIME_DIR nor %s/%d is one of this user alone, and none can be made: %w; name a socket with --socket", p.users, p.uid, err)
	}
	return filepath.Join(dir, SocketName), nil
}

// private says why dir is not a directory that user uid alone can change; nil: it is. A link is none.
func private(dir string, uid int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case !ok || int(owner.Uid) != uid:
		return fmt.Errorf("%s belongs to another user", dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others may write to %s", dir)
	}
	return nil
}

// SocketPlace is where a daemon makes its socket: path, or if path is empty [DefaultSocket], or a directory
// that SocketPlace makes.
func SocketPlace(path string) (string, error) {
	uid := os.Getuid()
	if path == "" {
		if path = DefaultSocket(); path == "" {
			return places{uid: uid, users: "/run/user", temp: os.TempDir()}.make()
		}
	}
	if uid == 0 && path == filepath.Join(runDir, SocketName) { // a container may begin without it
		if err := os.Mkdir(runDir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("there is no %s for the socket, and it cannot be made: %w; name a socket with --socket", runDir, err)
		}
	}
	return path, nil
}
