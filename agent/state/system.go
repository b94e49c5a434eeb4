package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A system is the operating system, as a [Dir] uses it: by descriptors of the directories, and without
// following links.
type system struct {
	top, generations, units *os.File
	lock                    *os.File
	owner                   int  // who gets what is made, if it is not this process's user; or else -1
	fresh                   bool // it has had no generation yet, as far as is known
}

// openSystem opens a state directory, makes what is missing of it, and locks it. Others are users
// whose directory it may be: whoever repairs it as root leaves it theirs.
func openSystem(dir string, others bool) (_ *system, err error) {
	s := &system{owner: -1}
	defer func() {
		if err != nil {
			_ = s.close()
		}
	}()
	if err := s.openTop(dir, others); err != nil {
		return nil, err
	}
	if err := s.foreign(dir); err != nil {
		return nil, err
	}
	if err := s.takeLock(dir); err != nil {
		return nil, err
	}
	if s.generations, err = s.below(dir, generationsDir); err != nil {
		return nil, err
	}
	if s.units, err = s.below(dir, unitsDir); err != nil {
		return nil, err
	}
	if s.fresh { // whoever has made it may have been killed before it was durable
		if err := errors.Join(syncPath(filepath.Dir(dir)), s.syncDir("")); err != nil {
			return nil, fmt.Errorf("%s: cannot make it durable: %w", dir, err)
		}
	}
	return s, nil
}

// openTop opens the directory itself, or makes it.
func (s *system) openTop(dir string, others bool) (err error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make the state directory: %w", err)
	}
	if s.top, err = os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0); err != nil {
		return fmt.Errorf("cannot open the state directory: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(s.top.Fd()), &st); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	me, owner := os.Geteuid(), int(st.Uid)
	switch {
	case st.Mode&0o022 != 0:
		return fmt.Errorf("%s may be written to by others (its mode is %04o): what is served would be theirs to say: chmod go-w %s", dir, st.Mode&0o7777, shellWord(dir))
	case owner != me && owner != 0 && !(others && me == 0):
		return fmt.Errorf("%s belongs to user %d, and this is user %d: give it to the user that serves: chown -R %d %s", dir, owner, me, me, shellWord(dir))
	case owner != me && me == 0:
		s.owner = owner
	}
	return nil
}

// foreign checks that a directory that has no generations yet has nothing else either.
func (s *system) foreign(dir string) error {
	names, err := s.list("")
	if err != nil {
		return fmt.Errorf("%s: cannot read it: %w", dir, err)
	}
	s.fresh = !slices.Contains(names, formatName)
	if slices.Contains(names, generationsDir) || !s.fresh {
		return nil
	}
	for _, name := range names {
		switch {
		case slices.Contains([]string{lockName, unitsDir, "secrets", "lost+found"}, name), strings.HasPrefix(name, "."):
		default:
			return fmt.Errorf("%s has other things in it (%.100q), and no generations: name a new directory for the state, or an empty one", dir, name)
		}
	}
	return nil
}

// takeLock takes the lock of the directory: it is this process's until it ends or closes it.
func (s *system) takeLock(dir string) error {
	lock, err := s.open(lockName, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return fmt.Errorf("%s: cannot lock it: %w", dir, err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer lock.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("%s: cannot lock it: %w", dir, err)
		}
		b, _ := io.ReadAll(io.LimitReader(lock, 20))
		who := "another process"
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			who = fmt.Sprint("process ", pid)
		}
		return fmt.Errorf("the state in %s is used by %s: %w", dir, who, ErrInUse)
	}
	s.lock = lock
	// The number is for messages: the lock is what counts.
	_ = lock.Truncate(0)
	_, _ = lock.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return nil
}

// below opens a directory in the state directory, or makes it.
func (s *system) below(dir, name string) (*os.File, error) {
	switch err := unix.Mkdirat(int(s.top.Fd()), name, 0o700); {
	case err == nil && s.owner >= 0:
		if err := unix.Fchownat(int(s.top.Fd()), name, s.owner, -1, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
	case err != nil && err != unix.EEXIST:
		return nil, fmt.Errorf("%s: cannot make it: %w", filepath.Join(dir, name), err)
	}
	fd, err := unix.Openat(int(s.top.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot open it as a directory: %w", filepath.Join(dir, name), err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// close gives everything back, the lock last.
func (s *system) close() error {
	var all []error
	for _, f := range []*os.File{s.generations, s.units, s.top, s.lock} {
		if f != nil {
			all = append(all, f.Close())
		}
	}
	return errors.Join(all...)
}

// at is the directory that a path is in, and its name there.
func (s *system) at(p string) (fd int, name string) {
	dir, name := path.Split(p)
	return int(s.dir(strings.TrimSuffix(dir, "/")).Fd()), name
}

func (s *system) dir(name string) *os.File {
	switch name {
	case generationsDir:
		return s.generations
	case unitsDir:
		return s.units
	}
	return s.top
}

// open opens a regular file.
func (s *system) open(p string, flags int) (*os.File, error) {
	fd, name := s.at(p)
	fd, err := unix.Openat(fd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0o600)
	switch {
	case err == unix.ELOOP:
		return nil, wrongf("it is a link, and a file is wanted")
	case err != nil:
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = wrongf("it is not a regular file")
	}
	if err == nil && flags&unix.O_CREAT != 0 && s.owner >= 0 {
		err = f.Chown(s.owner, -1)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (s *system) list(dir string) ([]string, error) {
	d := s.dir(dir)
	if _, err := d.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return d.Readdirnames(-1)
}

func (s *system) read(p string, limit int64) (b []byte, size int64, err error) {
	f, err := s.open(p, unix.O_RDONLY)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	b = make([]byte, min(info.Size(), limit))
	n, err := io.ReadFull(f, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return b[:n], info.Size(), err
}

func (s *system) create(p string) (output, error) {
	f, err := s.open(p, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (s *system) rename(from, to string) error {
	fd1, name1 := s.at(from)
	fd2, name2 := s.at(to)
	return unix.Renameat(fd1, name1, fd2, name2)
}

func (s *system) remove(p string) error {
	fd, name := s.at(p)
	return unix.Unlinkat(fd, name, 0)
}

func (s *system) syncDir(dir string) error { return syncOpen(s.dir(dir)) }

// syncOpen makes the names in a directory durable. File systems that cannot sync a directory need not.
func syncOpen(d *os.File) error {
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return nil
}

func syncPath(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncOpen(d), d.Close())
}
