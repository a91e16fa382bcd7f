package record_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/golibssl/openssl/internal/record"
)

const printAlertNames = `
#include <openssl/ssl.h>
#include <stdio.h>
int main(void)
{
	for (int i = 0; i < 256; i++)
		printf("%d %s\n", i, SSL_alert_desc_string_long(i));
	return 0;
}
`

// TestAlertNamesAreLibssl asks the installed libssl for all 256 names.
func TestAlertNamesAreLibssl(t *testing.T) {
	dir := t.TempDir()
	source, program := filepath.Join(dir, "names.c"), filepath.Join(dir, "names")
	if err := os.WriteFile(source, []byte(printAlertNames), 0o600); err != nil {
		t.Fatal(err)
	}
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "libssl").Output()
	if err != nil {
		t.Fatalf("pkg-config: %v", err)
	}
	compiler := strings.Fields(os.Getenv("CC"))
	if len(compiler) == 0 {
		compiler = []string{"gcc"}
	}
	args := append(compiler[1:], "-o", program, source)
	args = append(args, strings.Fields(string(flags))...)
	if out, err := exec.Command(compiler[0], args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", compiler[0], err, out)
	}
	out, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}

	var libssl, ours []string
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		number, name, _ := strings.Cut(line, " ")
		libssl = append(libssl, number+" "+strings.ReplaceAll(name, " ", "_"))
	}
	if libssl[121] == "121 unknown" { // OpenSSL 4.0 named it
		libssl[121] = "121 ECH_required"
	}
	for i := range 256 {
		ours = append(ours, fmt.Sprintf("%d %s", i, record.AlertName(uint8(i))))
	}
	if diff := cmp.Diff(libssl, ours); diff != "" {
		t.Errorf("names (-libssl +ours):\n%s", diff)
	}
}
