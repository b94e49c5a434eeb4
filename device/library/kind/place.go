package kind

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
)

// words are how people call places: with a number behind it for one of them, without for one that is free.
var words = []struct {
	word  string
	of    changer.ElementType
	least int // the first number
}{{"slot", changer.Storage, 1}, {"mail", changer.Mail, 1}, {"drive", changer.Drive, 0}}

// parsePlace reads a place, such as slot7, mail, drive0 or shelf.
func parsePlace(text string) (library.Place, error) {
	if text == "shelf" {
		return library.Shelf, nil
	}
	for _, w := range words {
		number, ok := strings.CutPrefix(text, w.word)
		if !ok {
			continue
		}
		if number == "" {
			return library.Place{Type: w.of, Index: library.Any}, nil
		}
		n, err := strconv.Atoi(strings.TrimLeft(number, " :"))
		if err == nil && n >= w.least && n <= 0xffff {
			return library.Place{Type: w.of, Index: n}, nil
		}
	}
	return library.Place{}, fmt.Errorf("%.40q is no place: slot7, mail2 and drive0 are, slot and mail for one that is free, and shelf", text)
}

func checkPlace(text string) error {
	_, err := parsePlace(text)
	return err
}

// placeText is a place as parsePlace reads it.
func placeText(p library.Place) string {
	for _, w := range words {
		if w.of == p.Type {
			if p.Index == library.Any {
				return w.word
			}
			return w.word + strconv.Itoa(p.Index)
		}
	}
	return "shelf"
}
