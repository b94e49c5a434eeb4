package kind

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// A library is a directory of images of discs; an empty name: there is none.
type library struct{ dir string }

// isLibrary says what is wrong with the directory of a library; nil: nothing is.
func isLibrary(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("library: %w: make that directory, or name another", err)
	case !info.IsDir():
		return fmt.Errorf("library: %s is not a directory: name the one with the images of discs", dir)
	}
	return nil
}

// suffix is what names of images end with as a rule: it may be left out.
const suffix = ".iso"

// find is the path of the image that text names: an absolute path, or a name in the library, which nothing outside of it has.
func (l library) find(text string) (string, error) {
	switch {
	case filepath.IsAbs(text):
		return text, nil
	case l.dir == "":
		return "", fmt.Errorf("%s: the drive has no library to look for it: give the whole path, or the unit the option library: %w", text, fs.ErrNotExist)
	case !filepath.IsLocal(text):
		return "", fmt.Errorf("%s: that is outside of the library %s: give the whole path", text, l.dir)
	}
	root, err := os.OpenRoot(l.dir)
	if err != nil {
		return "", fmt.Errorf("library: %w", err)
	}
	defer root.Close()
	for _, name := range []string{text, text + suffix, text + strings.ToUpper(suffix)} {
		info, err := root.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil: // also a symbolic link to the outside
			return "", fmt.Errorf("%s in the library %s: %w: give the whole path of what is meant", text, l.dir, err)
		case !info.Mode().IsRegular():
			return "", fmt.Errorf("%s in the library %s is no file", text, l.dir)
		}
		return filepath.Join(l.dir, name), nil
	}
	return "", fmt.Errorf("%s: the library %s has no such image; the action \"ls\" lists those that it has: %w", text, l.dir, fs.ErrNotExist)
}

// maxListed is how many names of a library are looked at when it is listed.
const maxListed = 10000

// An image is a file of the library.
type image struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	path string
}

// images are the files of the library, in the order of their names; those of its folders are not. Of more than most names, those that the system
// says first are looked at, and more is true.
func (l library) images(most int) (all []image, more bool, err error) {
	if l.dir == "" {
		return nil, false, errors.New("the drive has no library: give the unit the option library, a directory of images")
	}
	root, err := os.OpenRoot(l.dir)
	if err != nil {
		return nil, false, fmt.Errorf("library: %w", err)
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return nil, false, fmt.Errorf("library: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(most + 1)
	if err != nil && len(names) == 0 && !strings.Contains(err.Error(), "EOF") {
		return nil, false, fmt.Errorf("library: %w", err)
	}
	if more = len(names) > most; more {
		names = names[:most]
	}
	sort.Strings(names)
	for _, name := range names {
		if info, err := root.Stat(name); err == nil && info.Mode().IsRegular() && !strings.HasPrefix(name, ".") {
			all = append(all, image{Name: name, Size: info.Size(), path: filepath.Join(l.dir, name)})
		}
	}
	return all, more, nil
}
