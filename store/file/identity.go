package file

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

// Attribute is the extended attribute of a file that says which disk it is: 32 hexadecimal digits.
const Attribute = "user.lunette.identity"

// Names of the records beside a file.
const (
	identityRecord    = "identity"
	reservationRecord = "reservations"
)

// An Identity says which disk a file is, wherever it lies: it is made once and goes where the file
// goes.
type Identity struct {
	// ID is 32 hexadecimal digits; empty: nothing is kept with the file, and nothing could be.
	ID string
	// Why says why ID is empty.
	Why error
	// Made: it is new, since the file had none.
	Made bool
	// Forget is what an operator does to let the file have another, as the copy of a file that has
	// to be another disk.
	Forget string
	// Dropped is the file of records that was of another disk, which was at this path before; empty:
	// there was none.
	Dropped string

	undo func() error
}

// Undo takes back what [Store.Identify] has written.
func (i Identity) Undo() error {
	if i.undo == nil {
		return nil
	}
	return i.undo()
}

// attributes are the extended attributes of open files. Tests have others than the system's.
type attributes interface {
	get(fd int) (string, error) // "", nil: it has none
	set(fd int, id string) error
	remove(fd int) error
}

// system are those of the system.
type system struct{}

func (system) get(fd int) (string, error) {
	var b [256]byte
	n, err := unix.Fgetxattr(fd, Attribute, b[:])
	switch {
	case err == unix.ENODATA:
		return "", nil
	case err == unix.ERANGE:
		return "", errors.New("it is too long")
	case err != nil:
		return "", err
	}
	return string(b[:n]), nil
}

func (system) set(fd int, id string) error {
	if err := unix.Fsetxattr(fd, Attribute, []byte(id), unix.XATTR_CREATE); err != nil {
		return err
	}
	return fdio.Retry(func() error { return unix.Fsync(fd) })
}

func (system) remove(fd int) error { return unix.Fremovexattr(fd, Attribute) }

// Identify says which disk the file is. A file that has no identity gets one, unless the store is
// read only: in an extended attribute, or in a file beside it where the file system has none. A file
// that Open has made, or given a size, is another disk than any that there was, whatever lies beside
// it. It is called once, before the store is used.
func (s *Store) Identify() (Identity, error) {
	fresh := s.made || s.grown
	has, kept, err := s.identities(fresh)
	if err != nil {
		return Identity{}, err
	}
	i := Identity{}
	if fresh && (has != "" || kept != "") {
		i.Dropped = kept
		has, kept = "", ""
	}
	if i.ID = has; i.ID == "" {
		i.ID = kept
	}
	if s.readOnly {
		if i.ID == "" {
			i.Why = errors.New("it is opened for reading, and has none")
		}
		return s.identified(i, has != ""), nil
	}
	if i.ID == "" {
		i.ID, i.Made = newID(), true
	}
	if err := s.note(&i, has, kept, fresh); err != nil {
		return i, err
	}
	return i, nil
}

// identities are what is kept in the file, and beside it.
func (s *Store) identities(fresh bool) (has, kept string, err error) {
	has, err = s.attrs.get(s.fd)
	if err != nil && !noAttributes(err) {
		return "", "", fmt.Errorf("%s: the attribute %s: %w", s.path, Attribute, err)
	}
	if has != "" && !isID(has) {
		return "", "", fmt.Errorf("%s: the attribute %s is %.40q, and not 32 hexadecimal digits: which disk is it? (setfattr -x %s %s takes it away: then it is a new one)",
			s.path, Attribute, has, Attribute, s.path)
	}
	b, err := s.kept.Get(identityRecord)
	switch {
	case err != nil && fresh:
		return has, s.kept.Path(), nil // whatever it is, it is not of this file
	case err != nil:
		return "", "", fmt.Errorf("%w: which disk %s is, and its reservations, may stand there: get it back from a backup, or remove it if nobody needs them", err, s.path)
	case fresh && b != nil:
		return has, s.kept.Path(), nil
	case len(b) > 0 && !isID(string(b)):
		return "", "", fmt.Errorf("%s: the identity in it is %.40q, and not 32 hexadecimal digits", s.kept.Path(), b)
	case has != "" && len(b) > 0 && has != string(b) && !fresh:
		return "", "", fmt.Errorf("%s: it is another disk's: the disk %s has the attribute %s=%s, and in this file stands %s: put the file of the disk there, or remove it if what it keeps (reservations) is not wanted any more",
			s.kept.Path(), s.path, Attribute, has, b)
	}
	return has, string(b), nil
}

// note keeps the identity that was found or made where it can be kept.
func (s *Store) note(i *Identity, has, kept string, fresh bool) error {
	if fresh && i.Dropped != "" {
		if err := s.kept.Reset(nil); err != nil {
			return fmt.Errorf("what was kept of another disk cannot be removed: %w", err)
		}
	}
	inFile, failed := has == i.ID, error(nil)
	if !inFile {
		if fresh {
			_ = s.attrs.remove(s.fd) // of a file that was emptied; setting it says what is wrong
		}
		failed = s.attrs.set(s.fd, i.ID)
		inFile = failed == nil
	}
	s.kept.Stamp(identityRecord, []byte(i.ID))
	switch {
	case inFile && has == "" && i.Made:
		i.undo = func() error { return s.attrs.remove(s.fd) }
	case !inFile && kept == "":
		if err := s.kept.Set(identityRecord, []byte(i.ID)); err != nil {
			i.ID, i.Made, i.Why = "", false, fmt.Errorf("%w, and %w", failed, err)
			return nil
		}
		i.undo = func() error { return s.kept.Reset(nil) }
	}
	*i = s.identified(*i, inFile)
	return nil
}

// identified fills in what follows from where the identity is kept.
func (s *Store) identified(i Identity, inFile bool) Identity {
	switch {
	case i.ID == "":
	case inFile:
		i.Forget = fmt.Sprintf("setfattr -x %s %s", Attribute, s.path)
	default:
		i.Forget = "rm " + s.kept.Path()
	}
	return i
}

// known says that the file has an identity: it was served before.
func (s *Store) known() bool {
	if has, err := s.attrs.get(s.fd); err == nil && isID(has) {
		return true
	}
	b, err := s.kept.Get(identityRecord)
	return err == nil && isID(string(b))
}

// Reservations is where the reservations of the disk are kept: beside the file. It is nil if nothing
// can be kept there, and nothing is: what was kept before holds in any case, though it then cannot be
// changed.
func (s *Store) Reservations() store.Record {
	writable := !s.readOnly && unix.Access(filepath.Dir(s.kept.Path()), unix.W_OK) == nil
	if b, err := s.kept.Get(reservationRecord); !writable && b == nil && err == nil {
		return nil
	}
	if s.readOnly {
		return unchanging{s.kept.Slot(reservationRecord)}
	}
	return s.kept.Slot(reservationRecord)
}

// unchanging is a record of a store that is read only: others may have the file as well.
type unchanging struct{ store.Record }

// Save fails.
func (u unchanging) Save([]byte) error {
	return fmt.Errorf("%s: %w: its disk is opened for reading", u.Where(), store.ErrReadOnly)
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it cannot fail
	return hex.EncodeToString(b[:])
}

func isID(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == 16
}

// noAttributes reports that the file can have none, or none of ours.
func noAttributes(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
}
