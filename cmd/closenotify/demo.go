package main

import (
	"github.com/spf13/cobra"

	"github.com/golibssl/openssl/cmd/closenotify/internal/demo"
)

func newDemo() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show every ending on four protocols, in this process",
		Long: "demo ends connections in every way there is, on TLS 1.2 with session ids and with tickets and on\n" +
			"TLS 1.3 with stateful and stateless tickets: the shutdown states of both ends after each step, what\n" +
			"the reader got, and what becomes of the session when the client comes back with it. Client and server\n" +
			"are in this process; nothing leaves it.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			show := progressTo(cmd.ErrOrStderr())
			report, err := demo.Run(show.step)
			show.clear()
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), report)
			}
			return report.WriteText(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON")
	return cmd
}
