package semantics

import (
	"syscall"

	"github.com/golibssl/openssl"
)

// The transport's end. In c27, c28, c33 and c35 to c37 there is no socket: the transport answers as the
// kernel answers for one. c16 to c22 and c38 are BIOs of an application's own.
var groupC = []scenario{
	{"c01", all, "server meets EOF without close_notify", meetsEOF(0)},
	{"c02", all, "same with IGNORE_UNEXPECTED_EOF", meetsEOF(ignoreEOF)},
	{"c03", all, "EOF in SSL_shutdown after own close_notify", eofInShutdown(0)},
	{"c04", all, "same with IGNORE_UNEXPECTED_EOF", eofInShutdown(ignoreEOF)},
	{"c05", all, "EOF in SSL_read after own close_notify", eofAfterShutdown(0)},
	{"c06", all, "same with IGNORE_UNEXPECTED_EOF", eofAfterShutdown(ignoreEOF)},
	{"c07", two, "EOF inside a record", eofInRecord(0)},
	{"c08", two, "same with IGNORE_UNEXPECTED_EOF", eofInRecord(ignoreEOF)},
	{"c09", all, "EOF error then set(SENT) then free", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		h := session(e.c)
		e.eof(e.s)
		e.read(e.s)
		e.cache()
		e.setMask(e.s, 1)
		e.free(e.s)
		e.cache()
		e.callbacks()
		e.clientLeaves(h)
	}},
	{"c10", all, "set(SENT) before the read that meets EOF", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		h := session(e.c)
		e.setMask(e.s, 1)
		e.eof(e.s)
		e.read(e.s)
		e.wire()
		e.cache()
		e.free(e.s)
		e.cache()
		e.callbacks()
		e.clientLeaves(h)
	}},
	{"c11", two, "alert sent on EOF, peer's view", func(e *scene) {
		e.begin(0)
		e.open()
		e.eof(e.s)
		e.read(e.s)
		e.wire()
		e.read(e.c)
		e.mask(e.c)
		e.cache()
	}},
	{"c12", all, "client meets EOF: held session", func(e *scene) {
		e.begin(clientEvents | keepSessions)
		e.open()
		h := session(e.c)
		e.resumable(h)
		e.eof(e.c)
		e.read(e.c)
		e.resumable(h)
		e.cache()
		e.shut(e.c)
		e.free(e.c)
		e.resumable(h)
		e.cache()
		e.callbacks()
		e.mark(e.s, 1)
		e.free(e.s)
		e.resume(h)
	}},
	{"c13", two, "EOF in the handshake", func(e *scene) {
		e.eofInHandshake(serverEvents)
		e.shake(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}},
	{"c14", two, "EOF in the handshake with IGNORE", func(e *scene) {
		e.eofInHandshake(serverEvents | ignoreEOF)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}},
	{"c16", two, "custom BIO: read 0, no retry, EOF ctrl 0", customBIO(0, openssl.EmptyAnswer{})},
	{"c17", two, "custom BIO: read 0, no retry, EOF ctrl 1", customBIO(0, openssl.EmptyAnswer{EOF: true})},
	{"c18", two, "custom BIO: read -1, no retry, EOF ctrl 0", customBIO(0, openssl.EmptyAnswer{Ret: -1})},
	{"c19", two, "custom BIO: read -1, retry", customBIO(0, openssl.EmptyAnswer{Ret: -1, Retry: true})},
	{"c20", two, "custom BIO: read 0, EOF ctrl 0, IGNORE", customBIO(ignoreEOF, openssl.EmptyAnswer{})},
	{"c21", two, "custom BIO: read 0 with retry", customBIO(0, openssl.EmptyAnswer{Retry: true})},
	{"c22", two, "custom BIO: read -1, no retry, EOF ctrl 1", customBIO(0, openssl.EmptyAnswer{Ret: -1, EOF: true})},
	{"c27", two, "socket: SHUT_WR without close_notify", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		e.eof(e.s)
		e.read(e.s)
		e.write(e.s)
		e.read(e.c)
	}},
	{"c28", two, "socket: reset", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		e.say(e.s, "unread")
		e.reset(e.s)
		e.read(e.s)
		e.cache()
		e.shut(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}},
	{"c31", all, "IGNORE: own close_notify, EOF, free", func(e *scene) {
		e.begin(ignoreEOF | serverEvents)
		e.open()
		h := session(e.c)
		e.shut(e.s)
		e.eof(e.s)
		e.shut(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
		e.clientLeaves(h)
	}},
	{"c33", two, "socket: peer closes the fd after our close_notify", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		e.shut(e.s)
		e.reset(e.s)
		e.shut(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}},
	{"c35", all, "socket: reset in SSL_read, then SSL_free at once", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		h := session(e.c)
		e.say(e.s, "unread")
		e.reset(e.s)
		e.read(e.s)
		e.inInit(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
		e.clientLeaves(h)
	}},
	{"c36", all, "socket: EPIPE in SSL_write, then SSL_free at once", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		h := session(e.c)
		e.close(e.s)
		e.write(e.s)
		e.inInit(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
		e.clientLeaves(h)
	}},
	{"c37", all, "socket: EOF in SSL_read, then SSL_free at once", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		h := session(e.c)
		e.close(e.s)
		e.read(e.s)
		e.inInit(e.s)
		e.cache()
		e.free(e.s)
		e.cache()
		e.callbacks()
		e.clientLeaves(h)
	}},
	{"c38", ids, "custom BIO error, then SSL_free at once", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		must(e.s.ssl.FeedAnswer(openssl.EmptyAnswer{Ret: -1}))
		e.read(e.s)
		e.inInit(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}},
}

func meetsEOF(set set) func(*scene) {
	return func(e *scene) {
		e.begin(set | serverEvents)
		e.open()
		h := session(e.c)
		e.cache()
		e.eof(e.s)
		e.read(e.s)
		e.cache()
		e.callbacks()
		e.read(e.s)
		e.write(e.s)
		e.shut(e.s)
		e.shut(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
		e.clientLeaves(h)
	}
}

func eofInShutdown(set set) func(*scene) {
	return func(e *scene) {
		e.begin(set | serverEvents)
		e.open()
		h := session(e.c)
		e.shut(e.s)
		e.eof(e.s)
		e.shut(e.s)
		e.cache()
		e.shut(e.s)
		e.mask(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
		e.clientLeaves(h)
	}
}

func eofAfterShutdown(set set) func(*scene) {
	return func(e *scene) {
		e.begin(set | serverEvents)
		e.open()
		e.shut(e.s)
		e.eof(e.s)
		e.read(e.s)
		e.read(e.s)
		e.shut(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}
}

func eofInRecord(set set) func(*scene) {
	return func(e *scene) {
		e.begin(set | serverEvents)
		e.open()
		e.say(e.c, "hello")
		e.s.in.bytes = e.s.in.bytes[:len(e.s.in.bytes)-3]
		e.eof(e.s)
		e.read(e.s)
		e.read(e.s)
		e.shut(e.s)
		e.cache()
		e.free(e.s)
		e.cache()
	}
}

func (e *scene) eofInHandshake(set set) {
	e.begin(set)
	e.fresh()
	e.shake(e.c)
	e.shake(e.s)
	e.eof(e.s)
	e.shake(e.s)
	e.mask(e.s)
}

func customBIO(set set, empty openssl.EmptyAnswer) func(*scene) {
	return func(e *scene) {
		e.begin(set | serverEvents)
		e.open()
		must(e.s.ssl.FeedAnswer(empty))
		e.read(e.s)
		e.cache()
		e.read(e.s)
		e.shut(e.s)
		e.free(e.s)
		e.cache()
		e.callbacks()
	}
}

// clientLeaves frees the client as after a close_notify, and resumes its session.
func (e *scene) clientLeaves(h *openssl.Session) {
	e.mark(e.c, 1)
	e.free(e.c)
	e.resumable(h)
	e.resume(h)
}

func (e *scene) inInit(x *end) { e.p(" in_init=%d", bit(x.ssl.InInit())) }

// reset is what a socket answers whose peer was closed with unread data.
func (e *scene) reset(x *end) {
	must(x.ssl.FeedAnswer(openssl.EmptyAnswer{Ret: -1, Errno: syscall.ECONNRESET}))
	must(x.ssl.LimitOut(0, syscall.EPIPE))
}

// close is what a socket answers whose peer was closed with nothing unread.
func (e *scene) close(x *end) {
	e.eof(x)
	must(x.ssl.LimitOut(0, syscall.EPIPE))
}
