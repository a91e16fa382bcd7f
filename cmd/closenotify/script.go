package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/golibssl/openssl/closure"
)

func newScript() *cobra.Command {
	return &cobra.Command{
		Use:   "script FILE",
		Short: "Run a closure script, - for standard input",
		Long: "script drives the two ends of one TLS connection through raw libssl calls, as FILE says, and\n" +
			"prints what each call did. The same libssl prints the same bytes. FILE may be - for standard input.\n\n" +
			"The first step is proto NAME: tls12-id, tls12-ticket, tls13-stateful or tls13-stateless.\n" +
			"option ignore-eof client|server may follow, then:\n\n" +
			"  both handshake\n" +
			"  client|server shutdown | set N | get | read | write TEXT | quiet 0|1 | eof | clear | free\n" +
			"  client resumable | resume\n" +
			"  server cache",
		Example: "  printf 'proto tls13-stateful\\nboth handshake\\nclient shutdown\\nserver read\\n' | closenotify script -",
		Args:    oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, in := "standard input", cmd.InOrStdin()
			if args[0] != "-" {
				name = args[0]
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			if err := closure.Run(in, cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		},
	}
}
