// Package semantics holds libssl, as the raw layer shows it, to what was
// measured of it: what the shutdown state, the alerts, the transport's end,
// SSL_clear, SSL_free and the session caches do. The results of each version
// stand in testdata/semantics of the module, a line a scenario and protocol:
//
//	ID|PROTOCOL|TITLE|TOKEN TOKEN…
//
// The tokens:
//
//	op=RET/CLASS[/q=lib.reason(+lib.reason)][/errno=E]/m=MASK
//	               a call, SSL_get_error, the error queue, SSL_get_shutdown after it
//	x.set(N)->M    SSL_set_shutdown and SSL_get_shutdown
//	w:c=N,s=N      bytes that the client and the server have put on the wire and the peer has not taken
//	cache:s=N,c=N  SSL_CTX_sess_number of the server's and the client's SSL_CTX
//	cb:s=N/R/L,c=… how often the new, remove and lookup callbacks ran so far
//	resumable=0|1  SSL_SESSION_is_resumable of the session that the application holds
//	resume=C/S     SSL_session_reused of the next connection with that session, or FAIL
//
// c and s are the client and the server. The tests are the package; it has no
// other code. The files were first measured by a program in C that calls
// libssl itself; `go test ./internal/semantics -update` writes what the loaded
// libssl says, and -oracle FOLDER compares with such a program's results.
package semantics
