package semantics

import (
	"github.com/golibssl/openssl/internal/cleartext"
	"github.com/golibssl/openssl/internal/record"
)

// Alerts.
var groupD = []scenario{
	{"d01", all, "fatal alert sent and received", func(e *scene) {
		e.begin(serverEvents | clientEvents | keepSessions)
		e.open()
		h := session(e.c)
		e.cache()
		e.say(e.c, "hello")
		e.corrupt(e.c)
		e.read(e.s)
		e.cache()
		e.callbacks()
		e.mask(e.s)
		e.wire()
		e.read(e.c)
		e.cache()
		e.callbacks()
		e.resumable(h)
		e.read(e.c)
		e.write(e.c)
		e.shut(e.c)
		e.shut(e.s)
		e.free(e.c)
		e.free(e.s)
		e.cache()
		e.callbacks()
		e.resume(h)
	}},
	{"d02", all, "bad record after own close_notify", func(e *scene) {
		e.begin(serverEvents)
		e.open()
		h := session(e.c)
		e.shut(e.s)
		e.say(e.c, "hello")
		e.corrupt(e.c)
		e.wire()
		e.read(e.s)
		e.wire()
		e.cache()
		e.callbacks()
		e.free(e.s)
		e.cache()
		e.clientLeaves(h)
	}},
	{"d03", all, "fatal alert received after own close_notify", func(e *scene) {
		e.begin(clientEvents | keepSessions)
		e.open()
		h := session(e.c)
		e.say(e.c, "hello")
		e.corrupt(e.c)
		e.shut(e.c)
		e.call(e.s, read(10))
		e.read(e.c)
		e.cache()
		e.callbacks()
		e.resumable(h)
		e.free(e.c)
		e.mark(e.s, 1)
		e.free(e.s)
		e.resume(h)
	}},
	{"d04", two, "fatal alert then set(0)", func(e *scene) {
		e.begin(0)
		e.open()
		e.say(e.c, "hello")
		e.corrupt(e.c)
		e.call(e.s, read(10))
		e.read(e.c)
		e.setMask(e.c, 0)
		e.read(e.c)
		e.write(e.c)
		e.shut(e.c)
	}},
	{"d05", two, "user_canceled then close_notify", func(e *scene) {
		e.begin(aes128 | serverEvents)
		e.open()
		craft := e.forger()
		craft.alert(record.Warning, userCanceled)
		e.read(e.s)
		craft.alert(record.Warning, closeNotify)
		e.read(e.s)
		e.read(e.s)
		e.shut(e.s)
	}},
	{"d06", two, "warning alert certificate_unknown", func(e *scene) {
		e.begin(aes128 | serverEvents)
		e.open()
		craft := e.forger()
		craft.alert(record.Warning, certificateUnknown)
		e.read(e.s)
		e.cache()
		craft.alert(record.Warning, closeNotify)
		e.read(e.s)
		e.cache()
	}},
	{"d07", two, "close_notify at fatal level", func(e *scene) {
		e.begin(aes128 | serverEvents)
		e.open()
		e.forger().alert(record.Fatal, closeNotify)
		e.read(e.s)
		e.cache()
		e.callbacks()
		e.shut(e.s)
		e.free(e.s)
		e.cache()
	}},
	{"d08", two, "data after close_notify", func(e *scene) {
		e.begin(aes128)
		e.open()
		craft := e.forger()
		craft.alert(record.Warning, closeNotify)
		craft.data("late")
		e.read(e.s)
		e.read(e.s)
		e.p(" pend=%d", waiting(e.c, e.s))
		e.setMask(e.s, 0)
		e.read(e.s)
	}},
	{"d09", two, "two close_notify", func(e *scene) {
		e.begin(aes128)
		e.open()
		craft := e.forger()
		craft.alert(record.Warning, closeNotify)
		craft.alert(record.Warning, closeNotify)
		e.read(e.s)
		e.read(e.s)
		e.shut(e.s)
	}},
	{"d10", two, "data then close_notify", func(e *scene) {
		e.begin(aes128)
		e.open()
		craft := e.forger()
		craft.data("body")
		craft.alert(record.Warning, closeNotify)
		e.read(e.s)
		e.mask(e.s)
		e.read(e.s)
		e.shut(e.s)
	}},
	{"d11", two, "user_canceled then EOF", func(e *scene) {
		e.begin(aes128)
		e.open()
		e.forger().alert(record.Warning, userCanceled)
		e.eof(e.s)
		e.read(e.s)
	}},
	{"d12", two, "user_canceled then set(RECEIVED)", func(e *scene) {
		e.begin(aes128)
		e.open()
		e.forger().alert(record.Warning, userCanceled)
		e.read(e.s)
		e.setMask(e.s, 2)
		e.read(e.s)
	}},
}

const (
	closeNotify        = 0
	certificateUnknown = 46
	userCanceled       = 90
)

// forger writes records in the client's name.
type forger struct {
	wire *wire
	talk *cleartext.Conversation
}

func (e *scene) forger() *forger {
	talk := get(cleartext.Open(e.c.keyLog.String(), e.c.out.all, e.s.out.all))
	return &forger{e.c.out, talk}
}

func (f *forger) alert(level, description byte) {
	f.wire.put(f.talk.Seal(cleartext.Client, record.Alert, []byte{level, description}))
}

func (f *forger) data(text string) {
	f.wire.put(f.talk.Seal(cleartext.Client, record.ApplicationData, []byte(text)))
}
