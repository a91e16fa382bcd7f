package probe

import (
	"strings"
	"testing"
)

func TestAdvice(t *testing.T) {
	idle := func(ending string) string { return adviseFin(ending, "an idle connection") }
	for _, test := range []struct {
		advise func(string) string
		result string
		tells  string
	}{
		{adviseEndOfResponse, "data+close_notify+fin", "can tell a whole response from a cut one"},
		{adviseEndOfResponse, "close_notify+fin", "can tell a whole response from a cut one"},
		{adviseEndOfResponse, "data+close_notify+wait", "keeps TCP open"},
		{adviseEndOfResponse, "data+close_notify+reset", "resets TCP behind its close_notify"},
		{adviseEndOfResponse, "data+fin", "without close_notify"},
		{adviseEndOfResponse, "fin", "without close_notify"},
		{adviseEndOfResponse, "data+reset", "resets the connection"},
		{adviseEndOfResponse, "data+wait", "did not end the connection"},
		{adviseEndOfResponse, "wait", "did not answer"},
		{adviseEndOfResponse, "data+alert:internal_error+fin", "fatal alert internal_error"},
		{adviseEndOfResponse, "alert:internal_error+data+fin", "fatal alert internal_error"},
		{adviseEndOfResponse, "data+close_notify+data+fin", "behind its close_notify"},
		{adviseAnswer, "close_notify+fin", "answers close_notify"},
		{adviseAnswer, "fin", "without an answer"},
		{adviseAnswer, "reset", "resets"},
		{adviseAnswer, "wait", "keeps the connection"},
		{adviseAnswer, "close_notify+wait", "keeps the connection"},
		{adviseAnswer, "alert:decode_error+fin", "decode_error"},
		{adviseAnswer, "close_notify+data+fin", "behind its close_notify"},
		{adviseAnswer, Failed, "handshake failed"},
		{adviseHalfClose, "data+close_notify+fin", "half close works"},
		{adviseHalfClose, "data+fin", "cannot tell whether the answer is whole"},
		{adviseHalfClose, "data+wait", "keeps the connection"},
		{adviseHalfClose, "close_notify+fin", "drops the request"},
		{adviseHalfClose, "fin", "drops the request"},
		{adviseHalfClose, "wait", "waits for ever"},
		{adviseHalfClose, Failed, "handshake failed"},
		{idle, "fin", "nothing to fix"},
		{idle, "wait", "vanishes"},
		{idle, "close_notify+fin", "does not tell a truncation from an end"},
		{idle, "data+close_notify+fin", "half a request"},
		{idle, "alert:decode_error+fin", "has noticed"},
		{idle, "alert:decode_error+wait", "vanishes"},
		{idle, "reset", "nothing is lost"},
		{idle, Failed, "handshake failed"},
		{adviseReset, OK, "does no harm"},
		{adviseReset, Failed, "did not take a new connection"},
		{adviseAfterClose, Resumed, "save"},
		{adviseAfterClose, Full, "full handshake"},
		{adviseAfterClose, None, "gave no session"},
		{adviseAfterClose, Unsupported, "refuses this version"},
		{adviseAfterClose, Failed, "handshake failed"},
		{adviseAfterDrop, Resumed, "although its connection was cut"},
		{adviseAfterDrop, Full, "full handshake"},
		{adviseAfterDrop, None, "gave no session"},
		{adviseAfterDrop, Unsupported, "refuses this version"},
	} {
		got := test.advise(test.result)
		if !strings.Contains(got, test.tells) || strings.ContainsAny(got, "%\n") || !strings.HasSuffix(got, ".") {
			t.Errorf("%s: %q does not tell %q", test.result, got, test.tells)
		}
	}
}
