package main

import (
	"github.com/spf13/cobra"

	"github.com/golibssl/openssl/cmd/closenotify/internal/env"
)

func newEnv() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Tell which OpenSSL is loaded, its policy, and what a client offers",
		Long: "env tells which OpenSSL is loaded and from which files, which providers are active and installed, whether\n" +
			"FIPS is the default, what openssl.cnf says about TLS and what of it the loaded libssl ignores, what all\n" +
			"of that came to in a context made by default, and what such a client offers, as its ClientHello says it.\n" +
			"Nothing is sent anywhere.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := env.Take()
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
