package record

// Alert levels (RFC 8446, section 6).
const (
	Warning = 1
	Fatal   = 2
)

// alertNames holds SSL_alert_desc_string_long's texts with underscores for
// spaces. The alerts of TLS 1.3 that libssl does not name, missing_extension
// (109) and certificate_required (116), are unknown here as well.
var alertNames = map[uint8]string{
	0:   "close_notify",
	10:  "unexpected_message",
	20:  "bad_record_mac",
	21:  "decryption_failed",
	22:  "record_overflow",
	30:  "decompression_failure",
	40:  "handshake_failure",
	41:  "no_certificate",
	42:  "bad_certificate",
	43:  "unsupported_certificate",
	44:  "certificate_revoked",
	45:  "certificate_expired",
	46:  "certificate_unknown",
	47:  "illegal_parameter",
	48:  "unknown_CA",
	49:  "access_denied",
	50:  "decode_error",
	51:  "decrypt_error",
	60:  "export_restriction",
	70:  "protocol_version",
	71:  "insufficient_security",
	80:  "internal_error",
	90:  "user_canceled",
	100: "no_renegotiation",
	110: "unsupported_extension",
	111: "certificate_unobtainable",
	112: "unrecognized_name",
	113: "bad_certificate_status_response",
	114: "bad_certificate_hash_value",
	115: "unknown_PSK_identity",
	120: "no_application_protocol",
	121: "ECH_required",
}

// AlertName returns OpenSSL's long name of an alert with underscores for
// spaces, "unknown" for those that OpenSSL does not name.
//
// OpenSSL: SSL_alert_desc_string_long(3).
func AlertName(description uint8) string {
	if name, ok := alertNames[description]; ok {
		return name
	}
	return "unknown"
}

// PlainAlert returns the level and description of an alert that was sent in
// the clear; ok is false for any other record, an encrypted alert included.
func (r Record) PlainAlert() (level, description uint8, ok bool) {
	if r.Type != Alert || len(r.Body) != 2 {
		return 0, 0, false
	}
	return r.Body[0], r.Body[1], true
}
