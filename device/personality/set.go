package personality

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed data
var files embed.FS

// Builtin are the personalities in the program. An error is a mistake of ours.
func Builtin() (Set, error) {
	data, err := fs.Sub(files, "data")
	if err != nil {
		return Set{}, err
	}
	return Set{}.from(data, "")
}

// With returns a set with the personalities of a file, or of all files that end in .yaml or .yml in a folder and below it. One
// that has the name of another takes its place. What "like" names may be in s, or before it.
func (s Set) With(name string) (Set, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Set{}, fmt.Errorf("personalities: %w", err)
	}
	if info.IsDir() {
		return s.from(os.DirFS(name), name)
	}
	b := s.builder()
	text, err := readFile(os.DirFS(filepath.Dir(name)), filepath.Base(name))
	if err != nil {
		return Set{}, fmt.Errorf("personalities: %s: %w", name, err)
	}
	b.read(name, text)
	return b.set()
}

// maxFile is how large a file may be, in bytes, and maxFiles how many there may be in a folder.
const (
	maxFile  = 256 << 10
	maxFiles = 1000
)

func readFile(from fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(from, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a file")
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("it has %d bytes: a file of personalities has %d at most", info.Size(), maxFile)
	}
	return fs.ReadFile(from, name)
}

// from adds all files of a folder, which is called prefix in errors.
func (s Set) from(folder fs.FS, prefix string) (Set, error) {
	var names []string
	err := fs.WalkDir(folder, ".", func(name string, e fs.DirEntry, err error) error {
		if ext := path.Ext(name); err == nil && !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
			if names = append(names, name); len(names) > maxFiles {
				return fmt.Errorf("there are more than %d files", maxFiles)
			}
		}
		return err
	})
	if err != nil {
		return Set{}, fmt.Errorf("personalities: %s: %w", prefix, err)
	}
	// Formats come before the drives that name them, and drives before libraries; else in order of name.
	slices.SortStableFunc(names, strings.Compare)
	b := s.builder()
	for _, name := range names {
		text, err := readFile(folder, name)
		if err != nil {
			return Set{}, fmt.Errorf("personalities: %s: %w", filepath.Join(prefix, name), err)
		}
		b.read(filepath.Join(prefix, name), text)
	}
	return b.set()
}

// Library finds a library. The error has what comes close.
func (s Set) Library(name string) (Library, error) {
	return find(s.Libraries, "library", name, func(l Library) string { return l.Name })
}

// Drive finds a drive.
func (s Set) Drive(name string) (Drive, error) {
	return find(s.Drives, "drive", name, func(d Drive) string { return d.Name })
}

// Format finds a media format, by its name or by that of its WORM cartridges.
func (s Set) Format(name string) (Format, error) {
	for _, f := range s.Formats {
		if name != "" && f.WORMName == name {
			return f, nil
		}
	}
	return find(s.Formats, "media format", name, func(f Format) string { return f.Name })
}

// DriveOf finds a drive by its name, or by what is behind the maker's: "lto8" in a library whose Maker is "ibm" is "ibm-lto8".
func (s Set) DriveOf(l Library, name string) (Drive, error) {
	d, err := s.Drive(name)
	if err == nil || l.Maker == "" {
		return d, err
	}
	if d, e := s.Drive(l.Maker + "-" + name); e == nil {
		return d, nil
	}
	return d, err
}

// FormatsOf are the formats that a drive names, in its order.
func (s Set) FormatsOf(d Drive) ([]Format, error) {
	all := make([]Format, 0, len(d.Formats))
	for _, f := range d.Formats {
		format, err := s.Format(f.Format)
		if err != nil {
			return nil, fmt.Errorf("drive %s: %w", d.Name, err)
		}
		all = append(all, format)
	}
	return all, nil
}

// Use is what the drive does with media of a format, which may be called as its WORM cartridges are; false: it refuses them.
func (s Set) Use(d Drive, format string) (DriveFormat, bool) {
	f, err := s.Format(format)
	if err != nil {
		return DriveFormat{}, false
	}
	for _, u := range d.Formats {
		if u.Format == f.Name {
			if u.Density == 0 {
				u.Density = f.Density
			}
			return u, true
		}
	}
	return DriveFormat{}, false
}

// find finds what has a name.
func find[T any](all []T, what, name string, of func(T) string) (T, error) {
	for _, x := range all {
		if of(x) == name {
			return x, nil
		}
	}
	var none T
	names := make([]string, 0, len(all))
	for _, x := range all {
		names = append(names, of(x))
	}
	return none, fmt.Errorf("there is no %s %.60q%s", what, name, near(name, names))
}

// near are the names that come close to another, as the end of a sentence.
func near(name string, names []string) string {
	const most = 6
	type candidate struct {
		name string
		far  int
	}
	lower := strings.ToLower(name)
	var some []candidate
	if len(name) <= 60 {
		for _, n := range names {
			far := distance(lower, strings.ToLower(n))
			if strings.Contains(strings.ToLower(n), lower) && lower != "" {
				far = 0
			}
			if far <= max(len(name)/3, 1) {
				some = append(some, candidate{n, far})
			}
		}
	}
	slices.SortStableFunc(some, func(a, b candidate) int { return a.far - b.far })
	var close []string
	for _, c := range some[:min(len(some), most)] {
		close = append(close, c.name)
	}
	switch {
	case len(close) > 0:
		return ". Did you mean " + strings.Join(close, ", ") + "?"
	case len(names) == 0:
		return ""
	}
	return ": there are " + strings.Join(names[:min(len(names), 12)], ", ") + map[bool]string{true: " …"}[len(names) > 12]
}

// distance is how many letters have to be put in, left out or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			before, row[j] = row[j], min(row[j]+1, row[j-1]+1, before+cost)
		}
	}
	return row[len(b)]
}
