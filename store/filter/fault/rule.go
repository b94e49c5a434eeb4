package fault

import (
	"math/rand/v2"
	"sync"

	"github.com/lunette-io/lunette/store"
)

// Op is a set of operations.
type Op uint8

// Operations.
const (
	Read  Op = 1 << iota // also TryReadAt, and Lend for reading
	Write                // also TryWriteAt, and Lend for writing
	Flush
	Trim
	Zero
	Map
	Compare // CompareAndWrite
	Resize
	All = Read | Write | Flush | Trim | Zero | Map | Compare | Resize
)

// A Rule says which calls fail, and how. Of several that match, the first applies.
type Rule struct {
	Ops Op
	// Off and Len restrict the rule to calls that touch this range of bytes; Len 0
	// reaches to the end. Flush and Resize touch everything.
	Off, Len int64
	// Skip lets this many matching calls pass first, and Times ends the rule after
	// that many failures; 0 never ends it. The nth call alone: Skip n-1, Times 1.
	Skip, Times int64
	// Probability that a call which the rest of the rule matches fails; 0 means 1.
	Probability float64
	// Err is what the call answers; nil means [store.ErrMedium]. [store.ErrUnavailable] is
	// storage that cannot be reached for now.
	Err error
	// Late fails the call after it was done, as when the answer got lost.
	Late bool
}

// state is the rules in force and how often each has matched and failed.
type state struct {
	mu    sync.Mutex
	rand  *rand.Rand
	rules []Rule
	seen  []int64
	hits  []int64
}

func (s *state) set(rules []Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append([]Rule(nil), rules...)
	s.seen = make([]int64, len(rules))
	s.hits = make([]int64, len(rules))
}

// judge returns whether a call is done first, and the error for it, or nil.
func (s *state) judge(op Op, off, n int64) (late bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rules {
		r := &s.rules[i]
		if r.Ops&op == 0 || op&(Flush|Resize) == 0 && (off+n <= r.Off || r.Len != 0 && off >= r.Off+r.Len) {
			continue
		}
		if s.seen[i]++; s.seen[i] <= r.Skip {
			continue
		}
		if r.Times != 0 && s.hits[i] >= r.Times {
			continue
		}
		if r.Probability > 0 && s.rand.Float64() >= r.Probability {
			continue
		}
		s.hits[i]++
		if r.Err == nil {
			return r.Late, store.ErrMedium
		}
		return r.Late, r.Err
	}
	return false, nil
}
