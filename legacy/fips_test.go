package openssl

import "testing"

func TestFIPSModeSet(t *testing.T) {
	if !rerun(t, "") {
		return
	}
	if err := FIPSModeSet(false); err != nil {
		t.Errorf("off: %v", err)
	}
	if FIPSMode() {
		t.Error("it is on after it was set off")
	}
	key := must(GenerateECKey(Prime256v1))
	if err := FIPSModeSet(true); err != nil {
		// No FIPS provider is installed, or none is configured: then nothing may have changed.
		t.Logf("not here: %v", err)
		wantError(t, err)
		if FIPSMode() {
			t.Error("FIPSModeSet fails and it is on")
		}
		if _, err := MD5([]byte("x")); err != nil {
			t.Errorf("FIPSModeSet fails and MD5 is gone: %v", err)
		}
		return
	}
	t.Log("FIPS mode is on")
	if !FIPSMode() || !FIPSModeDefined() {
		t.Error("FIPSModeSet succeeds and it is off")
	}
	if _, err := MD5([]byte("x")); err == nil {
		t.Error("MD5 works in FIPS mode")
	}
	if _, err := SHA256([]byte("x")); err != nil {
		t.Errorf("SHA-256: %v", err)
	}
	if _, err := LoadPrivateKeyFromPEM(must(key.MarshalPKCS1PrivateKeyPEM())); err != nil {
		t.Errorf("keys cannot be written and read: %v", err)
	}
	if err := FIPSModeSet(false); err != nil {
		t.Error(err)
	}
	if _, err := MD5([]byte("x")); err != nil {
		t.Errorf("after FIPS mode: %v", err)
	}
}

func TestHasECDH(t *testing.T) {
	if _, err := GenerateECKey(Prime256v1); HasECDH() != (err == nil) {
		t.Errorf("HasECDH = %v and a curve's key: %v", HasECDH(), err)
	}
}

func TestVersion(t *testing.T) {
	if VersionNumber < 0x10101000 || BuildVersion == "" {
		t.Errorf("version %#x, built with %q", VersionNumber, BuildVersion)
	}
}
