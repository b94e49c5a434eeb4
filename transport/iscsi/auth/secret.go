package auth

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"unicode"
	"unicode/utf8"
)

// Bounds of secrets and names.
const (
	MinSecretLen = 12 // 96 bits (RFC 7143 section 9.2.1)
	MaxSecretLen = 255
	MaxUserLen   = 255
)

const redacted = "[secret]"

// A Secret is a CHAP secret. It does not show itself: not in fmt, not in slog,
// not in JSON or YAML. The zero value is no secret.
type Secret struct {
	// In a closure fmt cannot reach it, even as an unexported field of something
	// else, where it would not call Format; it looks through pointers.
	reveal func() []byte
}

// conceal makes a Secret of b, which it keeps.
func conceal(b []byte) Secret { return Secret{func() []byte { return b }} }

// NewSecret checks the length and keeps a copy.
func NewSecret(b []byte) (Secret, error) {
	if len(b) < MinSecretLen || len(b) > MaxSecretLen {
		return Secret{}, fmt.Errorf("a CHAP secret of %d bytes; %d to %d are allowed", len(b), MinSecretLen, MaxSecretLen)
	}
	return conceal(bytes.Clone(b)), nil
}

func (s Secret) bytes() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// Equal compares without telling by its time where the two differ.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare(s.bytes(), o.bytes()) == 1
}

// String does not show the secret.
func (s Secret) String() string { return redacted }

// GoString does not show the secret.
func (s Secret) GoString() string { return redacted }

// Format does not show the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue does not show the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText does not show the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// An Account is a name and the secret that proves it.
type Account struct {
	User   string
	Secret Secret
}

// check checks the name and that there is a secret.
func (a Account) check() error {
	if a.User == "" || len(a.User) > MaxUserLen {
		return fmt.Errorf("a CHAP user name of %d bytes; 1 to %d are allowed", len(a.User), MaxUserLen)
	}
	if !utf8.ValidString(a.User) {
		return fmt.Errorf("the CHAP user name %q is not UTF-8", a.User)
	}
	for _, r := range a.User {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("the CHAP user name %q has a character that cannot be printed", a.User)
		}
	}
	if a.Secret.reveal == nil {
		return fmt.Errorf("CHAP user %q has no secret", a.User)
	}
	return nil
}

// LoadSecret reads a secret from a file of its own: the secret is its only
// line. A file that anybody but its owner may read or write is refused.
func LoadSecret(path string) (Secret, error) {
	f, err := openSecret(path)
	if err != nil {
		return Secret{}, err
	}
	defer func() { _ = f.Close() }()
	const most = 4096
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return Secret{}, fmt.Errorf("secret file: %w", err)
	}
	if len(b) > most {
		return Secret{}, fmt.Errorf("secret file %s is larger than %d bytes", path, most)
	}
	s, err := parseSecret(b)
	if err != nil {
		return Secret{}, fmt.Errorf("secret file %s: %w", path, err)
	}
	return s, nil
}
