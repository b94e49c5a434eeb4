package nontemporal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Every length and every place: what lies there is copied, and nothing beside it is touched.
func TestCopy(t *testing.T) {
	src := make([]byte, 1<<16)
	for i := range src {
		src[i] = byte(rand.Uint32())
	}
	check := func(to, from, n int) {
		dst := make([]byte, to+n+line)
		for i := range dst {
			dst[i] = 0xA5
		}
		if got := Copy(dst[to:to+n], src[from:]); got != n {
			t.Fatalf("%d bytes from %d to %d: %d", n, from, to, got)
		}
		if !bytes.Equal(dst[to:to+n], src[from:from+n]) {
			t.Fatalf("%d bytes from %d to %d: other data", n, from, to)
		}
		if bytes.Trim(dst[:to], "\xA5") != nil || bytes.Trim(dst[to+n:], "\xA5") != nil {
			t.Fatalf("%d bytes from %d to %d: more than those", n, from, to)
		}
	}
	for place := range 2 * line {
		for _, n := range []int{0, 1, line, least - 1, least, least + 1, least + line - 1, 10000} {
			check(place, 3, n)
			check(5, place, n)
		}
	}
	for range 200 {
		n := rand.IntN(len(src))
		check(rand.IntN(200), rand.IntN(len(src)-n), n)
	}
	if n := Copy(nil, src); n != 0 {
		t.Errorf("to nothing: %d", n)
	}
	if n := Copy(make([]byte, 9000), src[:5000]); n != 5000 {
		t.Errorf("from less: %d", n)
	}
}

// One goroutine copies, and says so by a channel; another sees all of it.
func TestSeen(t *testing.T) {
	src, dst := make([]byte, 8192), make([]byte, 8192)
	ask, done := make(chan byte), make(chan bool)
	go func() {
		for b := range ask {
			for i := range src {
				src[i] = b
			}
			Copy(dst, src)
			done <- true
		}
		close(done)
	}()
	for i := range 1000 {
		ask <- byte(i)
		<-done
		if dst[0] != byte(i) || dst[len(dst)-1] != byte(i) || !bytes.Equal(dst, src) {
			t.Fatalf("round %d: %d … %d", i, dst[0], dst[len(dst)-1])
		}
	}
	close(ask)
	<-done
}

// BenchmarkCopy is both ways to copy, to memory that no cache holds and to such that one does.
func BenchmarkCopy(b *testing.B) {
	for _, size := range []int{2 << 10, 4 << 10, 64 << 10, 1 << 20} {
		for _, span := range []int{1 << 20, 256 << 20} {
			src, dst := make([]byte, 8*size), make([]byte, span)
			for name, f := range map[string]func(dst, src []byte) int{
				"past the caches": Copy,
				"copy":            func(dst, src []byte) int { return copy(dst, src) },
			} {
				b.Run(fmt.Sprintf("%dK in %dM/%s", size>>10, span>>20, name), func(b *testing.B) {
					b.SetBytes(int64(size))
					for i := range b.N {
						f(dst[rand.IntN(span/size)*size:][:size], src[i%8*size:][:size])
					}
				})
			}
		}
	}
}
