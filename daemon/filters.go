package daemon

import (
	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter/delay"
	"github.com/lunette-io/lunette/store/filter/fault"
	"github.com/lunette-io/lunette/store/filter/stats"
)

func newDelay(s store.Store, v model.Values) (store.Store, error) {
	latency := func(name string) delay.Latency {
		l := delay.Latency{Fixed: v.Duration(name)}
		if l.Fixed > 0 {
			l.Jitter = v.Duration("jitter")
		}
		return l
	}
	return delay.New(s, delay.Config{
		Read: latency("read"), Write: latency("write"), Flush: latency("flush"),
		Trim: latency("trim"), Zero: latency("zero"),
	}), nil
}

func newFault(s store.Store, v model.Values) (store.Store, error) {
	calls := map[string]fault.Op{
		"all": fault.All, "read": fault.Read, "write": fault.Write, "flush": fault.Flush,
		"trim": fault.Trim, "zero": fault.Zero, "map": fault.Map,
		"compare": fault.Compare, "resize": fault.Resize,
	}
	errs := map[string]error{
		"medium": store.ErrMedium, "out-of-space": store.ErrOutOfSpace, "read-only": store.ErrReadOnly,
		"unavailable": store.ErrUnavailable,
	}
	return fault.New(s, uint64(v.Int("seed")), fault.Rule{
		Ops: calls[v.String("calls")], Off: v.Size("offset"), Len: v.Size("length"),
		Skip: v.Int("skip"), Times: v.Int("times"), Probability: float64(v.Int("percent")) / 100,
		Err: errs[v.String("error")], Late: v.Bool("late"),
	}), nil
}

// counted is what the outermost stats filter of s has counted; nil without one.
func counted(s store.Store) []api.StoreCount {
	for {
		if f, ok := s.(*stats.Store); ok {
			return storeCounts(f.Snapshot())
		}
		f, ok := s.(store.Filter)
		if !ok {
			return nil
		}
		s = f.Unwrap()
	}
}

func storeCounts(snapshot stats.Snapshot) []api.StoreCount {
	var all []api.StoreCount
	for op, c := range snapshot {
		if c.Calls == 0 {
			continue
		}
		n := api.StoreCount{
			Operation: stats.Op(op).String(), Calls: int64(c.Calls), Errors: int64(c.Errors), Bytes: int64(c.Bytes),
			Seconds: c.Busy.Seconds(),
		}
		for _, calls := range c.Times {
			n.Timed += int64(calls)
		}
		all = append(all, n)
	}
	return all
}
