// Package agent is what management is made of: kinds of plugins and what can be said
// about them. It knows schemas, never a plugin by name.
package agent

import (
	"fmt"

	"github.com/lunette-io/lunette/agent/model"
)

// A Kind is one plugin as the user sees it, and the function that makes one. T is the
// function's type; each axis has its own.
type Kind[T any] struct {
	Name    string
	Help    string // one or two sentences
	Options []model.Option
	New     T
}

// Find returns the kind of the name. A document that is valid by [Schema] names none
// that is not there.
func Find[T any](kinds []Kind[T], axis, name string) (Kind[T], error) {
	for _, k := range kinds {
		if k.Name == name {
			return k, nil
		}
	}
	var none Kind[T]
	return none, fmt.Errorf("there is no %s %q", axis, name)
}

// Schema describes kinds of one axis.
func Schema[T any](axis string, kinds []Kind[T]) model.Schema {
	var s model.Schema
	for _, k := range kinds {
		s = append(s, model.Kind{Axis: axis, Name: k.Name, Help: k.Help, Options: k.Options})
	}
	return s
}
