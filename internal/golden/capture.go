package golden

import (
	"bufio"
	"compress/gzip"
	"os"
	"strings"
	"testing"
)

// A Packet is one of a capture.
type Packet struct {
	Initiator bool // has sent it
	Bytes     []byte
}

// Capture are the packets of a file (gzip) with a line for each: > or <, for the initiator's or the target's, and its bytes in the notation of [Bytes], without a name. Lines that
// start with # are for people.
func Capture(t testing.TB, file string) (all []Packet) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(z)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if from, wire, ok := strings.Cut(s.Text(), " "); ok && from != "#" {
			all = append(all, Packet{from == ">", Bytes(t, "x:"+wire)})
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
