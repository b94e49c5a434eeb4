package store

// Limits of what a [Batch] puts off: beyond them nobody gains by waiting.
const (
	batchBytes = 256 << 10
	batchCalls = 64
)

// A Batch is a number of requests that end one after the other on one goroutine of a store,
// as one system call has brought them. What their Dones want to do once for all of them,
// such as to send what they have queued, they put off to its end.
//
// A Batch belongs to the goroutine that calls Done: it is used inside the call that has found it
// in [Request].Batch, and not kept. The nil Batch is that of a request which ends alone:
// it puts nothing off. Nothing here allocates.
type Batch struct {
	later [batchCalls]interface{ Flush() }
	n     int // of later
	calls int
	bytes int64
}

// Add calls f.Flush at the end of the batch, once for all calls of Add with the same f, or before:
// when much is put off, n bytes of it for f. No lock may be held.
func (b *Batch) Add(f interface{ Flush() }, n int64) {
	if b == nil {
		f.Flush()
		return
	}
	b.put(f)
	b.calls++
	if b.bytes += n; b.bytes >= batchBytes || b.calls == batchCalls {
		b.End()
	}
}

func (b *Batch) put(f interface{ Flush() }) {
	for i := b.n - 1; i >= 0; i-- { // the last one first: few are not the same
		if b.later[i] == f {
			return
		}
	}
	if b.n == len(b.later) { // never, unless a flush adds that much
		f.Flush()
		return
	}
	b.later[b.n] = f
	b.n++
}

// End ends the batch: the store calls it after the Done of the last request. The Batch can be used again.
func (b *Batch) End() {
	b.calls, b.bytes = 0, 0
	for b.n > 0 { // a flush may add something
		b.n--
		f := b.later[b.n]
		b.later[b.n] = nil // it may be a connection that ends
		f.Flush()
	}
}
