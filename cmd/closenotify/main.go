// Command closenotify shows how TLS connections end: on its own ends (demo), on a live server
// (probe), to a client under test (serve), and step by step (script); env tells on which OpenSSL.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/closure"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1 // the peer or the run failed
	exitUsage  = 2
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs the tool and returns its exit status. Each error is one line on stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	message := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	var usage *usageError
	var syntax *closure.SyntaxError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "closenotify: %s (see %s --help)\n", message, cmd.CommandPath())
		return exitUsage
	case errors.As(err, &syntax):
		fmt.Fprintf(stderr, "closenotify: %s\n", message)
		return exitUsage
	}
	fmt.Fprintf(stderr, "closenotify: %s\n", message)
	return exitFailed
}

// usageError is a command line that cannot be read.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// noArgs and oneArg are what a command takes beside its flags.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unknown argument %q", args[0])
	}
	return nil
}

func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usagef("%s needs %s", cmd.Name(), name)
		case len(args) > 1:
			return usagef("%s takes one %s, not also %q", cmd.Name(), name, args[1])
		}
		return nil
	}
}

func newRoot() *cobra.Command {
	root := newDemo()
	demo := newDemo()
	root.Use = "closenotify"
	root.Short = "Show how TLS connections end"
	root.Long = "closenotify shows how TLS connections end: what each side knows, what the reader gets, what\n" +
		"becomes of the session. Without a command it runs demo.\n\n" +
		"Exit status: 0 done, 1 the peer or the run failed, 2 usage."
	root.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("unknown command %q", args[0])
		}
		return nil
	}
	root.Version = openssl.LibraryVersion()
	root.SetVersionTemplate("{{.Name}} with {{.Version}}\n")
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(demo, newEnv(), newFeatures(), newProbe(), newServe(), newScript())
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = helpArgs
	}
	return root
}

// helpArgs is a command's name; cobra's own help of an unknown one is root's.
func helpArgs(cmd *cobra.Command, args []string) error {
	if _, rest, err := cmd.Root().Find(args); err != nil || len(rest) > 0 {
		return usagef("unknown command %q", strings.Join(args, " "))
	}
	return nil
}
