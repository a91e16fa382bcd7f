//go:build cgo

package openssl

import "fmt"

// Alert is the description of a TLS alert (RFC 8446, section 6).
type Alert uint8

// The alert that ends one direction of a connection.
const AlertCloseNotify Alert = 0

var alertNames = map[Alert]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
	30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate",
	43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
	47: "illegal_parameter", 48: "unknown_CA", 49: "access_denied", 50: "decode_error", 51: "decrypt_error",
	60: "export_restriction", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
	86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation", 109: "missing_extension",
	110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
	113: "bad_certificate_status_response", 114: "bad_certificate_hash_value", 115: "unknown_PSK_identity",
	116: "certificate_required", 120: "no_application_protocol",
	121: "ECH_required",
}

// String is OpenSSL's long name with underscores, such as decode_error.
//
// OpenSSL: SSL_alert_desc_string_long(3).
func (a Alert) String() string {
	if s, ok := alertNames[a]; ok {
		return s
	}
	return fmt.Sprintf("alert_%d", uint8(a))
}

// AlertError is a fatal alert. An Error that an alert caused unwraps to it.
type AlertError struct {
	Alert    Alert
	FromPeer bool // false: we sent it
}

func (e *AlertError) Error() string {
	if e.FromPeer {
		return "the peer sent a fatal alert: " + e.Alert.String()
	}
	return "sent a fatal alert: " + e.Alert.String()
}
