package leak

import "time"

// SetSettle shortens the wait for the tests of Main.
func SetSettle(d time.Duration) { settle = d }
