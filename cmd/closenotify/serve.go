package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/golibssl/openssl/cmd/closenotify/internal/serve"
)

func newServe() *cobra.Command {
	var how, listen string
	var timeout time.Duration
	var asJSON bool
	var help strings.Builder
	for _, e := range serve.Ends {
		fmt.Fprintf(&help, "  %-17s %s\n", e.Name, e.Help)
	}
	cmd := &cobra.Command{
		Use:   "serve [flags] [-- COMMAND [ARG...]]",
		Short: "Be a server that ends connections as told",
		Long: "serve is a server that ends connections as --end says, to test clients, and prints how each client\n" +
			"ended its connection. It answers a whole HTTP GET with a body that ends with the connection, sends a\n" +
			"KeyUpdate before for GET /keyupdate, waits for the rest of half a GET, and echoes other lines. It ends the\n" +
			"connection after its answer, after the client's end, or when the client is silent for --timeout.\n\n" +
			help.String() + "\n" +
			"With a COMMAND it runs that client, with {port}, {url} and {ca} (a file) filled in, tells its exit status\n" +
			"and ends. The client's output goes to standard error with --json.",
		Example: "  closenotify serve --end truncate -- curl -s --cacert {ca} {url}",
		Args: func(cmd *cobra.Command, args []string) error {
			switch dash := cmd.ArgsLenAtDash(); {
			case dash < 0 && len(args) > 0, dash > 0:
				return usagef("unknown argument %q: a command stands behind --", args[0])
			case dash == 0 && len(args) == 0:
				return usagef("no command stands behind --")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			end, ok := serve.FindEnd(how)
			if !ok {
				return usagef("--end %q is unknown", how)
			}
			if _, _, err := net.SplitHostPort(listen); err != nil {
				return usagef("--listen %q is not HOST:PORT", listen)
			}
			if timeout <= 0 {
				return usagef("--timeout must be positive, not %v", timeout)
			}
			server, err := serve.New(listen, end, timeout)
			if err != nil {
				return err
			}
			return runServe(cmd, server, args, asJSON)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&how, "end", "clean", "how to end connections")
	f.StringVar(&listen, "listen", "127.0.0.1:0", "HOST:PORT to listen on, port 0 for any that is free")
	f.DurationVar(&timeout, "timeout", 5*time.Second, "silence of the client that counts as wait")
	f.BoolVar(&asJSON, "json", false, "print a line of JSON for each connection")
	return cmd
}

// runServe serves, and runs command if there is one, until that has ended or the context does.
func runServe(cmd *cobra.Command, server *serve.Server, command []string, asJSON bool) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	folder, err := os.MkdirTemp("", "closenotify")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	ca := filepath.Join(folder, "ca.pem")
	if err := os.WriteFile(ca, server.CAPEM, 0o644); err != nil {
		return err
	}
	stdout := cmd.OutOrStdout()
	fmt.Fprintf(cmd.ErrOrStderr(), "closenotify: serving %s, certificate authority in %s\n", server.URL(), ca)

	served := make(chan error, 1)
	go func() {
		served <- server.Serve(ctx, func(r serve.Report) {
			if asJSON {
				writeJSON(stdout, r)
				return
			}
			version := r.TLS
			if version == "" {
				version = "no handshake"
			}
			fmt.Fprintf(stdout, "%s  %s  %s\n", r.Remote, version, r.Ending)
		})
	}()
	if len(command) == 0 {
		return <-served
	}

	fill := strings.NewReplacer("{port}", server.Port(), "{url}", server.URL(), "{ca}", ca)
	for i := range command {
		command[i] = fill.Replace(command[i])
	}
	client := exec.CommandContext(ctx, command[0], command[1:]...)
	client.Stdin = cmd.InOrStdin()
	client.Stdout, client.Stderr = stdout, cmd.ErrOrStderr()
	if asJSON {
		client.Stdout = cmd.ErrOrStderr()
	}
	status, err := runClient(client)
	stop()
	if serveErr := <-served; err == nil {
		err = serveErr
	}
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(stdout, struct {
			CommandExit int `json:"command_exit"`
		}{status})
	}
	_, err = fmt.Fprintf(stdout, "%s exited with status %d\n", filepath.Base(command[0]), status)
	return err
}

// runClient returns the command's exit status, 128 and the signal's number when a signal ended it.
func runClient(client *exec.Cmd) (int, error) {
	err := client.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			return 128 + int(s.Signal()), nil
		}
		return exit.ExitCode(), nil
	}
	return 0, err
}
