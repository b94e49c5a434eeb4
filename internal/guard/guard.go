// Package guard touches memory that others can take away: a guest's, whose file may be cut short while it is mapped. Whoever touches such memory without
// it ends the whole process with SIGBUS.
//
// It is used where little is done: a copy, a load, a store. Nothing that can fault runs anybody else's code, and no panic leaves this package, so that callers
// may hold locks.
package guard

import (
	"errors"
	"runtime"
	"runtime/debug"

	"github.com/lunette-io/lunette/internal/nontemporal"
)

// ErrFault: the memory is not there any more.
var ErrFault = errors.New("guard: the memory is gone")

// Copy copies src to dst, as copy does. After ErrFault any part of dst may have been written.
func Copy(dst, src []byte) (n int, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer fault(&err)
	return copy(dst, src), nil
}

// CopyNontemporal is Copy past the processor's caches: see package nontemporal.
func CopyNontemporal(dst, src []byte) (n int, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer fault(&err)
	return nontemporal.Copy(dst, src), nil
}

// Do calls f, which touches the memory and does nothing else, and ends with its end or with ErrFault.
func Do(f func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer fault(&err)
	f()
	return nil
}

// fault makes an error of a fault; any other panic goes on.
func fault(err *error) {
	r := recover()
	if r == nil {
		return
	}
	if e, ok := r.(runtime.Error); ok {
		if _, addressed := e.(interface{ Addr() uintptr }); addressed {
			*err = ErrFault
			return
		}
	}
	panic(r)
}
