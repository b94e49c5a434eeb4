package iscsi

import "sync/atomic"

// A taskSet is the tasks of a session. It belongs to the one who has the session's delivery: only
// there commands and unsolicited data arrive. Tasks come back from anywhere.
//
// A task whose tag is free again (task.open) stays in the table until its memory is used for
// another command, or its tag is. So nobody takes a lock to end a task.
type taskSet struct {
	table taskTable

	// back is a stack of tasks that nobody refers to any more. The owner takes all of them at a
	// time, so that no task can be taken and come back while another looks at it.
	back atomic.Pointer[task]
	free *task // the owner's
}

func (s *taskSet) init() { s.table.init(0) }

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

// take returns a task for a command that came by c.
func (s *taskSet) take(c *Conn) *task {
	if s.free == nil {
		s.free = s.back.Swap(nil)
	}
	k := s.free
	if k == nil {
		k = newTask()
	} else {
		s.free, k.next = k.next, nil
		s.table.remove(k)
	}
	k.reset(c)
	return k
}

// add notes a task under its tag. It reports false if the tag is in use on its connection.
func (s *taskSet) add(k *task) bool { return s.table.add(k) }

// find returns the task with a tag that came by c and has not ended, or nil.
func (s *taskSet) find(c *Conn, itt uint32) *task {
	if k := s.table.find(c, itt); k != nil && k.open.Load() {
		return k
	}
	return nil
}

// A taskTable finds tasks by connection and Initiator Task Tag: open addressing with linear
// probing, never more than half full. It grows with the session's queue depth.
type taskTable struct {
	slots []*task
	n     int
}

func (t *taskTable) init(n int) {
	size := 16
	for size < 2*n {
		size *= 2
	}
	t.slots = make([]*task, size)
}

func (t *taskTable) home(itt uint32) int {
	return int(itt*2654435769>>7) & (len(t.slots) - 1)
}

// slot is where a task is, or where it would be put.
func (t *taskTable) slot(c *Conn, itt uint32) int {
	for i := t.home(itt); ; i = (i + 1) & (len(t.slots) - 1) {
		if k := t.slots[i]; k == nil || k.itt == itt && k.c == c {
			return i
		}
	}
}

func (t *taskTable) find(c *Conn, itt uint32) *task { return t.slots[t.slot(c, itt)] }

// add reports false if the tag is in use. The place of a task that has ended is taken over.
func (t *taskTable) add(k *task) bool {
	if 2*t.n >= len(t.slots) {
		old := t.slots
		t.init(len(old))
		for _, o := range old {
			if o != nil {
				t.slots[t.slot(o.c, o.itt)] = o
			}
		}
	}
	i := t.slot(k.c, k.itt)
	switch o := t.slots[i]; {
	case o == nil:
		t.n++
	case o.open.Load():
		return false
	}
	t.slots[i] = k
	return true
}

// remove takes k out, if it is there.
func (t *taskTable) remove(k *task) {
	mask := len(t.slots) - 1
	i := t.slot(k.c, k.itt)
	if t.slots[i] != k {
		return
	}
	t.n--
	for j := i; ; {
		t.slots[i] = nil
		for { // close the gap with the next one that may stand there
			j = (j + 1) & mask
			if t.slots[j] == nil {
				return
			}
			home := t.home(t.slots[j].itt)
			if (j-home)&mask >= (j-i)&mask {
				break
			}
		}
		t.slots[i] = t.slots[j]
		i = j
	}
}
