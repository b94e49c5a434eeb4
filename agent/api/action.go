package api

import "encoding/json"

// An Action is something that people can do with a unit, beside changing the document.
type Action struct {
	Name      string     `json:"name"`
	Help      string     `json:"help"`
	Changes   bool       `json:"changes" doc:"It changes something, and is not for those who may only look."`
	Arguments []Argument `json:"arguments"`
}

// An Argument is what an action is told by a name.
type Argument struct {
	Name     string   `json:"name"`
	Type     string   `json:"type" doc:"string, path, size, bool, number, duration, or keys and values."`
	List     bool     `json:"list,omitempty"`
	Required bool     `json:"required,omitempty"`
	Default  string   `json:"default,omitempty"`
	Values   []string `json:"values,omitempty" doc:"The only values, if there are any."`
	Help     string   `json:"help"`
}

// A Done is what an action has come to.
type Done struct {
	Unit   string          `json:"unit"`
	Action string          `json:"action"`
	Result json.RawMessage `json:"result,omitempty" doc:"What the action says of itself: its kind of unit has it."`
}
