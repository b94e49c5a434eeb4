package model

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSocketPath is what the address of a Unix socket holds in bytes, without the NUL (unix(7): 108).
const maxSocketPath = 107

const socketPathForm = "/PATH, such as /run/lunette/vm1.sock"

// SocketPath is how portals are written of a network whose sockets are files of this machine (unix(7)): by the
// absolute path of each, so that there are three slashes behind the colon. There is none that would be right by default.
func SocketPath(space string) Listen {
	return Listen{
		Space: space, Thing: "path",
		Parse: func(kind, text, written string) (Address, error) {
			if why := socketPath(kind, text); why != "" {
				return Address{}, NotAPortal(written, why, socketPathForm)
			}
			text = path.Clean(text)
			return Address{Text: text, Takes: text, Next: beside(text), Local: true}, nil
		},
	}
}

// socketPath says what is wrong with the path of a socket; empty: nothing is.
func socketPath(kind, text string) string {
	switch {
	case text == "":
		return "it has no path"
	case !strings.HasPrefix(text, "/"):
		return fmt.Sprintf("its path %.70q is relative: write all of it, with the slash that it begins with, as %s:///%s", text, kind, "run/lunette/"+path.Base(text))
	case !utf8.ValidString(text):
		return "its path is not UTF-8"
	case strings.ContainsFunc(text, unicode.IsControl):
		return "its path has a control character"
	case strings.HasSuffix(text, "/"), strings.HasSuffix(text, "/."):
		return fmt.Sprintf("%.70q is a directory: the file of the socket is named too", text)
	case strings.Contains(text+"/", "/../"):
		return "its path has .., which means something else where a directory is a link: write it without"
	}
	if n := len(path.Clean(text)); n > maxSocketPath {
		return fmt.Sprintf("its path has %d bytes: the path of a socket has up to %d", n, maxSocketPath)
	}
	return ""
}

// beside is another path in the directory of one, which a socket can have too.
func beside(text string) string {
	dir, name := path.Split(text)
	ext := path.Ext(name)
	if ext == name {
		ext = ""
	}
	next := dir + strings.TrimSuffix(name, ext) + "-2" + ext
	if len(next) > maxSocketPath {
		return dir + "2"
	}
	return next
}
