package prometheus_test

import (
	"fmt"
	"strings"
	"testing"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/leak"
	"github.com/golibssl/openssl/internal/testcert"
	"github.com/golibssl/openssl/metrics/internal/scene"
	"github.com/golibssl/openssl/metrics/prometheus"
)

func TestMain(m *testing.M) {
	leak.Main(m, func() error {
		if live := openssl.LiveObjects(); live != (openssl.Live{}) {
			return fmt.Errorf("still alive: %+v", live)
		}
		return nil
	})
}

const want = `
# HELP openssl_connections_abandoned_total TLS connections that were dropped without Close, by kind.
# TYPE openssl_connections_abandoned_total counter
openssl_connections_abandoned_total{kind="alert_received",listener="one"} 0
openssl_connections_abandoned_total{kind="alert_sent",listener="one"} 0
openssl_connections_abandoned_total{kind="clean",listener="one"} 0
openssl_connections_abandoned_total{kind="failed",listener="one"} 0
openssl_connections_abandoned_total{kind="handshake",listener="one"} 0
openssl_connections_abandoned_total{kind="received",listener="one"} 0
openssl_connections_abandoned_total{kind="sent",listener="one"} 0
openssl_connections_abandoned_total{kind="silent",listener="one"} 1
openssl_connections_abandoned_total{kind="truncated",listener="one"} 0
# HELP openssl_connections_ended_total TLS connections that ended, by kind.
# TYPE openssl_connections_ended_total counter
openssl_connections_ended_total{kind="alert_received",listener="one"} 0
openssl_connections_ended_total{kind="alert_sent",listener="one"} 0
openssl_connections_ended_total{kind="clean",listener="one"} 2
openssl_connections_ended_total{kind="failed",listener="one"} 0
openssl_connections_ended_total{kind="handshake",listener="one"} 1
openssl_connections_ended_total{kind="received",listener="one"} 0
openssl_connections_ended_total{kind="sent",listener="one"} 0
openssl_connections_ended_total{kind="silent",listener="one"} 1
openssl_connections_ended_total{kind="truncated",listener="one"} 1
# HELP openssl_sessions_lost_total TLS connections whose end cost their sessions, by kind.
# TYPE openssl_sessions_lost_total counter
openssl_sessions_lost_total{kind="alert_received",listener="one"} 0
openssl_sessions_lost_total{kind="alert_sent",listener="one"} 0
openssl_sessions_lost_total{kind="clean",listener="one"} 0
openssl_sessions_lost_total{kind="failed",listener="one"} 0
openssl_sessions_lost_total{kind="handshake",listener="one"} 0
openssl_sessions_lost_total{kind="received",listener="one"} 0
openssl_sessions_lost_total{kind="sent",listener="one"} 0
openssl_sessions_lost_total{kind="silent",listener="one"} 1
openssl_sessions_lost_total{kind="truncated",listener="one"} 1
`

// TestCounters: what a registry of Prometheus's exposes after five known ends.
func TestCounters(t *testing.T) {
	counters := prometheus.New(prom.Labels{"listener": "one"})
	registry := prom.NewPedanticRegistry()
	if err := registry.Register(counters); err != nil {
		t.Fatal(err)
	}
	cert := testcert.Server()
	scene.Play(t, counters.OnEnd, cert.ChainPEM, cert.KeyPEM)
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// TestTwoListeners share a registry.
func TestTwoListeners(t *testing.T) {
	registry := prom.NewPedanticRegistry()
	for _, name := range []string{"one", "two"} {
		if err := registry.Register(prometheus.New(prom.Labels{"listener": name})); err != nil {
			t.Error(err)
		}
	}
	if err := registry.Register(prometheus.New(prom.Labels{"listener": "one"})); err == nil {
		t.Error("the same labels were registered twice")
	}
}
