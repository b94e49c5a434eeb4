package store

// Limits of what a [Run] puts off: beyond them nobody gains by waiting.
const (
	runBytes = 256 << 10
	runCalls = 64
)

// A Run is a number of requests that end one after the other on one goroutine of a store,
// as one system call has brought them. What their Dones want to do once for all of them,
// such as to send what they have queued, they put off to its end.
//
// A Run belongs to the goroutine that calls Done: it is used inside the call that has found it
// in [Request].Run, and not kept. The nil Run is that of a request which ends alone:
// it puts nothing off. Nothing here allocates.
type Run struct {
	later [runCalls]interface{ Flush() }
	n     int // of later
	calls int
	bytes int64
}

// Add calls f.Flush at the end of the run, once for all calls of Add with the same f, or before:
// when much is put off, of which n bytes are f's. No lock may be held.
func (r *Run) Add(f interface{ Flush() }, n int64) {
	if r == nil {
		f.Flush()
		return
	}
	r.put(f)
	r.calls++
	if r.bytes += n; r.bytes >= runBytes || r.calls == runCalls {
		r.End()
	}
}

func (r *Run) put(f interface{ Flush() }) {
	for i := r.n - 1; i >= 0; i-- { // the last one first: few are not the same
		if r.later[i] == f {
			return
		}
	}
	if r.n == len(r.later) { // never, unless a flush adds that much
		f.Flush()
		return
	}
	r.later[r.n] = f
	r.n++
}

// End is the store's: after the Done of the last request. The Run can be used again.
func (r *Run) End() {
	r.calls, r.bytes = 0, 0
	for r.n > 0 { // a flush may add something
		r.n--
		f := r.later[r.n]
		r.later[r.n] = nil // it may be a connection that ends
		f.Flush()
	}
}
