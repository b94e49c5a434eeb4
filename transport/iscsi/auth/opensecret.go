package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxLinks is how many links may lead to a secret.
const maxLinks = 8

// openSecret opens the file of a secret. It waits for nothing: what is no regular file, such as a FIFO to
// which nobody writes, is refused. File and links must belong to who runs this program or to root, and
// nobody else may read the file: what is checked is what was opened, whatever happens to the name. Links
// are followed one by one, since a secret that Kubernetes or systemd provides is behind one, and those of
// somebody else are refused. The caller closes the file.
func openSecret(path string) (*os.File, error) {
	at := path
	for range maxLinks {
		f, next, err := openOrLink(path, at)
		if err != nil || f != nil {
			return f, err
		}
		at = next
	}
	return nil, fmt.Errorf("secret file %s is behind more than %d links", path, maxLinks)
}

// openOrLink opens the file at a name, or says where the link at that name leads. path is for errors.
func openOrLink(path, at string) (*os.File, string, error) {
	fd, err := unix.Open(at, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		next, err := link(path, at)
		return nil, next, err
	}
	if err != nil {
		return nil, "", fmt.Errorf("secret file: %w", &os.PathError{Op: "open", Path: at, Err: err})
	}
	f := os.NewFile(uintptr(fd), path)
	if err := checkSecret(path, fd); err != nil {
		_ = f.Close() // nothing was written
		return nil, "", err
	}
	return f, "", nil
}

// checkSecret looks at an open file.
func checkSecret(path string, fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("secret file %s: %w", path, os.NewSyscallError("fstat", err))
	}
	switch mode := st.Mode & 0o7777; {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("secret file %s is not a regular file", path)
	case !ours(st.Uid):
		return fmt.Errorf("secret file %s belongs to another user (%d): chown it to this one (%d), or to root", path, st.Uid, os.Geteuid())
	case mode&0o077 != 0:
		return fmt.Errorf("secret file %s is open to others (mode %04o): chmod 600 %s", path, mode, path)
	}
	return nil
}

// link is where the link at a name leads.
func link(path, at string) (string, error) {
	fd, err := unix.Open(at, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("secret file: %w", &os.PathError{Op: "open", Path: at, Err: err})
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	to := make([]byte, unix.PathMax)
	err = unix.Fstat(fd, &st)
	n := 0
	if err == nil {
		n, err = unix.Readlinkat(fd, "", to)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("secret file %s: %s: %w", path, at, os.NewSyscallError("readlink", err))
	case !ours(st.Uid):
		return "", fmt.Errorf("secret file %s: the link %s belongs to another user (%d): name the file itself", path, at, st.Uid)
	case filepath.IsAbs(string(to[:n])):
		return string(to[:n]), nil
	}
	// Not joined by package filepath, which would take ".." behind a link for another directory.
	dir, _ := filepath.Split(at)
	return dir + string(to[:n]), nil
}

// ours reports that a file of this owner was made by who runs this program, or by root.
func ours(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }
