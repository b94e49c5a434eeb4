// Command lunette serves SCSI disks by iSCSI, in user mode: "lunette serve" is the daemon,
// and every other command asks it, or checks what it would be given.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/daemon"
	"github.com/lunette-io/lunette/initiator/sg/attached"
)

func main() {
	// The first signal ends a command in good order, the second one at once.
	// A write beyond RLIMIT_FSIZE is an error of that write, not the end of the daemon.
	signal.Ignore(syscall.SIGXFSZ)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// A cli is all commands with their flags.
type cli struct {
	Serve serveCmd `cmd:"" group:"The daemon" help:"Serve files, block devices and memory as SCSI disks, images of discs in optical drives, and SCSI devices of this machine."`

	Apply      applyCmd      `cmd:"" group:"The document" help:"Make a document the one that is served: by difference, all of it or nothing."`
	Diff       diffCmd       `cmd:"" group:"The document" help:"Show in what a document differs from the one that is served."`
	Get        getCmd        `cmd:"" group:"The document" help:"Show objects of the document that is served."`
	Export     exportCmd     `cmd:"" group:"The document" help:"Print the document that is served, as it was written."`
	Edit       editCmd       `cmd:"" group:"The document" help:"Edit the document, or an object of it, and apply what was written."`
	History    historyCmd    `cmd:"" group:"The document" help:"List the generations of the document."`
	Rollback   rollbackCmd   `cmd:"" group:"The document" help:"Serve the document of an earlier generation again."`
	Confirm    confirmCmd    `cmd:"" group:"The document" help:"Keep the change that is tried."`
	Revert     revertCmd     `cmd:"" group:"The document" help:"Take the change back that is tried."`
	Reload     reloadCmd     `cmd:"" group:"The document" help:"Read secrets again, and the document if the daemon was started with one."`
	Status     statusCmd     `cmd:"" group:"The document" help:"Say which generation is served, and what is not as it should be."`
	Events     eventsCmd     `cmd:"" group:"The document" help:"Show what has happened, and what happens."`
	Operations operationsCmd `cmd:"" group:"The document" help:"List changes under way, and the last that were."`

	Unit        unitCmd        `cmd:"" group:"Objects of the document" help:"Units: what initiators see as disks, tape libraries, optical drives."`
	Target      targetCmd      `cmd:"" group:"Objects of the document" help:"Targets: units at LUNs."`
	Portal      portalCmd      `cmd:"" group:"Objects of the document" help:"Portals: where it listens."`
	Access      accessCmd      `cmd:"" group:"Objects of the document" help:"What some initiators see of a target."`
	User        userCmd        `cmd:"" group:"Objects of the document" help:"Who can prove who they are."`
	Section     sectionCmd     `cmd:"" group:"Objects of the document" help:"What is of the whole document, such as limits."`
	Session     sessionCmd     `cmd:"" group:"What runs" help:"Initiators that are logged in."`
	Reservation reservationCmd `cmd:"" group:"What runs" help:"Persistent reservations."`

	Targets  targetsCmd  `cmd:"" group:"What runs" help:"List the targets of the running daemon."`
	Units    unitsCmd    `cmd:"" group:"What runs" help:"List its logical units and what they have done."`
	Sessions sessionsCmd `cmd:"" group:"What runs" help:"List the initiators that are logged in."`
	Profile  profileCmd  `cmd:"" group:"What runs" help:"Take a profile of the running daemon, for go tool pprof."`

	VTL        vtlCmd        `cmd:"" name:"vtl" group:"Tape libraries" help:"Tape libraries: making them, and the panel where they are operated."`
	Tape       tapeCmd       `cmd:"" group:"Tape libraries" help:"Tapes without a daemon: what is on a cartridge, copies of it, and from and to drives and files."`
	Bench      benchCmd      `cmd:"" group:"Tools" help:"Load a logical unit of any iSCSI target, and measure it."`
	Devices    devicesCmd    `cmd:"" group:"Tools" help:"List the SCSI devices that are attached to this machine, which can be passed through. No daemon is asked."`
	Check      checkCmd      `cmd:"" group:"Tools" help:"Check a configuration document, and what it names on this machine, and change nothing."`
	Kinds      kindsCmd      `cmd:"" group:"Tools" help:"List the stores, filters, devices and transports, and their options."`
	Completion completionCmd `cmd:"" group:"Tools" help:"Print what a shell needs to complete commands of lunette."`
	Complete   completeCmd   `cmd:"" hidden:""`
	Man        manCmd        `cmd:"" group:"Tools" help:"Write the manual pages."`
	Version    versionCmd    `cmd:"" group:"Tools" help:"Print the version, as --version and -V do."`
	Help       helpCmd       `cmd:"" group:"Tools" help:"Say how a command is called, as COMMAND --help does."`
}

// helpCmd is only a name: [asked] makes a flag of it.
type helpCmd struct {
	Command []string `arg:"" optional:"" complete:"command" help:"The command; all of them without it."`
}

// Run is not called but by a command line that [asked] has left alone.
func (*helpCmd) Run() error { return nil }

// asked writes what many programs understand, --version and help COMMAND, as the commands and flags
// that there are.
func asked(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "--version" || args[0] == "-V":
		return append([]string{"version"}, args[1:]...)
	case args[0] == "help" && len(args) == 1:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	}
	return args
}

// env is what commands run in.
type env struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool // there are people, whom something can be asked
	registry       daemon.Registry
	daemon         func(socket string) daemonAPI
	attached       attachedHost
}

// usageError marks an error in what was asked for.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errSaid is the error of a command that has said what is wrong.
var errSaid = errors.New("")

// run runs one command line and returns the exit status. An error is one line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	e := &env{
		ctx: ctx, stdin: os.Stdin, stdout: stdout, stderr: stderr, terminal: isTerminal(os.Stdin) && isTerminal(stdout),
		registry: daemon.Builtin(), daemon: func(socket string) daemonAPI { return client.New(socket) },
		attached: attached.Host{},
	}
	return e.run(args)
}

// run is run in an environment.
func (e *env) run(args []string) int {
	err := e.command(args)
	if err != nil && !errors.Is(err, errSaid) {
		for _, line := range lines(err) {
			fmt.Fprintf(e.stderr, "lunette: %s\n", printable(strings.ReplaceAll(line, "\n", "; ")))
		}
	}
	return statusOf(err)
}

func (e *env) command(args []string) error {
	helped := false
	parser, err := e.parser(func(int) { helped = true }, cmp.Or(api.DefaultSocket(), "in a directory of this user alone"))
	if err != nil {
		return err
	}
	args = asked(args)
	parsed, err := parser.Parse(filesAsFlags(parser.Model, args))
	switch {
	case helped:
		return nil
	case err != nil:
		return usageError{fmt.Errorf("%s (lunette %s--help)", inOurWords(err), pageFor(parser.Model.Node, args))}
	}
	return parsed.Run()
}

// parser knows all commands. where says where the socket is that is asked by default.
func (e *env) parser(exit func(int), where string) (*kong.Kong, error) {
	parser, err := kong.New(&cli{},
		kong.Name("lunette"),
		kong.Description("SCSI disks from files, block devices and memory, for every iSCSI initiator."),
		kong.Vars{"socket": api.DefaultSocket(), "where": where},
		kong.Writers(e.stdout, e.stderr),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Bind(e),
		kong.KindMapper(reflect.String, kong.MapperFunc(rawString)),
	)
	if err != nil {
		return nil, err
	}
	addExamples(parser.Model.Node)
	return parser, nil
}

// pageFor are the commands of a command line, whose page of help is the right one.
func pageFor(n *kong.Node, args []string) string {
	path := ""
	for _, a := range args {
		i := slices.IndexFunc(n.Children, func(c *kong.Node) bool { return c.Name == a })
		if i < 0 {
			break
		}
		n = n.Children[i]
		path += a + " "
	}
	return path
}

// inOurWords is what the parser of the command line has to say.
func inOurWords(err error) string {
	text := err.Error()
	text = strings.ReplaceAll(text, `,""`, "") // an empty word is none to be chosen
	return text
}
