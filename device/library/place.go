package library

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/device/changer"
)

// String is the place in words: "slot 5", "mail slot 2", "drive 0", "shelf".
func (p Place) String() string {
	switch {
	case p.Type == 0:
		return "shelf"
	case p.Index == Any:
		return "a free " + p.Type.String()
	}
	return fmt.Sprintf("%v %d", p.Type, p.Index)
}

// Text is the place as [ParsePlace] reads it: "slot5", "mail2", "drive0", "shelf"; "slot" for one that is free.
func (p Place) Text() string {
	word := map[changer.ElementType]string{changer.Storage: "slot", changer.Mail: "mail", changer.Drive: "drive"}[p.Type]
	switch {
	case word == "":
		return "shelf"
	case p.Index == Any:
		return word
	}
	return word + strconv.Itoa(p.Index)
}

// ParsePlace reads a place as people write it: "slot5", "slot 5", "mail2", "drive0", "shelf"; "slot", "mail" and "drive" alone are
// one that is free.
func ParsePlace(text string) (Place, error) {
	word := strings.TrimRight(text, "0123456789")
	number := text[len(word):]
	t, ok := map[string]changer.ElementType{
		"slot": changer.Storage, "mail": changer.Mail, "mail slot": changer.Mail, "mailslot": changer.Mail, "drive": changer.Drive, "shelf": 0,
	}[strings.ToLower(strings.Trim(word, " -:"))]
	p := Place{Type: t, Index: Any}
	if ok && number != "" {
		n, err := strconv.Atoi(number)
		p.Index, ok = n, err == nil && n <= maxIndex && (n > 0 || t == changer.Drive)
	}
	if ok && t == 0 {
		p.Index, ok = 0, number == ""
	}
	if !ok {
		return Place{}, fmt.Errorf("%q is no place: say slot5, mail2, drive0 or shelf; slots and mail slots count from 1, drives from 0", text)
	}
	return p, nil
}

// ErrBarcode is wrapped by every error of [CheckBarcode].
var ErrBarcode = errors.New("not a barcode")

// CheckBarcode refuses what no barcode can be: it is also the name of a directory.
func CheckBarcode(barcode string) error {
	switch {
	case barcode == "" || len(barcode) > 32:
		return fmt.Errorf("%w: %q has %d characters: it needs 1 to 32", ErrBarcode, barcode, len(barcode))
	case barcode[0] == '.' || barcode[0] == ' ' || barcode[len(barcode)-1] == ' ':
		return fmt.Errorf("%w: %q begins with a dot, or begins or ends with a space", ErrBarcode, barcode)
	}
	for i := range len(barcode) {
		if b := barcode[i]; b < 0x20 || b > 0x7e || b == '/' {
			return fmt.Errorf("%w: %q has a character that cannot be in one: use letters, digits and the like", ErrBarcode, barcode)
		}
	}
	return nil
}

// checkName refuses what no name of a library can be: it is also the name of a file.
func checkName(name string) error {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	}
	if name == "" || len(name) > 128 || name[0] == '.' || strings.IndexFunc(name, bad) >= 0 {
		return fmt.Errorf("%q cannot be the name of a library: use letters, digits, -, _ and dots, not at the start", name)
	}
	return nil
}
