package server

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lunette-io/lunette/agent/api"
)

// describe are the routes about the API and about documents. It comes behind all others.
func (s *service) describe() {
	const tag = "descriptions"
	any := func(contentType, words string) map[string]*huma.Response {
		return map[string]*huma.Response{"200": {Description: words, Content: map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: huma.TypeObject}}}}}
	}
	s.raw(route{
		method: http.MethodGet, path: "/v1/schema", id: "get-schema", summary: "The JSON Schema of documents", tag: tag,
		answers: any("application/schema+json", "The schema."), fails: []int{http.StatusServiceUnavailable},
	}, nil, s.schema)
	s.raw(route{
		method: http.MethodGet, path: "/v1/openapi.json", id: "get-openapi", summary: "This description (OpenAPI 3.1)", tag: tag,
		answers: any("application/openapi+json", "The description."),
	}, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(s.openapi())
	})
	schemas := s.api.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma's own, which no answer has
	delete(schemas, "ErrorDetail")
	// It is written when somebody wants it: few do. It is made of nothing that cannot be, which a test sees.
	s.openapi = sync.OnceValue(func() []byte {
		text, _ := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
		return text
	})
}

// schema answers with the JSON Schema of documents.
func (s *service) schema(w http.ResponseWriter, _ *http.Request) {
	if s.Schema == nil {
		send(w, http.StatusServiceUnavailable, api.Error{Error: "this daemon has no schema"})
		return
	}
	text, err := s.Schema()
	if err != nil {
		f := failureOf(err)
		send(w, f.status, f.body)
		return
	}
	w.Header().Set("Content-Type", "application/schema+json")
	_, _ = w.Write(text)
}
