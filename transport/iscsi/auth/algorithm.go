// Package auth is CHAP for iSCSI, one-way and mutual, on both sides (RFC 7143 section 12.1.3 and 9.2.1, RFC 1994).
package auth

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// Algorithm is a hash by its number in CHAP_A, as IANA has them.
type Algorithm uint8

// The algorithms, the strongest last.
const (
	MD5      Algorithm = 5
	SHA1     Algorithm = 6
	SHA256   Algorithm = 7
	SHA3_256 Algorithm = 8
)

// All is every algorithm, the strongest first.
func All() []Algorithm { return []Algorithm{SHA3_256, SHA256, SHA1, MD5} }

// String is the name of the hash.
func (a Algorithm) String() string {
	switch a {
	case MD5:
		return "MD5"
	case SHA1:
		return "SHA1"
	case SHA256:
		return "SHA-256"
	case SHA3_256:
		return "SHA3-256"
	}
	return fmt.Sprintf("algorithm %d", uint8(a))
}

// Name is the name of the hash as settings have it, those of Linux's initiator too.
func (a Algorithm) Name() string {
	switch a {
	case MD5:
		return "md5"
	case SHA1:
		return "sha1"
	case SHA256:
		return "sha256"
	case SHA3_256:
		return "sha3-256"
	}
	return ""
}

// Size is the length of a response in bytes.
func (a Algorithm) Size() int {
	switch a {
	case MD5:
		return md5.Size
	case SHA1:
		return sha1.Size
	}
	return 32
}

func (a Algorithm) new() hash.Hash {
	switch a {
	case MD5:
		return md5.New()
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	}
	return sha3.New256()
}

// Response is the CHAP response: the hash of the identifier, the secret and the
// challenge, in this order (RFC 1994 section 4.1).
func (a Algorithm) Response(id byte, secret Secret, challenge []byte) []byte {
	h := a.new()
	h.Write([]byte{id})
	h.Write(secret.bytes())
	h.Write(challenge)
	return h.Sum(nil)
}

// choose picks the first member of a CHAP_A list that is allowed; the order is
// the offerer's. Members that are no known number are passed over.
func choose(list string, allowed []Algorithm) (Algorithm, error) {
	for v := range strings.SplitSeq(list, ",") {
		n, err := login.ParseNumber(v)
		if err != nil {
			continue
		}
		for _, a := range allowed {
			if n == uint64(a) {
				return a, nil
			}
		}
	}
	return 0, fmt.Errorf("none of the algorithms in the initiator's CHAP_A is allowed (allowed: %s)", formatList(allowed))
}

// formatList is algorithms as a CHAP_A list.
func formatList(as []Algorithm) string {
	var b []byte
	for i, a := range as {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(a), 10)
	}
	return string(b)
}
