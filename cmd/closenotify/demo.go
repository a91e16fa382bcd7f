package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/demo"
)

func newDemo() *cobra.Command {
	var asJSON bool
	var storeURL string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show every ending on four protocols, in this process",
		Long: "demo ends connections in every way there is, on TLS 1.2 with session ids and with tickets and on\n" +
			"TLS 1.3 with stateful and stateless tickets: the shutdown states of both ends after each step, what\n" +
			"the reader got, and what becomes of the session when the client comes back with it. Client and server\n" +
			"are in this process; nothing leaves it but, with --store, sealed sessions.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var cache openssl.SessionCache
			var store *sharedStore
			if storeURL != "" {
				var err error
				if store, err = openStore(cmd.Context(), storeURL); err != nil {
					return err
				}
				defer store.Close()
				cache = store
			}
			show := progressTo(cmd.ErrOrStderr())
			report, err := demo.Run(cache, show.step)
			show.clear()
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), report)
			}
			if err := report.WriteText(cmd.OutOrStdout()); err != nil || store == nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "\n%s\n", store.summary())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON")
	cmd.Flags().StringVar(&storeURL, "store", "", "keep the server's sessions in a Redis, `redis://HOST:PORT/DB`, not in libssl's cache")
	return cmd
}
