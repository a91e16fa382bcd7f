package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/probe"
	"github.com/golibssl/openssl/cmd/closenotify/internal/starttls"
)

func newProbe() *cobra.Command {
	var o probe.Options
	var asJSON, diagram, tls12, tls13 bool
	var certFile, keyFile, html string
	cmd := &cobra.Command{
		Use:   "probe HOST:PORT",
		Short: "Tell how a live server ends connections",
		Long: "probe makes one connection a check to a live server and tells how the server ends it, as the events\n" +
			"in the order seen: data, close_notify, alert:NAME, and last fin, reset or wait. Once it has done what a\n" +
			"check's name says it sends nothing more and never answers close_notify.\n\n" +
			"  end_of_response         after one request\n" +
			"  answer_to_close_notify  an idle connection on which the client says close_notify\n" +
			"  half_close              request and close_notify together\n" +
			"  bare_fin                an idle connection whose TCP the client ends without close_notify\n" +
			"  partial_then_fin        half a request, then the client ends TCP\n" +
			"  reset                   half a request, then a reset; ok when a new handshake then succeeds\n" +
			"  resume_after_close      whether a session is resumed after a clean end\n" +
			"  resume_after_drop       whether a session is resumed after an end without close_notify",
		Example: "  closenotify probe example.com:443\n  closenotify probe --insecure --json localhost:8443\n" +
			"  closenotify probe --send $'QUIT\\r\\n' imap.example.com:993\n" +
			"  closenotify probe --starttls smtp mail.example.com:25\n" +
			"  closenotify probe --alpn h2,http/1.1 --cert client.pem --key client.key example.com:443",
		Args: oneArg("HOST:PORT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Target = args[0]
			if host, port, err := net.SplitHostPort(o.Target); err != nil || host == "" || port == "" {
				return usagef("%q is not HOST:PORT", o.Target)
			}
			if o.Timeout <= 0 {
				return usagef("--timeout must be positive, not %v", o.Timeout)
			}
			if cmd.Flags().Changed("send") && o.Request == "" {
				return usagef("--send needs a text")
			}
			if cmd.Flags().Changed("alpn") && (len(o.ALPN) == 0 || slices.Contains(o.ALPN, "")) {
				return usagef("--alpn needs protocols, none of them empty")
			}
			if o.StartTLS != "" && !starttls.Known(o.StartTLS) {
				return usagef("--starttls is one of %s, not %q", strings.Join(starttls.Names(), ", "), o.StartTLS)
			}
			if keyFile != "" && certFile == "" {
				return usagef("--key needs --cert")
			}
			if diagram && asJSON {
				return usagef("--diagram and --json exclude each other")
			}
			switch {
			case tls12 && tls13:
				return usagef("--tls1.2 and --tls1.3 exclude each other")
			case tls12:
				o.Version = tls.VersionTLS12
			case tls13:
				o.Version = tls.VersionTLS13
			}
			if certFile != "" {
				if keyFile == "" {
					keyFile = certFile
				}
				var err error
				if o.Certificate, err = openssl.LoadX509KeyPair(certFile, keyFile); err != nil {
					return err
				}
			}
			page, err := openPage(html)
			if err != nil {
				return err
			}
			defer page.close()
			show := progressTo(cmd.ErrOrStderr())
			report, err := probe.Run(cmd.Context(), o, show.step)
			show.clear()
			if refused := (*openssl.VerifyError)(nil); errors.As(err, &refused) {
				err = fmt.Errorf("%w (--insecure probes without verifying)", err)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", o.Target, err)
			}
			switch {
			case asJSON:
				err = writeJSON(cmd.OutOrStdout(), report)
			case diagram:
				err = report.WriteDiagrams(cmd.OutOrStdout())
			default:
				err = report.WriteText(cmd.OutOrStdout())
			}
			return errors.Join(err, page.write(report.WritePage))
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&asJSON, "json", false, "print one line of JSON")
	f.BoolVar(&diagram, "diagram", false, "draw what passed in each check")
	f.StringVar(&html, "html", "", htmlHelp)
	f.StringVar(&o.Request, "send", "", "the request, sent as it is (default: a GET of HTTP/1.0; with --starttls the protocol's goodbye)")
	f.StringVar(&o.StartTLS, "starttls", "", "ask in clear text for TLS: "+strings.Join(starttls.Names(), ", "))
	f.StringSliceVar(&o.ALPN, "alpn", nil, "protocols to offer, the first preferred, with commas between them")
	f.StringVar(&certFile, "cert", "", "a PEM file with the client's certificate and chain")
	f.StringVar(&keyFile, "key", "", "a PEM file with its key (default: --cert's)")
	f.DurationVar(&o.Timeout, "timeout", 5*time.Second, "time for a connection to be made, and the silence that counts as wait")
	f.StringVar(&o.ServerName, "servername", "", "the name to send and to verify (default: HOST)")
	f.BoolVar(&o.InsecureSkipVerify, "insecure", false, "do not verify the certificate")
	f.BoolVar(&tls12, "tls1.2", false, "TLS 1.2 only; the resume checks are made with both versions all the same")
	f.BoolVar(&tls13, "tls1.3", false, "TLS 1.3 only; the resume checks are made with both versions all the same")
	return cmd
}
