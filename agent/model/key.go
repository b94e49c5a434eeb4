package model

import "strings"

// A Key names one object of a document.
type Key struct {
	Kind ObjectKind `json:"kind"`
	Name string     `json:"name"`
}

// An ObjectKind is what kind of object a key names.
type ObjectKind string

// Kinds of objects.
const (
	UserObject   ObjectKind = "user"
	UnitObject   ObjectKind = "unit"
	TargetObject ObjectKind = "target"
	// AccessObject is an element of a target's access; its name is TARGET/NAME.
	AccessObject ObjectKind = "access"
	// PortalObject is a portal, by its name; one without a name has that of [Portal.String].
	PortalObject ObjectKind = "portal"
	// SectionObject is a key of the whole document, such as limits, with all that is in it.
	SectionObject ObjectKind = "section"
)

// String is the key as KIND/NAME.
func (k Key) String() string { return string(k.Kind) + "/" + k.Name }

// ParseKey reads what String writes. It does not know which objects there are.
func ParseKey(text string) (Key, bool) {
	kind, name, ok := strings.Cut(text, "/")
	return Key{ObjectKind(kind), name}, ok && kind != "" && name != ""
}

// A Format is how a document, or an object of it, is written.
type Format string

// Formats.
const (
	YAML Format = "yaml"
	JSON Format = "json"
)

// An EditOp is what an edit does to its object.
type EditOp string

// Operations of edits.
const (
	CreateObject EditOp = "create" // there is none yet
	PutObject    EditOp = "put"    // takes the place of the one that is there, or is added
	MergeObject  EditOp = "merge"  // changes some keys of one that is there: a JSON merge patch (RFC 7396)
	DeleteObject EditOp = "delete" // one that is there
)

// An Edit changes one object of a document.
type Edit struct {
	Op  EditOp `json:"op"`
	Key Key    `json:"key"`
	// Body is the object in YAML or JSON, as it stands in a document; empty of DeleteObject.
	Body []byte `json:"body,omitempty"`
}
