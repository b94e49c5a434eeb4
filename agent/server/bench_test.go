package server

import "testing"

// What a daemon pays for the API when it starts.
func BenchmarkNewService(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newService(b.Context(), Config{Source: nothing{}, times: usual()})
	}
}
