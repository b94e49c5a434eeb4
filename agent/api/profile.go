package api

import "time"

// MaxProfile is how long a profile may take.
const MaxProfile = 5 * time.Minute

// ProfileKinds are the profiles that GET /v1/profile/KIND takes, in the order of their use.
// Those of cpu, mutex, block and trace watch for a time, which is in the query: ?time=10s.
func ProfileKinds() []string { return []string{"cpu", "heap", "goroutine", "mutex", "block", "trace"} }
