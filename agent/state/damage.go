package state

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrInUse is wrapped by the error about a directory that another process has.
	ErrInUse = errors.New("it is in use")
	// ErrClosed says that the directory was closed.
	ErrClosed = errors.New("the state directory is closed")
	// ErrUnfinished says that what an unfinished change has made is not taken back yet: see
	// [Dir.Unfinished].
	ErrUnfinished = errors.New("what an unfinished change has made is not taken back yet")
	// ErrDoubtful is wrapped by the error of a commit that failed and could not be taken back: the
	// generation is not current, but a restart may find it. The next Begin tries to take it back again.
	ErrDoubtful = errors.New("a restart may find it nevertheless")
)

// A DamagedError says that a file of a state directory is not what was written there, and how to go
// on.
type DamagedError struct {
	Dir    string // the state directory
	File   string // which file, with its path
	Reason string // what is wrong with it, as a sentence that starts with "it"
	Newer  bool   // a newer version of the program wrote it
	Good   uint64 // the last good generation; 0: there is none
}

func (e *DamagedError) Error() string {
	how := e.Command()
	switch {
	case how == "":
		how = fmt.Sprintf("no good generation is left in %s: bring it back from a backup, or begin with a new directory", e.Dir)
	case e.Newer:
		how = "use the version that wrote it, or go back to generation " + fmt.Sprint(e.Good) + " with: " + how
	default:
		how = fmt.Sprintf("the last good generation is %d; go back to it with: %s", e.Good, how)
	}
	return fmt.Sprintf("%s: %s: %s", e.File, e.Reason, how)
}

// Command is what goes back to the last good generation; "" if there is none.
func (e *DamagedError) Command() string {
	if e.Good == 0 {
		return ""
	}
	return fmt.Sprintf("lunette rollback --state %s %d", shellWord(e.Dir), e.Good)
}

// shellWord is s as a shell takes it for one word.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,=") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// wrong is what is wrong with the content of a file.
type wrong struct {
	reason string
	newer  bool
}

func (w *wrong) Error() string { return w.reason }

func wrongf(format string, args ...any) error { return &wrong{reason: fmt.Sprintf(format, args...)} }

// newerFormat is the error about a file of a format that is not known.
func newerFormat(is uint64, known int) error {
	return &wrong{fmt.Sprintf("it is of format %d, and this version knows %d: a newer one wrote it", is, known), true}
}
