package probe

import (
	"fmt"
	"io"
	"strings"

	"github.com/golibssl/openssl/cmd/closenotify/internal/sequence"
)

// Finding is a check with its result, what it means, and what passed.
type Finding struct {
	Check   string
	Version string // 1.2 or 1.3 of a check that is made with both
	Result  string
	Advice  string
	Drawn   *sequence.Diagram
}

// Name is the check's name, with the version.
func (f *Finding) Name() string { return strings.TrimSpace(f.Check + " " + f.Version) }

// Findings are the checks in the order in which they were made.
func (r *Report) Findings() []Finding {
	c, d := &r.Checks, &r.Drawn
	drop, afterClose := c.ResumeAfterDrop, c.ResumeAfterClose
	return []Finding{
		{"end_of_response", "", c.EndOfResponse, adviseEndOfResponse(c.EndOfResponse), d.EndOfResponse.Diagram()},
		{"answer_to_close_notify", "", c.AnswerToCloseNotify, adviseAnswer(c.AnswerToCloseNotify), d.Answer.Diagram()},
		{"half_close", "", c.HalfClose, adviseHalfClose(c.HalfClose), d.HalfClose.Diagram()},
		{"bare_fin", "", c.BareFin, adviseFin(c.BareFin, "an idle connection"), d.BareFin.Diagram()},
		{"partial_then_fin", "", c.PartialThenFin, adviseFin(c.PartialThenFin, "a connection in the middle of a request"), d.Partial.Diagram()},
		{"reset", "", c.Reset, adviseReset(c.Reset), d.Reset.Diagram()},
		{"resume_after_close", "1.2", afterClose.TLS12, adviseAfterClose(afterClose.TLS12), d.AfterClose[0].Diagram()},
		{"resume_after_close", "1.3", afterClose.TLS13, adviseAfterClose(afterClose.TLS13), d.AfterClose[1].Diagram()},
		{"resume_after_drop", "1.2", drop.TLS12, adviseAfterDrop(drop.TLS12), d.AfterDrop[0].Diagram()},
		{"resume_after_drop", "1.3", drop.TLS13, adviseAfterDrop(drop.TLS13), d.AfterDrop[1].Diagram()},
	}
}

// negotiated is what both ends agreed on. The protocol is the server's word: it may hold anything.
func (r *Report) negotiated() string {
	parts := []string{r.TLS, r.Group}
	if r.Group == "" {
		parts[1] = "group not told"
	}
	if r.ALPN != "" {
		parts = append(parts, "ALPN "+sequence.Printable(r.ALPN))
	}
	return strings.Join(parts, ", ")
}

// WriteText writes the report for a reader: each result, and what it means.
func (r *Report) WriteText(w io.Writer) error { return r.write(w, false) }

// WriteDiagrams writes the report with a diagram of each check.
func (r *Report) WriteDiagrams(w io.Writer) error { return r.write(w, true) }

func (r *Report) write(w io.Writer, draw bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, probed with %s\n", r.Target, r.negotiated(), r.OpenSSL)
	for _, f := range r.Findings() {
		fmt.Fprintf(&b, "\n%-23s %s\n    %s\n", f.Name(), f.Result, f.Advice)
		if draw && f.Drawn != nil {
			fmt.Fprintln(&b)
			if err := f.Drawn.WriteText(&b); err != nil {
				return err
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const (
	adviceFailed = "The connection or its handshake failed; an earlier one succeeded. Look at the server's log: it may limit connections, or still be busy with the one before."
	adviceAlert  = "The server ended with the fatal alert %s: clients report an error, and both sides drop the session. Look for what made the server fail."
	adviceAfter  = "The server sent bytes behind its close_notify: nobody can read them. Send close_notify last."
)

// shape is what the parts of an ending say.
type shape struct {
	data, closeNotify, after bool
	alert, last              string
}

func shapeOf(ending string) (s shape) {
	for _, e := range strings.Split(ending, "+") {
		switch {
		case e == "data" && (s.closeNotify || s.alert != ""):
			s.after = s.closeNotify
		case e == "data":
			s.data = true
		case e == "close_notify":
			s.closeNotify = true
		case strings.HasPrefix(e, "alert:"):
			s.alert = strings.TrimPrefix(e, "alert:")
		default:
			s.last = e
		}
	}
	return s
}

func adviseEndOfResponse(ending string) string {
	s := shapeOf(ending)
	switch {
	case s.after:
		return adviceAfter
	case s.alert != "":
		return fmt.Sprintf(adviceAlert, s.alert)
	case s.closeNotify && s.last == "fin":
		return "The server ends with close_notify: clients can tell a whole response from a cut one."
	case s.closeNotify && s.last == "wait":
		return "The server says close_notify and keeps TCP open: clients see the end, and each connection costs a socket until someone gives up. End TCP after close_notify."
	case s.closeNotify:
		return "The server resets TCP behind its close_notify: what clients have not read yet may be lost to them. Read until the client's end before closing the socket."
	case s.last == "fin":
		return "The server ends TCP without close_notify: OpenSSL 3 clients report \"unexpected eof while reading\", Go clients of this library io.ErrUnexpectedEOF, and a cut response looks the same. Call SSL_shutdown before closing the socket."
	case s.last == "reset":
		return "The server resets the connection: clients lose what they have not read and report a reset. Send close_notify, end one direction of TCP and read until the client's end before closing."
	case s.data:
		return "The server answered and did not end the connection: it waits for more, as protocols with lasting connections do. Send a request that ends the connection (--send) to see the end."
	}
	return "The server did not answer within the timeout. Send a request that it answers (--send), or wait longer (--timeout)."
}

func adviseAnswer(ending string) string {
	s := shapeOf(ending)
	switch {
	case ending == Failed:
		return adviceFailed
	case s.after:
		return adviceAfter
	case s.alert != "":
		return fmt.Sprintf(adviceAlert, s.alert)
	case s.last == "wait":
		return "The server keeps the connection although the client has said close_notify: idle clients that leave cost it a socket each. Read until close_notify, then close."
	case s.closeNotify:
		return "The server answers close_notify: a client that waits for both ways gets its answer."
	case s.last == "reset":
		return "The server resets the connection: a client that waits for the answer reports an error after all was said. Send close_notify and close without a reset."
	}
	return "The server ends TCP without an answer: TLS 1.3 allows it (RFC 8446, section 6.1), clients that wait for both ways report an unexpected end. Call SSL_shutdown when the client's close_notify was read."
}

func adviseHalfClose(ending string) string {
	s := shapeOf(ending)
	switch {
	case ending == Failed:
		return adviceFailed
	case s.after:
		return adviceAfter
	case s.alert != "":
		return fmt.Sprintf(adviceAlert, s.alert)
	case s.data && s.closeNotify:
		return "The server answers a client that has said close_notify: half close works."
	case s.data && s.last == "wait":
		return "The server answers a client that has said close_notify, and then keeps the connection. Close it once the answer is sent: no other request can come."
	case s.data:
		return "The server answers a client that has said close_notify, but ends without close_notify itself: the client cannot tell whether the answer is whole. Call SSL_shutdown before closing the socket."
	case s.last == "wait":
		return "The server neither answers nor ends: a client that sends close_notify with its request waits for ever. Treat close_notify as the end of the request, or close."
	}
	return "The server drops the request when close_notify comes with it, as TLS 1.2 wanted (RFC 5246, section 7.2.1): clients must not close their side before they have the answer."
}

func adviseFin(ending, what string) string {
	s := shapeOf(ending)
	switch {
	case ending == Failed:
		return adviceFailed
	case s.last == "wait":
		return "The server keeps " + what + " that the client's TCP has ended: each client that vanishes costs a socket. Close when the read says the transport has ended."
	case s.alert != "":
		return "The server answers the truncation with the fatal alert " + s.alert + " and ends: it has noticed that close_notify is missing."
	case s.data:
		return "The server sent data to " + what + " that had been cut: make sure that it does not act on half a request."
	case s.closeNotify:
		return "The server ends " + what + " with close_notify: it does not tell a truncation from an end, or forgives it. Make sure that it does not act on half a request."
	case s.last == "reset":
		return "The server resets " + what + " that was cut: nothing is lost, the client was gone."
	}
	return "The server ends " + what + " that was cut, without a word: nothing to fix."
}

func adviseReset(result string) string {
	if result == OK {
		return "A reset in the middle of a request does no harm: the next client is served."
	}
	return "After a reset in the middle of a request the server did not take a new connection: one client can stop it. Make sure that an error of one connection ends that connection alone."
}

func adviseAfterClose(result string) string {
	switch result {
	case Resumed:
		return "A session is resumed after a clean end: returning clients save a round trip or a signature."
	case Full:
		return "The server gave a session and does not resume it: returning clients pay for a full handshake. Check the session cache, and that all servers behind this address share ticket keys."
	}
	return adviseNoSession(result)
}

func adviseAfterDrop(result string) string {
	switch result {
	case Resumed:
		return "A session is resumed although its connection was cut: the server keeps stateless tickets, or keeps sessions as RFC 5246 allows."
	case Full:
		return "A session whose connection was cut is not resumed. Where resume_after_close says resumed, the server drops sessions on an unclean end, as libssl does with its own cache: clients that do not say close_notify pay for a full handshake."
	}
	return adviseNoSession(result)
}

func adviseNoSession(result string) string {
	switch result {
	case None:
		return "The server gave no session: every connection is a full handshake. Turn session tickets or a session cache on if that matters."
	case Unsupported:
		return "The server refuses this version."
	}
	return adviceFailed
}
