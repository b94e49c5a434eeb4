package kind

import (
	"strconv"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
)

func checkPlace(text string) error {
	_, err := library.ParsePlace(text)
	return err
}

// placeText is a place as [library.ParsePlace] reads it.
func placeText(p library.Place) string {
	word, ok := map[changer.ElementType]string{changer.Storage: "slot", changer.Mail: "mail", changer.Drive: "drive"}[p.Type]
	switch {
	case !ok:
		return "shelf"
	case p.Index == library.Any:
		return word
	}
	return word + strconv.Itoa(p.Index)
}
