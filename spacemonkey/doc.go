// Package openssl takes the place of github.com/spacemonkeygo/openssl, which builds on OpenSSL 1.1.1 only, on every OpenSSL from 1.1.1 to 4.0.
// A program moves to it without a change of its source:
//
//	go mod edit -replace github.com/spacemonkeygo/openssl=github.com/golibssl/openssl/spacemonkey@VERSION
//
// Its types are those of github.com/golibssl/openssl/legacy and therefore also those of github.com/golibssl/openssl/libp2p: a program
// may need both, and pass a key of the one to the other.
//
// What the original documents holds here. What is different is what was wrong: errors are typed and hold what OpenSSL said about this one
// call; bad input is an error and never a panic or a crash; a key that is encrypted is never asked for on the terminal; a connection
// whose peer has ended its stream can still be written to; Close never hangs; a Ctx that no connection uses is freed.
//
// Two things are as they were, because programs depend on them. The end of a TCP connection without a close_notify reads as io.EOF: Conn.End
// tells, and Ctx.SetReportTruncation makes it io.ErrUnexpectedEOF. And Dial does not verify who signed the server's certificate
// unless its Ctx says so: see there.
//
// Conn.Root is the same connection with the methods of github.com/golibssl/openssl.
//
// OpenSSL itself has dropped some algorithms and all engines over the years: using them is an *UnsupportedError, which says
// since which version.
package openssl
