package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/golibssl/openssl"
)

const storeTimeout = 5 * time.Second

// tell gives the store what libssl has told.
func tell(store openssl.SessionCache, event openssl.Event) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	var err error
	switch s := event.Session; event.Kind {
	case openssl.EventNewSession:
		err = store.Put(ctx, s.ID(), s.DER(), s.Timeout())
	case openssl.EventRemovedSession:
		err = store.Remove(ctx, s.ID())
	}
	if err != nil {
		return fmt.Errorf("session store: %w", err)
	}
	return nil
}

// findSession answers a server that stands at the ClientHello; it reports whether it did.
func (c *connection) findSession() bool {
	hello, err := c.server.ssl.Hello()
	if err != nil {
		return false
	}
	if err := c.find(hello); err != nil {
		c.fail(fmt.Errorf("session store: %w", err))
	}
	return c.server.ssl.AnswerHello() == nil
}

func (c *connection) find(hello openssl.ClientHello) error {
	if len(hello.SessionID) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	ask := c.store.Get
	if hello.TLS13 {
		ask = c.store.Take // used once (RFC 8446, appendix C.4)
	}
	der, err := ask(ctx, hello.SessionID)
	if err != nil || der == nil {
		return err
	}
	s, err := openssl.ParseSession(der)
	if err != nil {
		return err
	}
	return c.server.ssl.SetFound(s)
}
