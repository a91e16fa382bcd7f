// Package otel counts how connections end, by OpenTelemetry's metrics API.
package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/golibssl/openssl"
)

// Names of the counters and of the attribute.
const (
	Ended     = "openssl.connections.ended"     // by kind
	Lost      = "openssl.sessions.lost"         // ended connections whose sessions cannot be resumed
	Abandoned = "openssl.connections.abandoned" // dropped without Close
	Kind      = "openssl.end.kind"              // an openssl.EndKind
)

// Counters count ends. Any number of goroutines may use them, and any number of Ctx.
type Counters struct {
	ended, lost, abandoned metric.Int64Counter
	kinds                  map[openssl.EndKind]metric.AddOption
}

// New makes the counters of a meter. Extra attributes, such as a listener's name, are put on all of them.
func New(meter metric.Meter, extra ...attribute.KeyValue) (*Counters, error) {
	if meter == nil {
		return nil, errors.New("otel: nil meter")
	}
	ended, err1 := meter.Int64Counter(Ended, metric.WithUnit("{connection}"),
		metric.WithDescription("TLS connections that ended, by kind"))
	lost, err2 := meter.Int64Counter(Lost, metric.WithUnit("{connection}"),
		metric.WithDescription("TLS connections whose end cost their sessions"))
	abandoned, err3 := meter.Int64Counter(Abandoned, metric.WithUnit("{connection}"),
		metric.WithDescription("TLS connections that were dropped without Close"))
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	c := &Counters{ended, lost, abandoned, map[openssl.EndKind]metric.AddOption{}}
	for _, kind := range openssl.EndKinds() {
		all := append([]attribute.KeyValue{attribute.String(Kind, string(kind))}, extra...)
		c.kinds[kind] = metric.WithAttributeSet(attribute.NewSet(all...))
	}
	// Zeroes make rates right from the first end on.
	for _, kind := range c.kinds {
		for _, counter := range []metric.Int64Counter{ended, lost, abandoned} {
			counter.Add(context.Background(), 0, kind)
		}
	}
	return c, nil
}

// OnEnd counts an end; it is what Config.OnEnd wants.
func (c *Counters) OnEnd(e openssl.End) {
	ctx, kind := context.Background(), c.kinds[e.Kind()]
	c.ended.Add(ctx, 1, kind)
	if e.SessionLost() {
		c.lost.Add(ctx, 1, kind)
	}
	if e.Abandoned {
		c.abandoned.Add(ctx, 1, kind)
	}
}
