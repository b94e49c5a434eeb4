package model

import "errors"

var errNotYet = errors.New("not yet")

// Text is the document as it was written, with its comments; nil for one that was not read. The
// caller does not change it.
func (d *Document) Text() []byte { return d.source.text }

// Encode writes the document as it was given, without what validation filled in, and without comments.
func (d *Document) Encode(f Format) ([]byte, error) { return nil, errNotYet }

// Keys are the objects of a kind, in the order of the document.
func (d *Document) Keys(kind ObjectKind) []Key { return nil }

// Object writes one object as it was given; false: there is none.
func (d *Document) Object(k Key, f Format) ([]byte, bool) { return nil, false }

// ETag is the tag of an object as it was given, or of the whole document if k is zero; false: there
// is no such object. Equal tags are of equal objects.
func (d *Document) ETag(k Key) (string, bool) { return "", false }

// Edited is the document that d is after some edits, all of them or an error. Its text is that of
// d, with the objects replaced that were edited: comments elsewhere stay. d does not change. Errors
// are [Problems], or a [*NoObjectError] or [*ObjectThereError].
func (d *Document) Edited(schema Schema, edits ...Edit) (*Document, error) { return nil, errNotYet }

// A NoObjectError says that an edit is of an object that is not there.
type NoObjectError struct{ Key Key }

func (e *NoObjectError) Error() string { return "there is no " + string(e.Key.Kind) + " " + e.Key.Name }

// An ObjectThereError says that an edit creates an object that is there.
type ObjectThereError struct{ Key Key }

func (e *ObjectThereError) Error() string {
	return "there is a " + string(e.Key.Kind) + " " + e.Key.Name + " already"
}
