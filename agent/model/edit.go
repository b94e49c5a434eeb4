package model

import (
	"strconv"
	"strings"
	"unicode"
)

// Edited is the document that d is after some edits, all of them or an error. Its text is that of
// d, with the objects replaced that were edited: comments elsewhere stay. d does not change. Errors
// are [Problems], or a [*NoObjectError] or [*ObjectThereError].
//
// A put or a merge whose object has another name than its key renames what is there. What names an object is
// not changed with it: the document has to be right as a whole.
func (d *Document) Edited(schema Schema, edits ...Edit) (*Document, error) {
	e, err := newEditor(d, schema)
	if err != nil {
		return nil, err
	}
	for _, edit := range edits {
		if err := e.apply(edit); err != nil {
			return nil, err
		}
	}
	return e.done()
}

// A NoObjectError says that an edit is of an object that is not there.
type NoObjectError struct{ Key Key }

func (e *NoObjectError) Error() string { return "there is no " + e.Key.words() }

// An ObjectThereError says that an edit creates an object that is there.
type ObjectThereError struct{ Key Key }

func (e *ObjectThereError) Error() string {
	return "there is a " + e.Key.words() + " already"
}

// words are the key in a sentence.
func (k Key) words() string { return printable(string(k.Kind)) + " " + printable(k.Name) }

// printable is a text, in quotes if it has what is not printed.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
