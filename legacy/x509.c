#include "legacy.h"

#include <limits.h>
#include <string.h>

/* 4.0 returns its names, entries and extensions as const, 1.1.1 takes some as non-const: the casts
 * below serve both; nothing is written through them. */
static const X509_NAME *name_of(legacy_name name)
{
	if (name.cert == NULL)
		return name.own;
	return name.issuer ? X509_get_issuer_name(name.cert) : X509_get_subject_name(name.cert);
}

static int set_name(X509 *cert, int issuer, const X509_NAME *name)
{
	return (issuer ? X509_set_issuer_name(cert, (X509_NAME *)name) : X509_set_subject_name(cert, (X509_NAME *)name)) == 1;
}

/* A certificate that was loaded keeps its encoding. Some versions' setters say that it is old and some do not; this
 * call always does, whatever it returns. */
static int changed(X509 *cert, int ok)
{
	if (ok)
		(void)i2d_re_X509_tbs(cert, NULL);
	return ok;
}

legacy_queue *legacy_name_new(X509_NAME **out)
{
	legacy_begin();
	*out = X509_NAME_new();
	return legacy_end(*out != NULL);
}

/* A certificate's name is replaced, not changed in place: 4.0 hands it out const. */
legacy_queue *legacy_name_add(legacy_name name, const char *field, int utf8, const unsigned char *value, int n)
{
	int type = utf8 ? MBSTRING_UTF8 : MBSTRING_ASC, ok;
	X509_NAME *copy = NULL;

	legacy_begin();
	if (name.cert == NULL) {
		ok = X509_NAME_add_entry_by_txt(name.own, field, type, value, n, -1, 0) == 1;
	} else {
		copy = X509_NAME_dup((X509_NAME *)name_of(name));
		ok = copy != NULL && X509_NAME_add_entry_by_txt(copy, field, type, value, n, -1, 0) == 1 &&
			changed(name.cert, set_name(name.cert, name.issuer, copy));
	}
	X509_NAME_free(copy);
	return legacy_end(ok);
}

legacy_queue *legacy_name_get(legacy_name name, int nid, legacy_bytes *out, int *found)
{
	const X509_NAME *x = name_of(name);
	const X509_NAME_ENTRY *entry;
	const ASN1_STRING *value;
	int at, ok = 1;

	legacy_begin();
	at = X509_NAME_get_index_by_NID((X509_NAME *)x, nid, -1);
	*found = at >= 0;
	if (at >= 0) {
		entry = X509_NAME_get_entry((X509_NAME *)x, at);
		value = X509_NAME_ENTRY_get_data((X509_NAME_ENTRY *)entry);
		ok = value != NULL && legacy_bytes_copy(out, ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
	}
	return legacy_end(ok);
}

static int take_bio(BIO *bio, legacy_bytes *out)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);

	return n >= 0 && legacy_bytes_copy(out, p, (size_t)n);
}

legacy_queue *legacy_name_print(legacy_name name, legacy_bytes *out)
{
	BIO *bio;
	int ok;

	legacy_begin();
	bio = BIO_new(BIO_s_mem());
	ok = bio != NULL && X509_NAME_print_ex(bio, (X509_NAME *)name_of(name), 0, XN_FLAG_RFC2253) >= 0 && take_bio(bio, out);
	BIO_free(bio);
	return legacy_end(ok);
}

void legacy_name_free(X509_NAME *name)
{
	X509_NAME_free(name);
}

legacy_queue *legacy_cert_new(X509 **out)
{
	legacy_begin();
	*out = X509_new();
	return legacy_end(*out != NULL);
}

legacy_queue *legacy_cert_load(X509 **out, const void *pem, int n)
{
	legacy_password none = { NULL, 0, 0, 0 };
	BIO *bio;

	legacy_begin();
	bio = BIO_new_mem_buf(pem, n);
	*out = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, legacy_password_cb, &none);
	BIO_free(bio);
	return legacy_end(*out != NULL);
}

legacy_queue *legacy_cert_marshal(const X509 *cert, legacy_bytes *out)
{
	BIO *bio;
	int ok;

	legacy_begin();
	bio = BIO_new(BIO_s_mem());
	ok = bio != NULL && PEM_write_bio_X509(bio, (X509 *)cert) == 1 && take_bio(bio, out);
	BIO_free(bio);
	return legacy_end(ok);
}

legacy_queue *legacy_cert_set_name(X509 *cert, int issuer, legacy_name name)
{
	legacy_begin();
	return legacy_end(changed(cert, set_name(cert, issuer, name_of(name))));
}

legacy_queue *legacy_cert_set_serial(X509 *cert, const unsigned char *serial, int n)
{
	BIGNUM *bn;
	ASN1_INTEGER *integer = NULL;
	int ok;

	legacy_begin();
	bn = BN_bin2bn(serial, n, NULL);
	ok = bn != NULL && (integer = BN_to_ASN1_INTEGER(bn, NULL)) != NULL && X509_set_serialNumber(cert, integer) == 1;
	ASN1_INTEGER_free(integer);
	BN_free(bn);
	return legacy_end(changed(cert, ok));
}

legacy_queue *legacy_cert_set_time(X509 *cert, int after, int days, long seconds)
{
	ASN1_TIME *t;
	int ok;

	legacy_begin();
	t = X509_time_adj_ex(NULL, days, seconds, NULL);
	ok = t != NULL && (after ? X509_set1_notAfter(cert, t) : X509_set1_notBefore(cert, t)) == 1;
	ASN1_TIME_free(t);
	return legacy_end(changed(cert, ok));
}

legacy_queue *legacy_cert_set_key(X509 *cert, EVP_PKEY *key)
{
	legacy_begin();
	return legacy_end(changed(cert, X509_set_pubkey(cert, key) == 1));
}

legacy_queue *legacy_cert_set_version(X509 *cert, long version)
{
	legacy_begin();
	return legacy_end(changed(cert, X509_set_version(cert, version) == 1));
}

/* RFC 5280, section 4.1.2.1: a certificate with extensions is version 3 (2 on the wire). From 3.0 on X509_sign
 * sees to it; 1.1.1 left it to the caller. */
legacy_queue *legacy_cert_sign(X509 *cert, EVP_PKEY *key, const EVP_MD *md)
{
	int id = EVP_PKEY_get_base_id(key), ok = 1;

	legacy_begin();
	if (id == EVP_PKEY_ED25519 || id == EVP_PKEY_ED448)
		md = NULL;
	if (X509_get_ext_count(cert) > 0 && X509_get_version(cert) < 2)
		ok = X509_set_version(cert, 2) == 1;
	return legacy_end(ok && X509_sign(cert, key, md) > 0);
}

legacy_queue *legacy_cert_add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int ok;

	legacy_begin();
	memset(&ctx, 0, sizeof ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return legacy_end(changed(cert, ok));
}

legacy_queue *legacy_cert_add_raw_ext(X509 *cert, int nid, const unsigned char *value, int n)
{
	ASN1_OCTET_STRING *octets;
	X509_EXTENSION *ext = NULL;
	int ok;

	legacy_begin();
	octets = ASN1_OCTET_STRING_new();
	ok = octets != NULL && ASN1_OCTET_STRING_set(octets, n == 0 ? (const unsigned char *)"" : value, n) == 1 &&
		(ext = X509_EXTENSION_create_by_NID(NULL, nid, 0, octets)) != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(octets);
	return legacy_end(changed(cert, ok));
}

legacy_queue *legacy_cert_get_ext(const X509 *cert, int nid, legacy_bytes *out, int *found)
{
	const X509_EXTENSION *ext;
	const ASN1_OCTET_STRING *octets;
	int at, ok = 1;

	legacy_begin();
	at = X509_get_ext_by_NID(cert, nid, -1);
	*found = at >= 0;
	if (at >= 0) {
		ext = X509_get_ext(cert, at);
		octets = X509_EXTENSION_get_data((X509_EXTENSION *)ext);
		ok = octets != NULL && legacy_bytes_copy(out, ASN1_STRING_get0_data(octets), (size_t)ASN1_STRING_length(octets));
	}
	return legacy_end(ok);
}

legacy_queue *legacy_cert_key(X509 *cert, EVP_PKEY **out)
{
	legacy_begin();
	*out = X509_get_pubkey(cert);
	return legacy_end(*out != NULL);
}

legacy_queue *legacy_cert_serial(const X509 *cert, legacy_bytes *out)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	BIGNUM *bn;
	char *hex = NULL;
	int ok;

	legacy_begin();
	bn = serial == NULL ? NULL : ASN1_INTEGER_to_BN(serial, NULL);
	ok = bn != NULL && (hex = BN_bn2hex(bn)) != NULL && legacy_bytes_copy(out, hex, strlen(hex));
	OPENSSL_free(hex);
	BN_free(bn);
	return legacy_end(ok);
}

legacy_queue *legacy_cert_digest(const X509 *cert, const EVP_MD *md, unsigned char *out)
{
	legacy_begin();
	return legacy_end(X509_digest(cert, md, out, NULL) == 1);
}

long legacy_cert_version(const X509 *cert)
{
	return X509_get_version(cert);
}

void legacy_cert_free(X509 *cert)
{
	X509_free(cert);
}

legacy_queue *legacy_store_new(X509_STORE **out)
{
	legacy_begin();
	*out = X509_STORE_new();
	return legacy_end(*out != NULL);
}

legacy_queue *legacy_store_add(X509_STORE *store, X509 *cert)
{
	legacy_begin();
	return legacy_end(X509_STORE_add_cert(store, cert) == 1);
}

legacy_queue *legacy_store_flags(X509_STORE *store, unsigned long flags)
{
	legacy_begin();
	return legacy_end(X509_STORE_set_flags(store, flags) == 1);
}

legacy_queue *legacy_store_lookup(X509_STORE *store, X509_LOOKUP_METHOD *method, X509_LOOKUP **out)
{
	legacy_begin();
	*out = X509_STORE_add_lookup(store, method);
	return legacy_end(*out != NULL);
}

legacy_queue *legacy_lookup_crl(X509_LOOKUP *lookup, const char *file, int *n)
{
	legacy_begin();
	*n = X509_load_crl_file(lookup, file, X509_FILETYPE_PEM);
	return legacy_end(*n > 0);
}

void legacy_store_free(X509_STORE *store)
{
	X509_STORE_free(store);
}

legacy_queue *legacy_object_create(int *nid, const char *oid, const char *sn, const char *ln)
{
	legacy_begin();
	*nid = OBJ_create(oid, sn, ln);
	return legacy_end(*nid != NID_undef);
}

const char *legacy_verify_text(long code)
{
	return X509_verify_cert_error_string(code);
}
