package model

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/lunette-io/lunette/scsi"
)

// NamePrefix starts the names of targets that nobody has named.
const NamePrefix = "iqn.2026-11.io.lunette:"

const nameRule = "an iSCSI name is iqn.YYYY-MM.REVERSED.DOMAIN:ANYTHING (such as " + NamePrefix + "disk), eui. and 16 hexadecimal digits, or naa. and 16 or 32"

// TargetName returns the name of a target in the form in which names are compared: small letters. It
// takes what a login takes ([scsi.ISCSIName]); the error says what is wrong, and what would be right
// if something is like it.
func TargetName(name string) (string, error) {
	normal, err := scsi.ISCSIName(name)
	if err == nil {
		return normal, nil
	}
	if n := len(name); n > scsi.MaxISCSINameLen {
		return "", fmt.Errorf("the iSCSI name %.20q… has %d bytes: %d are allowed", name, n, scsi.MaxISCSINameLen)
	}
	hint := ""
	if like := alike(name); like != "" {
		hint = fmt.Sprintf(" (%q would do)", like)
	}
	return "", fmt.Errorf("%.70q is not an iSCSI name, %s%s: %s", name, whyNoName(name), hint, nameRule)
}

// whyNoName says what is wrong with a name that [scsi.ISCSIName] has refused.
func whyNoName(name string) string {
	lower := scsi.FoldISCSIName(name)
	kind, rest, ok := strings.Cut(lower, ".")
	switch {
	case !ok:
		return "it has no type"
	case kind == "eui":
		return "eui. has 16 hexadecimal digits after it"
	case kind == "naa":
		return "naa. has 16 or 32 hexadecimal digits after it"
	case kind != "iqn":
		return fmt.Sprintf("%.20q is no type of name", kind)
	case !utf8.ValidString(name):
		return "it is not UTF-8"
	}
	for _, r := range rest {
		if _, err := scsi.ISCSIName(NamePrefix + string(r)); err != nil {
			return fmt.Sprintf("it has the character %q (letters, digits, '.', '-' and ':' are allowed)", r)
		}
	}
	date, authority, _ := strings.Cut(rest, ".")
	if _, err := scsi.ISCSIName("iqn." + date + ".x"); err != nil || authority == "" {
		return "a date YYYY-MM and a reversed domain name come after iqn."
	}
	return "a reversed domain name comes after the date"
}

// alike is a name like one that is not right; empty: there is none.
func alike(name string) string {
	like := strings.Map(func(r rune) rune {
		if _, err := scsi.ISCSIName(NamePrefix + string(r)); err != nil {
			return '-'
		}
		return r
	}, name)
	like, err := scsi.ISCSIName(like)
	if err != nil {
		return ""
	}
	return like
}

// initiatorPattern returns a name of an initiator, which may have * and ? in it, in small letters.
func initiatorPattern(text string) (string, error) {
	plain := strings.NewReplacer("*", "x", "?", "x").Replace(text)
	if _, err := scsi.InitiatorName(plain); err != nil {
		return "", fmt.Errorf("%.70q is not the name of an initiator, or a pattern with * and ?: it has up to %d bytes that can be printed, and no comma", text, scsi.MaxISCSINameLen)
	}
	return scsi.FoldISCSIName(text), nil
}

const (
	letters  = "abcdefghijklmnopqrstuvwxyz"
	decimals = "0123456789"
)

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
