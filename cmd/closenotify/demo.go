package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/demo"
)

func newDemo() *cobra.Command {
	var asJSON bool
	var storeURL, diagram, html string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show every ending on four protocols, in this process",
		Long: "demo ends connections in every way there is, on TLS 1.2 with session ids and with tickets and on\n" +
			"TLS 1.3 with stateful and stateless tickets: the shutdown states of both ends after each step, what\n" +
			"the reader got, and what becomes of the session when the client comes back with it. Client and server\n" +
			"are in this process; nothing leaves it but, with --store, sealed sessions.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if diagram != "" && !slices.Contains(demo.Protos(), diagram) {
				return usagef("--diagram is of one of %s, not %q", strings.Join(demo.Protos(), ", "), diagram)
			}
			if diagram != "" && asJSON {
				return usagef("--diagram and --json exclude each other")
			}
			page, err := openPage(html)
			if err != nil {
				return err
			}
			defer page.close()
			var cache openssl.SessionCache
			var store *sharedStore
			if storeURL != "" {
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
			out := cmd.OutOrStdout()
			switch {
			case asJSON:
				err = writeJSON(out, report)
			case diagram != "":
				err = report.WriteDiagrams(out, diagram)
			default:
				err = report.WriteText(out)
			}
			if err == nil && store != nil && !asJSON {
				_, err = fmt.Fprintf(out, "\n%s\n", store.summary())
			}
			return errors.Join(err, page.write(report.WritePage))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON")
	cmd.Flags().StringVar(&diagram, "diagram", "", "draw each ending on one `protocol`, not tables")
	cmd.Flags().Lookup("diagram").NoOptDefVal = demo.Protos()[len(demo.Protos())-1]
	cmd.Flags().StringVar(&html, "html", "", htmlHelp)
	cmd.Flags().StringVar(&storeURL, "store", "", "keep the server's sessions in a Redis, `redis://HOST:PORT/DB`, not in libssl's cache")
	return cmd
}
