package semantics

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// measured is how many scenarios of each letter the other program has, numbered from 1.
var measured = []struct {
	letter string
	n      int
}{{"a", 25}, {"b", 31}, {"c", 39}, {"d", 12}, {"e", 10}, {"f", 38}, {"g", 50}, {"h", 4}, {"j", 8}, {"n", 8}, {"q", 1}, {"t", 1}}

const (
	needsSocket   = "what it shows is a socket's: SIGPIPE, a timeout, a descriptor that stays open"
	needsCallback = "it runs code inside a callback of libssl, and the binding's callbacks only take notes"
	ownerBound    = "the binding refuses a session of another SSL_CTX, because libssl may loop for ever over it"
	clearsQueue   = "it leaves an error in the thread's queue, and the binding clears the queue before each call"
	asksLater     = "it calls SSL_get_error apart from the operation, and the binding asks in the same call"
	noNull        = "the binding never gives libssl NULL; on some versions it crashes"
)

// leftOut says why an id is not played.
var leftOut = map[string]string{
	"b19": "it sets quiet shutdown to 5 and 7, and SetQuietShutdown takes a bool",
	"b27": "it sets SSL_read_ex beside SSL_read, and the raw layer has one Read",
	"b30": "it needs the info callback; the raw layer has the message callback",
	"c15": "it asks a BIO_s_mem for its retry flags, and the raw layer has a BIO of its own",
	"c23": needsSocket, "c24": needsSocket, "c25": needsSocket, "c26": needsSocket, "c29": needsSocket,
	"c30": needsSocket, "c32": needsSocket, "c34": needsSocket, "c39": needsSocket,
	"f31": "it takes a reference to an SSL_CTX that was freed, out of its SSL; a RawCtx is gone after Free",
	"g19": "its get_session_cb gives its own reference away, and the binding's never does",
	"g20": "its get_session_cb does not say who owns the session, and the binding's always does",
	"g23": "its new_session_cb leaks a session",
	"g27": ownerBound, "g30": ownerBound, "g31": ownerBound,
	"g32": needsCallback, "g33": needsCallback, "g34": needsCallback,
	"g42": needsCallback, "g43": needsCallback, "g44": needsCallback, "g45": needsCallback, "g46": needsCallback, "g47": needsCallback,
	"j01": clearsQueue, "j02": clearsQueue, "j06": clearsQueue, "j08": clearsQueue,
	"j03": asksLater, "j04": asksLater, "j05": asksLater,
	"n01": noNull, "n02": noNull, "n03": noNull, "n04": noNull, "n05": noNull, "n06": noNull, "n07": noNull, "n08": noNull,
	"q01": "it is about QUIC, which the binding does not make",
}

// TestEveryScenario checks that each measured scenario is played or left out with its reason, not both.
func TestEveryScenario(t *testing.T) {
	played := map[string]bool{}
	for _, s := range scenarios() {
		if played[s.id] {
			t.Errorf("%s stands twice in the table", s.id)
		}
		played[s.id] = true
	}
	total := 0
	for _, g := range measured {
		for i := range g.n {
			id := fmt.Sprintf("%s%02d", g.letter, i+1)
			if played[id] == (leftOut[id] != "") {
				t.Errorf("%s: played %v, left out because %q", id, played[id], leftOut[id])
			}
			total++
		}
	}
	if got := len(played) + len(leftOut); got != total {
		t.Errorf("%d ids are played and %d left out, of %d", len(played), len(leftOut), total)
	}
	t.Logf("%d of %d scenarios are played", len(played), total)
}

// TestResults checks that the results of every version are those of the scenarios in the table, in its order,
// and with -oracle that they say what the other program measured.
func TestResults(t *testing.T) {
	var want []string
	played := map[string]bool{}
	for _, s := range scenarios() {
		played[s.id] = true
		for _, p := range s.on {
			want = append(want, s.key(p)+"|"+s.title)
		}
	}
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			own, err := readResults(filepath.Join(results, v+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range own {
				got = append(got, r.key+"|"+r.title)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if *oracle == "" {
				return
			}
			theirs, err := readResults(filepath.Join(*oracle, v+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			all := len(theirs)
			theirs = slices.DeleteFunc(theirs, func(r result) bool { return !played[r.id] })
			if diff := cmp.Diff(theirs, own, cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("the lines of the scenarios that are played (-%s +own):\n%s", *oracle, diff)
			}
			t.Logf("%d of %d lines are equal", len(own), all)
		})
	}
}
