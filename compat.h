/* What differs between the headers of OpenSSL 1.1.1 and 4.0, in one place.
 * Behaviour is decided by the library met at run time: a program built on
 * 3.0's headers may meet any libssl.so.3. */
#ifndef GOSSL_COMPAT_H
#define GOSSL_COMPAT_H

#include <openssl/opensslv.h>

#if defined(LIBRESSL_VERSION_NUMBER)
#error "github.com/golibssl/openssl needs OpenSSL 1.1.1 or later; these headers are LibreSSL's"
#elif defined(OPENSSL_IS_BORINGSSL)
#error "github.com/golibssl/openssl needs OpenSSL 1.1.1 or later; these headers are BoringSSL's"
#elif !defined(OPENSSL_VERSION_NUMBER) || OPENSSL_VERSION_NUMBER < 0x10101000L
#error "github.com/golibssl/openssl needs OpenSSL 1.1.1 or later"
#endif

#include <openssl/ssl.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* BoringSSL defines OPENSSL_IS_BORINGSSL in a header that opensslv.h may not reach. */
#if defined(OPENSSL_IS_BORINGSSL)
#error "github.com/golibssl/openssl needs OpenSSL 1.1.1 or later; these headers are BoringSSL's"
#endif

#define GOSSL_MT_COMPRESSED_CERTIFICATE 25 /* RFC 8879; SSL3_MT_ from 3.2 on */
#define GOSSL_EXT_COMPRESS 27 /* TLSEXT_TYPE_compress_certificate */
#define GOSSL_OP_NO_TX_COMPRESSION ((uint64_t)1 << 32) /* SSL_OP_NO_TX_CERTIFICATE_COMPRESSION */

#define GOSSL_3 (OPENSSL_VERSION_NUMBER >= 0x30000000L)

/* 3.0 gave the option its bit; on 1.1.1 it has no effect. */
#ifndef SSL_OP_IGNORE_UNEXPECTED_EOF
#define SSL_OP_IGNORE_UNEXPECTED_EOF 0x80
#endif

#if GOSSL_3
#define gossl_peer_certificate(ssl) SSL_get1_peer_certificate(ssl)
#define gossl_err_get(data, flags) ERR_get_error_all(NULL, NULL, NULL, (data), (flags))
#define gossl_negotiated_group(ssl) ((int)SSL_get_negotiated_group((SSL *)(ssl)))
#else
#define gossl_peer_certificate(ssl) SSL_get_peer_certificate(ssl)
#define gossl_err_get(data, flags) ERR_get_error_line_data(NULL, NULL, (data), (flags))
#define gossl_negotiated_group(ssl) 0
#endif

#if OPENSSL_VERSION_NUMBER >= 0x30300000L
#define gossl_session_time(s) ((long long)SSL_SESSION_get_time_ex(s))
#define gossl_session_set_time(s, t) ((void)SSL_SESSION_set_time_ex((s), (time_t)(t)))
#define gossl_flush_sessions(c, t) SSL_CTX_flush_sessions_ex((c), (time_t)(t))
#else
#define gossl_session_time(s) ((long long)SSL_SESSION_get_time(s))
#define gossl_session_set_time(s, t) ((void)SSL_SESSION_set_time((s), (long)(t)))
#define gossl_flush_sessions(c, t) SSL_CTX_flush_sessions((c), (long)(t))
#endif

#endif
