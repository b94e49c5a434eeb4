module github.com/lunette-io/lunette

go 1.26.0

require (
	github.com/alecthomas/kong v1.17.0
	github.com/goccy/go-yaml v1.19.2
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	go.uber.org/goleak v1.3.0
	golang.org/x/sys v0.49.0
	pgregory.net/rapid v1.3.0
)

require (
	github.com/anchore/go-lzo v0.1.1
	github.com/danielgtaylor/huma/v2 v2.37.2
	github.com/klauspost/compress v1.20.4
)

require (
	github.com/rogpeppe/go-internal v1.16.0
	golang.org/x/tools v0.41.0 // indirect
)

require golang.org/x/text v0.34.0 // indirect
