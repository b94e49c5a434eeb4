package library

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"os"
)

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

// Seal makes a file of records, with their checksums.
func Seal(records ...string) (file []byte) {
	for _, r := range records {
		sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum([]byte(r), castagnoli))
		file = append(hex.AppendEncode(file, sum), 0x20)
		file = append(append(file, r...), '\n')
	}
	return file
}

// Sabotage makes what is written to the state fail from now on, until the file is written anew.
func (l *Library) Sabotage() error {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	f, err := os.Open(l.journal.path) // for reading only
	if err == nil {
		err = l.journal.file.Close()
		l.journal.file = f
	}
	return err
}
