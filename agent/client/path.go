package client

import (
	"net/url"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
)

// objectPath is where an object of the document is in the API.
func objectPath(k model.Key) (string, error) {
	at, ok := api.CollectionOf(k.Kind)
	if !ok {
		return "", noKind(k.Kind)
	}
	return "/v1/config/" + at.Path + "/" + escape(k.Name), nil
}

// escape is a name as one part of a path. All that a path has a meaning for is escaped: slashes, and the dots of a
// name that is nothing else.
func escape(name string) string {
	if strings.Trim(name, ".") == "" {
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}
