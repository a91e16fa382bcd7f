package main

import (
	"slices"
	"time"

	"golang.org/x/perf/benchmath"
	"golang.org/x/sys/unix"
)

type result struct {
	ours, theirs     float64 // medians
	ratio, low, high float64 // the median of the pairs' ratios, and its quartiles
	p                float64 // Mann-Whitney's, that both sides are the same
}

// measure runs the two sides in turns. The first pair warms up and does not count.
func measure(c comparison, p plan) (result, error) {
	var ours, theirs, ratios []float64
	for i := range p.pairs + 1 {
		d := p.sample
		if i == 0 {
			d /= 4
		}
		a, err := c.ours(d)
		if err != nil {
			return result{}, err
		}
		b, err := c.theirs(d)
		if err != nil {
			return result{}, err
		}
		if i > 0 {
			ours, theirs, ratios = append(ours, a), append(theirs, b), append(ratios, a/b)
		}
	}
	compared := benchmath.AssumeNothing.Compare(
		benchmath.NewSample(ours, &benchmath.DefaultThresholds),
		benchmath.NewSample(theirs, &benchmath.DefaultThresholds))
	slices.Sort(ours)
	slices.Sort(theirs)
	slices.Sort(ratios)
	n := len(ratios)
	return result{ours[n/2], theirs[n/2], ratios[n/2], ratios[n/4], ratios[n-1-n/4], compared.P}, nil
}

// repeat calls f for d and returns the calls in a second.
func repeat(d time.Duration, f func() error) (float64, error) { return repeatBy(sinceStart, d, f) }

// repeatCPU is repeat on the processor's time of this process, for work on one thread: what else runs on the machine
// does not count, and the garbage collector does.
func repeatCPU(d time.Duration, f func() error) (float64, error) { return repeatBy(cpuTime, d, f) }

func repeatBy(clock func() time.Duration, d time.Duration, f func() error) (float64, error) {
	n := 0
	began := clock()
	for {
		for range 8 {
			if err := f(); err != nil {
				return 0, err
			}
			n++
		}
		if took := clock() - began; took >= d {
			return float64(n) / took.Seconds(), nil
		}
	}
}

var start = time.Now()

func sinceStart() time.Duration { return time.Since(start) }

func cpuTime() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}
