package buffer

import "github.com/lunette-io/lunette/internal/guard"

// GuardedCopy copies all of src into l at off, as Copy does where there is room for it, also if l is foreign: then it ends with [guard.ErrFault] where that memory is gone.
func (l *Lease) GuardedCopy(off int64, src []byte) error {
	if !l.foreign {
		l.Copy(off, src)
		return nil
	}
	for len(src) > 0 {
		dst := l.At(off)
		if dst == nil {
			return nil
		}
		n, err := guard.Copy(dst, src)
		if err != nil {
			return err
		}
		off += int64(n)
		src = src[n:]
	}
	return nil
}

// GuardedRead copies from l at off into dst, as Read does, also if l is foreign: then it ends with [guard.ErrFault] where that memory is gone.
func (l *Lease) GuardedRead(off int64, dst []byte) error {
	if !l.foreign {
		l.Read(off, dst)
		return nil
	}
	for len(dst) > 0 {
		src := l.At(off)
		if src == nil {
			return nil
		}
		n, err := guard.Copy(dst, src)
		if err != nil {
			return err
		}
		off += int64(n)
		dst = dst[n:]
	}
	return nil
}
