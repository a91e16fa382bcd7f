package closure

import (
	"fmt"
	"strconv"
	"strings"
)

type verb int

const (
	verbProto verb = iota
	verbOption
	verbHandshake
	verbShutdown
	verbSet
	verbGet
	verbRead
	verbWrite
	verbQuiet
	verbEOF
	verbClear
	verbFree
	verbResumable
	verbResume
	verbCache
)

// end is one of the two ends; the other one is 1 - end.
type end int

const (
	client end = iota
	server
)

func parseEnd(word string) (end, bool) {
	switch word {
	case "client":
		return client, true
	case "server":
		return server, true
	}
	return 0, false
}

type step struct {
	verb  verb
	who   end    // not for proto and both handshake
	n     int    // set, quiet
	text  string // write
	proto proto  // proto
}

// endVerbs are the verbs that follow WHO.
var endVerbs = map[string]struct {
	verb       verb
	arg        string // what the argument is called, "" for none
	clientOnly bool
	serverOnly bool
}{
	"shutdown":  {verb: verbShutdown},
	"set":       {verb: verbSet, arg: "a number"},
	"get":       {verb: verbGet},
	"read":      {verb: verbRead},
	"write":     {verb: verbWrite, arg: "a text"},
	"quiet":     {verb: verbQuiet, arg: "0 or 1"},
	"eof":       {verb: verbEOF},
	"clear":     {verb: verbClear},
	"free":      {verb: verbFree},
	"resumable": {verb: verbResumable, clientOnly: true},
	"resume":    {verb: verbResume, clientOnly: true},
	"cache":     {verb: verbCache, serverOnly: true},
}

// parse reads one line that is neither empty nor a comment. The reason is why it cannot be read,
// "" when it can.
func parse(line string) (s step, reason string) {
	if strings.Contains(line, "\r") {
		return s, "the line has a carriage return"
	}
	words := strings.Split(line, " ")
	for _, w := range words {
		if w == "" {
			return s, "words are separated by single spaces, with none before the first and after the last"
		}
	}
	switch words[0] {
	case "proto":
		return parseProto(words[1:])
	case "option":
		return parseOption(words[1:])
	case "both":
		if len(words) != 2 || words[1] != "handshake" {
			return s, `both is followed by "handshake" and nothing else`
		}
		return step{verb: verbHandshake}, ""
	case "client", "server":
		return parseEndVerb(words)
	}
	return s, fmt.Sprintf("a step begins with proto, option, both, client or server, not %.40q", words[0])
}

func parseProto(args []string) (s step, reason string) {
	if len(args) != 1 {
		return s, "proto takes one name"
	}
	for _, p := range protos {
		if p.name == args[0] {
			return step{verb: verbProto, proto: p}, ""
		}
	}
	return s, fmt.Sprintf("unknown protocol %.40q", args[0])
}

func parseOption(args []string) (s step, reason string) {
	if len(args) != 2 {
		return s, "option takes a name and an end"
	}
	if args[0] != "ignore-eof" {
		return s, fmt.Sprintf("unknown option %.40q", args[0])
	}
	who, ok := parseEnd(args[1])
	if !ok {
		return s, fmt.Sprintf("option ignore-eof is for client or server, not %.40q", args[1])
	}
	return step{verb: verbOption, who: who}, ""
}

func parseEndVerb(words []string) (s step, reason string) {
	s.who, _ = parseEnd(words[0])
	if len(words) < 2 {
		return s, words[0] + " lacks a verb"
	}
	v, ok := endVerbs[words[1]]
	switch {
	case !ok:
		return s, fmt.Sprintf("unknown verb %.40q", words[1])
	case v.clientOnly && s.who != client:
		return s, words[1] + " is for the client"
	case v.serverOnly && s.who != server:
		return s, words[1] + " is for the server"
	case v.arg == "" && len(words) != 2:
		return s, words[1] + " takes no argument"
	case v.arg != "" && len(words) != 3:
		return s, words[1] + " takes " + v.arg
	}
	s.verb = v.verb
	switch s.verb {
	case verbSet:
		n, ok := parseInt32(words[2])
		if !ok {
			return s, fmt.Sprintf("set takes a decimal number of 32 bits, not %.40q", words[2])
		}
		s.n = n
	case verbQuiet:
		if words[2] != "0" && words[2] != "1" {
			return s, fmt.Sprintf("quiet takes 0 or 1, not %.40q", words[2])
		}
		s.n = int(words[2][0] - '0')
	case verbWrite:
		if !lettersAndDigits(words[2]) {
			return s, fmt.Sprintf("write takes ASCII letters and digits, not %.40q", words[2])
		}
		s.text = words[2]
	}
	return s, ""
}

// parseInt32 takes -?[0-9]+; strconv alone would let "+1" through.
func parseInt32(word string) (int, bool) {
	if strings.HasPrefix(word, "+") {
		return 0, false
	}
	n, err := strconv.ParseInt(word, 10, 32)
	return int(n), err == nil
}

func lettersAndDigits(word string) bool {
	for i := range len(word) {
		c := word[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			return false
		}
	}
	return true
}
