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
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/daemon"
)

func main() {
	// The first signal ends a command in good order, the second one at once.
	// A write beyond RLIMIT_FSIZE is an error of that write, not the end of the daemon.
	signal.Ignore(syscall.SIGXFSZ)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // the command was right, and did not work out
	exitUsage  = 2 // what was asked for is wrong
)

// A cli is all commands with their flags.
type cli struct {
	Serve    serveCmd    `cmd:"" help:"Serve files, block devices and memory as SCSI disks."`
	Targets  targetsCmd  `cmd:"" help:"List the targets of the running daemon."`
	Units    unitsCmd    `cmd:"" help:"List its logical units and what they have done."`
	Sessions sessionsCmd `cmd:"" help:"List the initiators that are logged in."`
	Bench    benchCmd    `cmd:"" help:"Load a logical unit of any iSCSI target, and measure it."`
	Profile  profileCmd  `cmd:"" help:"Take a profile of the running daemon, for go tool pprof."`
	Check    checkCmd    `cmd:"" help:"Check a configuration document and change nothing."`
	Kinds    kindsCmd    `cmd:"" help:"List the stores, filters, devices and transports, and their options."`
	Version  versionCmd  `cmd:"" help:"Print the version, as --version and -V do."`
	Help     helpCmd     `cmd:"" help:"Say how a command is called, as COMMAND --help does."`
}

// helpCmd is only a name: [asked] makes a flag of it.
type helpCmd struct {
	Command string `arg:"" optional:"" help:"The command; all of them without it."`
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
	stdout, stderr io.Writer
	registry       daemon.Registry
}

// usageError marks an error in what was asked for.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run runs one command line and returns the exit status. An error is one line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	e := &env{ctx: ctx, stdout: stdout, stderr: stderr, registry: daemon.Builtin()}
	err := e.command(args)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "lunette: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}

func (e *env) command(args []string) error {
	var c cli
	helped := false
	socket := api.DefaultSocket()
	parser, err := kong.New(&c,
		kong.Name("lunette"),
		kong.Description("SCSI disks from files, block devices and memory, for every iSCSI initiator."),
		kong.Vars{"socket": socket, "where": cmp.Or(socket, "in a directory of this user alone")},
		kong.Writers(e.stdout, e.stderr),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Bind(e),
	)
	if err != nil {
		return err
	}
	args = asked(args)
	parsed, err := parser.Parse(filesAsFlags(parser.Model, args))
	switch {
	case helped:
		return nil
	case err != nil:
		return usageError{fmt.Errorf("%w (lunette %shelp)", err, helpFor(args))}
	}
	return parsed.Run()
}

// helpFor is the part of the command line before "help" that gives the right page.
func helpFor(args []string) string {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		for _, known := range []string{"serve", "targets", "units", "sessions", "bench", "profile", "check", "kinds", "version", "help"} {
			if args[0] == known {
				return known + " --"
			}
		}
	}
	return "--"
}
