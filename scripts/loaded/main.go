// Command loaded prints which libssl a program of this module has loaded.
package main

import (
	"fmt"

	"github.com/golibssl/openssl"
)

func main() {
	fmt.Println(openssl.LibraryVersion())
}
