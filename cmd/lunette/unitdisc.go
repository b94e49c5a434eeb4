package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
)

// ofDrive is which optical drive, and who is asked.
type ofDrive struct {
	Name string `arg:"" complete:"drive" help:"The unit, an optical drive."`
	at
}

// act does something with the drive.
func (c ofDrive) act(e *env, action string, arguments map[string]any, result any) error {
	return e.daemon(c.Socket).Act(e.ctx, c.Name, action, arguments, result)
}

// A drivesDisc is what a drive has in it after an action.
type drivesDisc struct {
	Disc     string `json:"disc"`
	Profile  string `json:"profile,omitempty"`
	Size     int64  `json:"size,omitempty"`
	Writable bool   `json:"writable"`
	Tray     string `json:"tray"`
	Volume   string `json:"volume,omitempty"`
	Warning  string `json:"warning,omitempty"` // of the disc that was put in
}

// tell says what is in the drive.
func (d drivesDisc) tell(e *env, unit string) error {
	text := unit + " is empty"
	if d.Disc != "" {
		access := "read-only"
		if d.Writable {
			access = "writable"
		}
		text = fmt.Sprintf("%s has %s in it, a %s of %v, %s", unit, d.Disc, d.Profile, model.Size(d.Size), access)
	}
	if d.Tray == "open" {
		text += ", and its tray is open"
	}
	if _, err := fmt.Fprintln(e.stdout, printable(text+".")); err != nil {
		return err
	}
	if d.Warning != "" {
		fmt.Fprintf(e.stderr, "lunette: %s\n", printable(d.Disc+": "+d.Warning))
	}
	return nil
}

// discChange is an action that changes the disc.
func (c ofDrive) discChange(e *env, o output, action string, force bool, arguments map[string]any) error {
	if force {
		arguments["force"] = true
	}
	var d drivesDisc
	if err := c.act(e, action, arguments, &d); err != nil {
		return err
	}
	if shown, err := o.show(e, d); shown || err != nil {
		return err
	}
	return d.tell(e, c.Name)
}

// unitLoadCmd puts a disc in a drive.
type unitLoadCmd struct {
	ofDrive
	Disc  string `arg:"" complete:"disc" help:"The image: a file, or the name of one in the library of the drive."`
	Force bool   `help:"Also while initiators prevent that the disc in it is taken out."`
	output
}

// Run loads it.
func (c *unitLoadCmd) Run(e *env) error {
	disc, err := discPath(c.Disc)
	if err != nil {
		return usageError{err}
	}
	return c.discChange(e, c.output, "load", c.Force, map[string]any{"medium": disc})
}

// discPath is a disc as the daemon finds it, which has a directory of its own: a file here by its whole path, another name as one in the
// library of the drive.
func discPath(text string) (string, error) {
	if info, err := os.Stat(text); (err != nil || info.IsDir()) && !strings.ContainsRune(text, filepath.Separator) {
		return text, nil
	}
	return filepath.Abs(text)
}

// unitEjectCmd takes the disc out of a drive.
type unitEjectCmd struct {
	ofDrive
	Force bool `help:"Also while initiators prevent it: they lose what they have not written yet."`
	output
}

// Run ejects it.
func (c *unitEjectCmd) Run(e *env) error {
	return c.discChange(e, c.output, "eject", c.Force, map[string]any{})
}

// unitDiscsCmd lists the library of a drive.
type unitDiscsCmd struct {
	ofDrive
	listing
}

// A shelfOfDiscs is the library of a drive.
type shelfOfDiscs struct {
	Library string       `json:"library"`
	Images  []shelfImage `json:"images"`
	// Incomplete: the library has more names than the daemon looks at.
	Incomplete bool `json:"incomplete,omitempty"`
}

type shelfImage struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	Loaded bool   `json:"loaded"`
}

// Run lists it.
func (c *unitDiscsCmd) Run(e *env) error {
	var v shelfOfDiscs
	if err := c.act(e, "ls", map[string]any{}, &v); err != nil {
		return err
	}
	if shown, err := showAs(e.stdout, c.Output, v); shown || err != nil {
		return err
	}
	rows := make([][]string, len(v.Images))
	for i, x := range v.Images {
		loaded := ""
		if x.Loaded {
			loaded = "in the drive"
		}
		rows[i] = []string{x.Name, model.Size(x.Size).String(), loaded}
	}
	if err := writeTable(e.stdout, []column{{"DISC", front}, {"SIZE", never}, {"", never}}, rows, c.limit()); err != nil {
		return err
	}
	if v.Incomplete {
		fmt.Fprintf(e.stderr, "lunette: %s\n", printable("not all of "+v.Library+" is listed: it has more files than are looked at; \"lunette unit load\" takes the others by their names"))
	}
	return nil
}

// drives are the units of the daemon that are optical drives.
func (l *commandLine) drives(ctx context.Context) []candidate {
	return l.unitsOf(ctx, opticalDevice, "disc")
}

// discs are those of the library of the drive that is named before; without any, files.
func (l *commandLine) discs(ctx context.Context) []candidate {
	if len(l.args) == 0 {
		return nil
	}
	var all []candidate
	var v shelfOfDiscs
	_ = l.daemon(l.socket).Act(ctx, l.args[0], "ls", map[string]any{}, &v) // which has no library, perhaps
	for _, x := range v.Images {
		all = append(all, candidate{x.Name, model.Size(x.Size).String()})
	}
	if len(all) == 0 {
		return []candidate{{word: ":file"}}
	}
	return all
}
