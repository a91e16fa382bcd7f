package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/golibssl/openssl"
)

func newFeatures() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "features",
		Short: "Say what the loaded libssl can do of what not every version can",
		Long: "features asks the loaded libssl for what not every version can do, and prints it: yes, no or the\n" +
			"algorithms that it has, and what asks for it in a program. With --json it prints a line a feature.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			if asJSON {
				for _, f := range openssl.Features() {
					if err := writeJSON(out, map[string]string{"name": f.Name, "api": f.API, "needs": f.Needs, "cell": f.String()}); err != nil {
						return err
					}
				}
				return nil
			}
			fmt.Fprintf(out, "%s\n\n", openssl.LibraryVersion())
			table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			for _, f := range openssl.Features() {
				cell := f.String()
				if !f.Works {
					cell += ", needs " + f.Needs
				}
				fmt.Fprintln(table, strings.Join([]string{f.Name, f.API, cell}, "\t"))
			}
			return table.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON a feature")
	return cmd
}
