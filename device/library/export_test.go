package library

// SetPoint lets f be called at each place where a crash would leave something behind.
func (l *Library) SetPoint(f func(string)) { l.point = f }

// Abandon leaves the library as a process does that is killed.
func (l *Library) Abandon() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.journal.mu.Lock()
	if l.journal.file != nil {
		_ = l.journal.file.Close()
	}
	l.journal.mu.Unlock()
	l.lock.unlock()
}

// RewriteAfter is after how many changes the state is written anew.
const RewriteAfter = rewriteAfter

// Decode reads a state, and returns it as a file again.
func Decode(file []byte) (again []byte, size int, err error) {
	s, size, err := decode(file)
	if err != nil {
		return nil, size, err
	}
	again, err = s.encode()
	return again, size, err
}
