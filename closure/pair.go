package closure

import (
	"errors"

	"github.com/golibssl/openssl"
)

// pair is the two SSL objects of a connection. What an end wrote is given to the other one after
// each call, so that two in-queues are the same as two BIO_s_mem that the ends share, also when the
// end that wrote is freed.
type pair struct {
	ssl  [2]*openssl.SSL
	gone [2]bool // freed by the script
	run  *run
}

func (r *run) newPair() (*pair, error) {
	p := &pair{run: r}
	for who, c := range r.ctx {
		ssl, err := c.NewSSL()
		if err != nil {
			p.free(client)
			return nil, err
		}
		p.ssl[who] = ssl
	}
	return p, errors.Join(p.ssl[client].SetConnectState(), p.ssl[server].SetAcceptState())
}

func (p *pair) mask(who end) int { return int(p.ssl[who].GetShutdown()) }

func (p *pair) free(who end) {
	if p.ssl[who] == nil || p.gone[who] {
		return
	}
	p.gone[who] = true
	p.ssl[who].Free()
	p.takeSessions(who)
}

// answer is what libssl said to one call.
type answer struct {
	ret   int
	class string // SSL_get_error's answer, "-" where it means nothing
}

// after completes a call on who that returned ret without an error, or err: what the end wrote goes
// to the other one, sessions are kept. The error returned is none of libssl's answers.
func (p *pair) after(who end, ret int, err error) (answer, error) {
	p.takeSessions(who)
	if err := p.ferry(who); err != nil {
		return answer{}, err
	}
	if err == nil {
		return answer{ret, "-"}, nil
	}
	var e *openssl.Error
	if !errors.As(err, &e) || e.Origin == openssl.FromCaller {
		return answer{}, err
	}
	return answer{e.Ret, e.Class.String()}, nil
}

func (p *pair) takeSessions(who end) {
	for _, e := range p.ssl[who].Events() {
		if who == client && e.Kind == openssl.EventNewSession {
			p.run.newest = e.Session
		}
	}
}

func (p *pair) ferry(from end) error {
	to := 1 - from
	buf := make([]byte, 4096)
	for {
		n, err := p.ssl[from].Take(buf)
		if err != nil || n == 0 {
			return err
		}
		if p.gone[to] {
			continue
		}
		if err := p.ssl[to].Feed(buf[:n]); err != nil {
			return err
		}
	}
}

// handshake takes both ends in turn until both are done. An error of one end, even a fatal one,
// does not end the rounds: the other end may still have to read what it sent.
func (p *pair) handshake() (bool, error) {
	var done [2]bool
	for round := 0; round < handshakeRounds && !(done[client] && done[server]); round++ {
		for _, who := range []end{client, server} {
			if done[who] {
				continue
			}
			a, err := p.after(who, 1, p.ssl[who].Handshake())
			if err != nil {
				return false, err
			}
			done[who] = a.ret == 1
		}
	}
	return done[client] && done[server], nil
}
