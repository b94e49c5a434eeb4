package library

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/internal/failpoint"
)

// After so many changes the file is written anew, if the state has not more elements than that.
const rewriteAfter = 4096

// A journal keeps a state in a file: the state, and the changes since. A change costs one write and one fdatasync. Its methods
// may be called by many goroutines at a time.
type journal struct {
	path string

	mu      sync.Mutex
	state   *state   // as it is in the file; guarded by mu
	file    *os.File // nil: the file has to be written anew; guarded by mu
	size    int64    // of what counts in the file; guarded by mu
	changes int      // in the file; guarded by mu

	point func(string) // tests: called at each place where a crash would leave something behind
}

// loadJournal opens a state for who has the library alone. exists is false if there is no file: then the state is empty.
func loadJournal(path, library string) (j *journal, exists bool, err error) {
	j = &journal{path: path, point: failpoint.Here}
	b, err := readState(path)
	if errors.Is(err, os.ErrNotExist) {
		j.state = &state{library: library, seq: 1, cells: make(map[Place]cell)}
		return j, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	s, size, err := decode(b)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w: get the file back from a backup, or move it away: then all cartridges are on the shelf", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		err = f.Truncate(int64(size))
	}
	if err != nil {
		return nil, false, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state, j.file, j.size = s, f, int64(size)
	reserve(j.file, j.size)
	return j, true, nil
}

// spare is how much room of the disk a journal keeps for itself: about a thousand moves.
const spare = 256 << 10

// reserve takes that room behind the size of a file, where the file system can do that: on a disk that is full cartridges can be taken
// out of drives all the same.
func reserve(f *os.File, size int64) {
	_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, size, spare)
}

// maxState bounds the file of a state: 65535 elements take a tenth of it.
const maxState = 256 << 20

// readState reads the file of a state.
func readState(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxState {
		return nil, fmt.Errorf("%s: %w: it is no file of at most %d bytes", path, ErrState, maxState)
	}
	return os.ReadFile(path)
}

// close closes the file. All changes are durable already.
func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != nil {
		_ = j.file.Close() // nothing of it is waiting
		j.file = nil
	}
}

// commit makes a change durable: its Set, Relabel and Ends. After an error the state is as before.
func (j *journal) commit(c change) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil || j.changes >= max(rewriteAfter, len(j.state.cells)) {
		if err := j.rewrite(j.state); err != nil {
			return err
		}
	}
	c.Seq = j.state.seq + 1
	if c.Set == nil {
		c.Set = []content{}
	}
	line, err := appendRecord(nil, c)
	if err != nil {
		return err
	}
	_, err = j.file.WriteAt(line, j.size)
	if err == nil {
		j.point("library.appended")
		err = unix.Fdatasync(int(j.file.Fd()))
	}
	if err != nil {
		j.withdraw()
		return fmt.Errorf("%s: %w", j.path, err)
	}
	if err := j.state.apply(c); err != nil {
		j.withdraw() // a fault of ours: what was written could not be read
		return err
	}
	j.size += int64(len(line))
	j.changes++
	return nil
}

// owe makes a change that could not be made durable, and has to be: the next one writes the file anew, with it. Until then the
// file has what was before.
func (j *journal) owe(c change) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != nil {
		_ = j.file.Close() // all of it is durable
		j.file = nil
	}
	c.Seq = j.state.seq + 1
	return j.state.apply(c)
}

// withdraw takes away what was written of a change that is not made. If that fails too the file is written anew before the next
// one. j.mu is held.
func (j *journal) withdraw() {
	err := j.file.Truncate(j.size)
	if err == nil {
		err = unix.Fdatasync(int(j.file.Fd()))
	}
	if err != nil {
		_ = j.file.Close() // it is not used any more
		j.file = nil
	}
}

// replace makes s the state, durably.
func (j *journal) replace(s *state) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.rewrite(s)
}

// rewrite puts a file that has s alone in the place of the old one. j.mu is held.
func (j *journal) rewrite(s *state) error {
	b, err := s.encode()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(j.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err == nil {
		j.point("library.rewritten")
		err = os.Rename(j.path+".new", j.path)
	}
	if err != nil {
		_ = f.Close() // the error that counts is there already
		return fmt.Errorf("%s: %w", j.path, err)
	}
	j.point("library.renamed")
	if j.file != nil {
		_ = j.file.Close() // it has no name any more
	}
	j.state, j.file, j.size, j.changes = s, f, int64(len(b)), 0
	reserve(j.file, j.size)
	if err := syncDir(filepath.Dir(j.path)); err != nil {
		_ = f.Close() // whether it has a name is not known: the next change writes it anew
		j.file = nil
		return err
	}
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}
