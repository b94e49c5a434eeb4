package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// What a generation may have at most.
const (
	maxText    = 16 << 20
	maxAuthor  = 256
	maxComment = 4096
)

var (
	// ErrBusy says that a transaction is under way already.
	ErrBusy = errors.New("another change is under way")
	// ErrEnded says that a transaction was committed or aborted before.
	ErrEnded = errors.New("this change has ended already")
	// ErrNotFound is wrapped by the error about a generation that is not there, or not any more.
	ErrNotFound = errors.New("it is not there")
)

func notFound(generation uint64) error {
	return fmt.Errorf("generation %d: %w: older ones than the last are removed in time", generation, ErrNotFound)
}

// complete is the meta of a generation with this text: schema, author and comment are those of m, and
// so is the time, if it has one.
func complete(m Meta, generation, parent uint64, text []byte, now func() time.Time) (Meta, error) {
	switch {
	case len(text) > maxText:
		return Meta{}, fmt.Errorf("a document of %d bytes: %d are the most that can be kept", len(text), maxText)
	case len(m.Author) > maxAuthor:
		return Meta{}, fmt.Errorf("the author's name has %d bytes: %d are the most that can be kept", len(m.Author), maxAuthor)
	case len(m.Comment) > maxComment:
		return Meta{}, fmt.Errorf("the comment has %d bytes: %d are the most that can be kept", len(m.Comment), maxComment)
	case m.Schema < 0:
		return Meta{}, fmt.Errorf("there is no version %d of the document's language", m.Schema)
	}
	if m.Time.IsZero() {
		m.Time = now()
	}
	sum := sha256.Sum256(text)
	m.Generation, m.Parent = generation, parent
	m.Time = m.Time.Round(0).UTC()
	m.Digest, m.Size = hex.EncodeToString(sum[:]), len(text)
	return m, nil
}
