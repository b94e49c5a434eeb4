package kind

import "github.com/lunette-io/lunette/device/library"

func checkPlace(text string) error {
	_, err := library.ParsePlace(text)
	return err
}
