package otel_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/internal/leak"
	"github.com/golibssl/openssl/internal/testcert"
	"github.com/golibssl/openssl/metrics/internal/scene"
	"github.com/golibssl/openssl/metrics/otel"
)

func TestMain(m *testing.M) {
	leak.Main(m, func() error {
		if live := openssl.LiveObjects(); live != (openssl.Live{}) {
			return fmt.Errorf("still alive: %+v", live)
		}
		return nil
	})
}

// TestCounters: what OpenTelemetry's own reader collects after five known ends.
func TestCounters(t *testing.T) {
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	counters, err := otel.New(provider.Meter("test"), attribute.String("listener", "one"))
	if err != nil {
		t.Fatal(err)
	}
	cert := testcert.Server()
	scene.Play(t, counters.OnEnd, cert.ChainPEM, cert.KeyPEM)

	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok || !sum.IsMonotonic || m.Description == "" || m.Unit != "{connection}" {
				t.Errorf("%s is %T in %q: %q", m.Name, m.Data, m.Unit, m.Description)
			}
			for _, p := range sum.DataPoints {
				kind, _ := p.Attributes.Value(otel.Kind)
				if listener, _ := p.Attributes.Value("listener"); listener.AsString() != "one" {
					t.Errorf("%s has attributes %v", m.Name, p.Attributes.ToSlice())
				}
				got[m.Name+" "+kind.AsString()] = p.Value
			}
		}
	}
	want := map[string]int64{}
	for _, kind := range openssl.EndKinds() {
		for _, counter := range []string{"openssl.connections.ended ", "openssl.sessions.lost ", "openssl.connections.abandoned "} {
			want[counter+string(kind)] = 0
		}
	}
	maps.Copy(want, map[string]int64{
		"openssl.connections.ended clean": 2, "openssl.connections.ended truncated": 1, "openssl.connections.ended handshake": 1,
		"openssl.connections.ended silent": 1, "openssl.sessions.lost truncated": 1, "openssl.sessions.lost silent": 1,
		"openssl.connections.abandoned silent": 1,
	})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("counters (-want +got):\n%s", d)
	}
}

func TestNilMeter(t *testing.T) {
	if c, err := otel.New(nil); err == nil || c != nil {
		t.Errorf("New(nil) = %v, %v", c, err)
	}
}
