package model

import (
	"fmt"
	"path/filepath"
	"strings"
)

// MaxNameLen is the longest iSCSI name in bytes (RFC 7143 4.2.7.1).
const MaxNameLen = 223

// NamePrefix starts the names of targets that nobody has named.
const NamePrefix = "iqn.2026-11.io.lunette:"

const nameRule = "an iSCSI name is iqn.YYYY-MM.REVERSED.DOMAIN:ANYTHING (such as " + NamePrefix + "disk), eui. and 16 hexadecimal digits, or naa. and 16 or 32"

// CheckName reports what is wrong with an iSCSI name (RFC 7143 4.2.7).
func CheckName(name string) error {
	bad := func(why string) error { return fmt.Errorf("%q is not an iSCSI name, %s: %s", name, why, nameRule) }
	if len(name) > MaxNameLen {
		return fmt.Errorf("the iSCSI name %.20q… has %d bytes: %d are allowed", name, len(name), MaxNameLen)
	}
	if lower := strings.ToLower(name); lower != name {
		return fmt.Errorf("the iSCSI name %q has upper-case letters: write %q", name, lower)
	}
	kind, rest, ok := strings.Cut(name, ".")
	if !ok {
		return bad("it has no type")
	}
	switch kind {
	case "iqn":
		return checkIQN(rest, bad)
	case "eui":
		if len(rest) != 16 || !hexadecimal(rest) {
			return bad("eui. has 16 hexadecimal digits after it")
		}
	case "naa":
		if (len(rest) != 16 && len(rest) != 32) || !hexadecimal(rest) {
			return bad("naa. has 16 or 32 hexadecimal digits after it")
		}
	default:
		return bad(fmt.Sprintf("%q is no type of name", kind))
	}
	return nil
}

func checkIQN(rest string, bad func(string) error) error {
	date, authority, ok := strings.Cut(rest, ".")
	if !ok || len(date) != 7 || !digits(date[:4]) || date[4] != '-' || !digits(date[5:]) ||
		date[5:] < "01" || date[5:] > "12" {
		return bad("a date YYYY-MM comes after iqn.")
	}
	domain, _, _ := strings.Cut(authority, ":")
	for _, label := range strings.Split(domain, ".") {
		if label == "" || strings.Trim(label, letters+decimals+"-") != "" {
			return bad("a reversed domain name comes after the date")
		}
	}
	for _, r := range authority {
		if !nameRune(r) {
			return bad(fmt.Sprintf("it has the character %q (letters, digits, '.', '-' and ':' are allowed)", r))
		}
	}
	return nil
}

const (
	letters  = "abcdefghijklmnopqrstuvwxyz"
	decimals = "0123456789"
)

// nameRune: the characters of RFC 7143 4.2.7.2; beyond ASCII it takes what RFC 3722
// takes, which we leave to those who have such names: they are refused.
func nameRune(r rune) bool { return strings.ContainsRune(letters+decimals+".-:", r) }

func digits(s string) bool      { return s != "" && strings.Trim(s, decimals) == "" }
func hexadecimal(s string) bool { return s != "" && strings.Trim(s, decimals+"abcdef") == "" }

// PlainName makes a word for names from a file's path: the base without its
// extension, in lower case, with '-' for what no iSCSI name may have.
func PlainName(path string) string {
	base := filepath.Base(path)
	if ext := filepath.Ext(base); len(ext) < len(base) {
		base = strings.TrimSuffix(base, ext)
	}
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(base) {
		switch {
		case strings.ContainsRune(letters+decimals+".", r):
			b.WriteRune(r)
			dash = false
		case !dash:
			b.WriteByte('-')
			dash = true
		}
	}
	name := strings.Trim(b.String(), "-.")
	if limit := 64; len(name) > limit {
		name = strings.Trim(name[:limit], "-.")
	}
	if name == "" {
		return "disk"
	}
	return name
}
