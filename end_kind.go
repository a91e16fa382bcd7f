//go:build cgo

package openssl

// EndKind is an End in one word, for counters.
type EndKind string

// The kinds, in the order in which Kind asks for them.
const (
	EndHandshake     EndKind = "handshake"      // the handshake was not completed
	EndAlertReceived EndKind = "alert_received" // fatal
	EndAlertSent     EndKind = "alert_sent"     // fatal
	EndTruncated     EndKind = "truncated"      // the transport ended without the peer's close_notify
	EndClean         EndKind = "clean"          // both said close_notify
	EndFailed        EndKind = "failed"         // by another error, such as a reset
	EndSent          EndKind = "sent"           // we said close_notify and did not wait for the peer's
	EndReceived      EndKind = "received"       // the peer's close_notify was not answered
	EndSilent        EndKind = "silent"         // nothing was said
)

// EndKinds are all kinds.
func EndKinds() []EndKind {
	return []EndKind{EndHandshake, EndAlertReceived, EndAlertSent, EndTruncated, EndClean, EndFailed, EndSent, EndReceived, EndSilent}
}

// Kind tells the End in one word.
func (e End) Kind() EndKind {
	switch {
	case !e.Established:
		return EndHandshake
	case e.AlertReceived != nil:
		return EndAlertReceived
	case e.AlertSent != nil:
		return EndAlertSent
	case e.Truncated:
		return EndTruncated
	case e.Clean():
		return EndClean
	case e.Err != nil:
		return EndFailed
	case e.Sent:
		return EndSent
	case e.Received:
		return EndReceived
	}
	return EndSilent
}

// SessionLost reports whether the end cost a session that might have been resumed.
func (e End) SessionLost() bool { return e.Established && !e.Resumable }
