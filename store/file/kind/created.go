package kind

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// before is what a file was before it was opened with a size.
type before struct {
	path    string
	missing bool
	empty   bool
}

func lookAt(path string) before {
	info, err := os.Stat(path)
	return before{
		path:    path,
		missing: errors.Is(err, fs.ErrNotExist),
		empty:   err == nil && info.Mode().IsRegular() && info.Size() == 0,
	}
}

// undo returns what puts the file back to what it was, or nil if opening has not changed
// it. It acts only on the file that is there now.
func (b before) undo() func() error {
	if !b.missing && !b.empty {
		return nil
	}
	made, err := os.Stat(b.path)
	if err != nil {
		return nil
	}
	return func() error {
		now, err := os.Stat(b.path)
		if err != nil || !os.SameFile(made, now) {
			return nil
		}
		if b.missing {
			err = os.Remove(b.path)
		} else {
			err = os.Truncate(b.path, 0)
		}
		if err != nil {
			return fmt.Errorf("cannot take back the file that was made: %w", err)
		}
		return nil
	}
}
