package server

import (
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/plan"
)

// shownResult is a result as the API has it: its tag can be sent back as it is, and no list is null.
func shownResult(r *apply.Result) *apply.Result {
	if r == nil {
		return nil
	}
	v := *r
	if v.ETag != "" {
		v.ETag = quoted(v.ETag)
	}
	if v.Plan != nil && v.Plan.Steps == nil {
		p := *v.Plan
		p.Steps = []plan.Step{}
		v.Plan = &p
	}
	return &v
}

// shownOperation is an operation as the API has it.
func shownOperation(o apply.Operation) apply.Operation {
	o.Result = shownResult(o.Result)
	return o
}
