package iscsi

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/internal/tagtable"
)

// A taskSet is the tasks of a session. It belongs to the one who has the session's delivery: only
// there commands and unsolicited data arrive. Tasks come back from anywhere.
//
// A task whose tag is free again (task.open) stays in the table until its memory is used for
// another command, or its tag is. So nobody takes a lock to end a task.
type taskSet struct {
	table tagtable.Table[*task] // by connection and Initiator Task Tag

	// back is a stack of tasks that nobody refers to any more. The owner takes all of them at a
	// time, so that no task can be taken and come back while another looks at it.
	back atomic.Pointer[task]
	free *task // the owner's
}

// tagKey is a tag of a connection: tags should be unique in a session (RFC 7143 11.2.1.8), but an
// initiator that has them unique on each connection loses nothing by it.
func tagKey(cid uint16, itt uint32) uint64 { return uint64(cid)<<32 | uint64(itt) }

func (k *task) key() uint64 { return tagKey(k.c.cid, k.itt) }

// put takes a task back, on any goroutine.
func (s *taskSet) put(k *task) {
	for {
		top := s.back.Load()
		k.next = top
		if s.back.CompareAndSwap(top, k) {
			return
		}
	}
}

// idle reports that no task is left: nobody refers to any.
func (s *taskSet) idle() bool {
	for _, k := range s.table.All {
		if k.refs.Load() > 0 {
			return false
		}
	}
	return true
}

// take returns a task for a command that came by c.
func (s *taskSet) take(c *Conn) *task {
	if s.back.Load() != nil {
		for k := s.back.Swap(nil); k != nil; { // those that came back last are in the caches
			next := k.next
			k.next, s.free = s.free, k
			k = next
		}
	}
	k := s.free
	if k == nil {
		k = newTask()
	} else {
		s.free, k.next = k.next, nil
		if k.listed {
			s.table.Remove(k.key())
			k.listed = false
		}
	}
	k.reset(c)
	return k
}

// add notes a task under its tag. It reports false if the tag is in use. What a connection that had
// the same CID before has left there does not count.
func (s *taskSet) add(k *task) bool {
	for !s.table.Add(k.key(), k) {
		o, _ := s.table.Find(k.key())
		if o.c == k.c && o.open.Load() {
			return false
		}
		s.table.Remove(k.key())
		o.listed = false
	}
	k.listed = true
	return true
}

// find returns the task with a tag that came by c and has not ended, or nil.
func (s *taskSet) find(c *Conn, itt uint32) *task {
	if k, _ := s.table.Find(tagKey(c.cid, itt)); k != nil && k.c == c && k.open.Load() {
		return k
	}
	return nil
}
