// Package chaos breaks connections at random, by a seed, and holds what their ends tell to what is
// promised: data comes unchanged or not at all, a truncated stream never ends clean, every error is
// one of the documented ones, the session lives exactly when the policy says so, and nobody waits
// for ever. The tests are the package; it has no other code.
package chaos
