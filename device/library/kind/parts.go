package kind

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/device/personality"
)

// parts are what a library is made of, by its options.
type parts struct {
	set       personality.Set
	model     personality.Library
	addresses personality.Addresses
	drives    []personality.Drive
	slots     int
	mail      int
}

// newParts finds what options name.
func newParts(v model.Values) (p parts, err error) {
	if p.set, err = personality.Builtin(); err != nil {
		return p, err
	}
	if own := v.String("personalities"); own != "" {
		if p.set, err = p.set.With(own); err != nil {
			return p, err
		}
	}
	if p.model, err = p.set.Library(v.String("library")); err != nil {
		return p, fmt.Errorf("library: %w", err)
	}
	for i, words := range v.Strings("drives") {
		n, name, err := cut(words)
		if err != nil {
			return p, fmt.Errorf("drives[%d]: %w", i, err)
		}
		d, err := p.set.DriveOf(p.model, name)
		if err != nil {
			return p, fmt.Errorf("drives[%d]: %w", i, err)
		}
		if len(p.drives)+n > maxDrives {
			return p, fmt.Errorf("drives: there are more than %d", maxDrives)
		}
		for range n {
			p.drives = append(p.drives, d)
		}
	}
	p.slots, p.mail = int(v.Int("slots")), int(v.Int("mail-slots"))
	p.addresses = p.model.Addresses
	some := v.Group("addresses")
	for name, at := range map[string]*uint16{"transport": &p.addresses.Transport, "storage": &p.addresses.Storage, "mail": &p.addresses.Mail, "drive": &p.addresses.Drive} {
		if some.Has(name) {
			*at = uint16(some.Int(name))
		}
	}
	own := len(some) > 0
	for _, most := range []struct {
		what    string
		n, most int
	}{{"drives", len(p.drives), p.model.MaxDrives}, {"slots", p.slots, p.model.MaxSlots}, {"mail slots", p.mail, p.model.MaxMail}} {
		if most.most > 0 && most.n > most.most && !own {
			return p, fmt.Errorf("%s has room for %d %s, and not for %d: choose another library, or addresses of your own", p.model.Name, most.most, most.what, most.n)
		}
	}
	if err := p.addresses.Check(len(p.drives), p.slots, p.mail); err != nil {
		return p, fmt.Errorf("%w: choose other addresses", err)
	}
	return p, nil
}

// cut takes "4xlto8" apart.
func cut(words string) (n int, name string, err error) {
	number, rest, ok := strings.Cut(words, "x")
	if ok && number != "" && strings.Trim(number, "0123456789") == "" {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > maxDrives {
			return 0, "", fmt.Errorf("%.40q: from 1 to %d drives are wanted", words, maxDrives)
		}
		return n, rest, plain(rest)
	}
	return 1, words, plain(words)
}

func checkDrives(words string) error {
	_, _, err := cut(words)
	return err
}

// plain checks the name of a personality.
func plain(name string) error {
	if name == "" || len(name) > 48 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
		return fmt.Errorf("%.60q is no name of a personality, such as ibm-ts3500 or ibm-lto8", name)
	}
	return nil
}

// checkName checks the name of a library in its directory.
func checkName(name string) error {
	if name != "" && !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`).MatchString(name) {
		return errors.New("letters, digits, dots, hyphens and underscores are taken, a letter or digit first, up to 64")
	}
	return nil
}

func checkSerial(text string) error {
	if len(text) > serialLength || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return fmt.Errorf("%.40q is no serial number of a library: up to %d letters and digits", text, serialLength)
	}
	return nil
}
