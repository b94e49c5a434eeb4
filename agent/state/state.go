// Package state keeps the generations of a document in a directory, so that what was committed is
// there after a crash, and what was not is not.
package state

import "time"

// Meta is what is known of one generation.
type Meta struct {
	Generation uint64    `json:"generation"` // from 1
	Parent     uint64    `json:"parent"`     // the one before it; 0: none
	Schema     int       `json:"schema"`     // version of the document's language
	Time       time.Time `json:"time"`
	Author     string    `json:"author"`
	Comment    string    `json:"comment,omitempty"`
	Digest     string    `json:"digest"` // SHA-256 of the text, in hexadecimal
	Size       int       `json:"size"`   // of the text, in bytes
}

// Stored is one generation.
type Stored struct {
	Meta
	Text []byte // the document as it was written; the caller does not change it
}

// Made is something that outlives the process, and is made before the generation that wants it is
// committed: how to take it back.
type Made struct {
	// Path is of a file that was not there, if Grown is false; or else of one that had Size bytes
	// and is made longer.
	Path  string `json:"path"`
	Grown bool   `json:"grown,omitempty"`
	Size  int64  `json:"size,omitempty"`
}

// Generations are the documents that were committed. A [Dir] keeps them in a directory, a [Memory]
// for as long as the process lives.
type Generations interface {
	// Current is the last that was committed; false: there is none.
	Current() (Stored, bool)
	// Begin begins the one after it. One is under way at a time.
	Begin() (Transaction, error)
	// History are those that are still there, the newest first.
	History() ([]Meta, error)
	// Load reads one of them.
	Load(generation uint64) (Stored, error)
}

// A Transaction ends with Commit or Abort.
type Transaction interface {
	// Makes notes durably what is going to be made: a crash before Commit takes it back at the
	// next start.
	Makes(Made) error
	// Commit makes the text, and who wrote it, the current generation. When it returns nil, it is
	// durable; after an error it is not current and will not be.
	Commit(text []byte, m Meta) (Meta, error)
	// Abort ends the transaction; what was made the caller has taken back.
	Abort() error
}
