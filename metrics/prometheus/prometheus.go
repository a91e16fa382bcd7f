// Package prometheus counts how connections end, by Prometheus's client library.
package prometheus

import (
	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/golibssl/openssl"
)

// Names of the counters and of their label.
const (
	Ended     = "openssl_connections_ended_total"     // by kind
	Lost      = "openssl_sessions_lost_total"         // ended connections whose sessions cannot be resumed
	Abandoned = "openssl_connections_abandoned_total" // dropped without Close
	Kind      = "kind"                                // an openssl.EndKind
)

// Counters count ends and are a Collector. Any number of goroutines may use them, and any number of Ctx.
type Counters struct{ ended, lost, abandoned *prom.CounterVec }

var _ prom.Collector = (*Counters)(nil)

// New makes the counters, to be registered by the caller. Constant labels, such as a listener's name, may
// be nil.
func New(labels prom.Labels) *Counters {
	vec := func(name, help string) *prom.CounterVec {
		v := prom.NewCounterVec(prom.CounterOpts{Name: name, Help: help, ConstLabels: labels}, []string{Kind})
		// Zeroes make rates right from the first end on.
		for _, kind := range openssl.EndKinds() {
			v.WithLabelValues(string(kind))
		}
		return v
	}
	return &Counters{
		vec(Ended, "TLS connections that ended, by kind."),
		vec(Lost, "TLS connections whose end cost their sessions, by kind."),
		vec(Abandoned, "TLS connections that were dropped without Close, by kind."),
	}
}

// OnEnd counts an end; it is what Config.OnEnd wants.
func (c *Counters) OnEnd(e openssl.End) {
	kind := string(e.Kind())
	c.ended.WithLabelValues(kind).Inc()
	if e.SessionLost() {
		c.lost.WithLabelValues(kind).Inc()
	}
	if e.Abandoned {
		c.abandoned.WithLabelValues(kind).Inc()
	}
}

// Describe is Collector's.
func (c *Counters) Describe(ch chan<- *prom.Desc) {
	for _, v := range []*prom.CounterVec{c.ended, c.lost, c.abandoned} {
		v.Describe(ch)
	}
}

// Collect is Collector's.
func (c *Counters) Collect(ch chan<- prom.Metric) {
	for _, v := range []*prom.CounterVec{c.ended, c.lost, c.abandoned} {
		v.Collect(ch)
	}
}
