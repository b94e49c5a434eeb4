package daemon

import (
	"slices"
	"sync/atomic"
)

// A list is objects of a daemon in the order in which they came. Whoever reads it sees a value that
// nobody changes any more; those who write are one at a time, with Daemon.changing held.
type list[T interface{ name() string }] struct{ all atomic.Pointer[[]T] }

// load returns the objects now; the caller does not change them.
func (l *list[T]) load() []T {
	if all := l.all.Load(); all != nil {
		return *all
	}
	return nil
}

// find returns the object of the name.
func (l *list[T]) find(name string) (x T, ok bool) {
	for _, x := range l.load() {
		if x.name() == name {
			return x, true
		}
	}
	return x, false
}

// put adds x, or puts it in the place of the object of its name. Daemon.changing is held.
func (l *list[T]) put(x T) {
	all := slices.Clone(l.load())
	if i := slices.IndexFunc(all, func(o T) bool { return o.name() == x.name() }); i >= 0 {
		all[i] = x
	} else {
		all = append(all, x)
	}
	l.all.Store(&all)
}

// remove takes the object of the name out. Daemon.changing is held.
func (l *list[T]) remove(name string) {
	all := slices.DeleteFunc(slices.Clone(l.load()), func(o T) bool { return o.name() == name })
	l.all.Store(&all)
}

// replace puts other objects in the place of all. Daemon.changing is held.
func (l *list[T]) replace(all []T) { l.all.Store(&all) }

// byName finds objects of a list by their names.
func byName[T interface{ name() string }](all []T) map[string]T {
	m := make(map[string]T, len(all))
	for _, x := range all {
		m[x.name()] = x
	}
	return m
}
