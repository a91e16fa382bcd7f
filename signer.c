#include "libssl.h"

#include <openssl/async.h>
#include <string.h>

/* Keys whose private half is Go's. A provider of our own, in a library context of its own so that nobody
 * fetches from it by chance, has their public half; its signature pauses the ASYNC job that the handshake
 * runs in, and Go answers before the next call. A job must go on in the thread that began it: up to its end
 * it jumps back through that thread's context. */

#if GOSSL_3
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <pthread.h>

typedef struct {
    EVP_PKEY *pub;
    uint64_t id;
} go_key;

typedef struct {
    go_key *key;
    char md[32];
    int pss;
    char salt[16];
} go_signature;

static __thread gossl_ssl *running;
static void clear_request(gossl_sign *s);

void gossl_signing(gossl_ssl *g) { running = g; }

/* ---- key management ---- */

static void *key_new(void *prov)
{
    go_key *k = gossl_alloc(sizeof *k);
    (void)prov;
    if (k != NULL)
        memset(k, 0, sizeof *k);
    return k;
}

static void key_free(void *data)
{
    go_key *k = data;
    if (k != NULL)
        EVP_PKEY_free(k->pub);
    gossl_release(k);
}

static int key_has(const void *data, int selection)
{
    (void)selection;
    return data != NULL && ((const go_key *)data)->pub != NULL;
}

static int key_match(const void *a, const void *b, int selection)
{
    (void)selection;
    return EVP_PKEY_eq(((const go_key *)a)->pub, ((const go_key *)b)->pub) == 1;
}

static int key_import(void *data, int selection, const OSSL_PARAM params[])
{
    go_key *k = data;
    const OSSL_PARAM *spki = OSSL_PARAM_locate_const(params, "go-spki"), *id = OSSL_PARAM_locate_const(params, "go-id");
    const unsigned char *p;
    (void)selection;
    if (spki == NULL || id == NULL || k->pub != NULL || !OSSL_PARAM_get_uint64(id, &k->id))
        return 0;
    p = spki->data;
    k->pub = d2i_PUBKEY(NULL, &p, (long)spki->data_size);
    return k->pub != NULL && p == (unsigned char *)spki->data + spki->data_size;
}

static const OSSL_PARAM import_types[] = {OSSL_PARAM_octet_string("go-spki", NULL, 0), OSSL_PARAM_uint64("go-id", NULL), OSSL_PARAM_END};

static const OSSL_PARAM *key_import_types(int selection)
{
    (void)selection;
    return import_types;
}

/* The public half may go to another provider, to be compared with a certificate's. */
static int key_export(void *data, int selection, OSSL_CALLBACK *cb, void *arg)
{
    if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
        return 0;
    return EVP_PKEY_export(((go_key *)data)->pub, selection, cb, arg);
}

static const OSSL_PARAM export_types[] = {OSSL_PARAM_END};

static const OSSL_PARAM *key_export_types(int selection)
{
    (void)selection;
    return export_types;
}

static int key_get_params(void *data, OSSL_PARAM params[]) { return EVP_PKEY_get_params(((go_key *)data)->pub, params); }

static const OSSL_PARAM *key_gettable(void *prov)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
        OSSL_PARAM_END};
    (void)prov;
    return types;
}

static const char *ecdsa_name(int operation)
{
    (void)operation;
    return "ECDSA";
}

#define KEY_FUNCTIONS                                                                                                              \
    {OSSL_FUNC_KEYMGMT_NEW, (void (*)(void))key_new}, {OSSL_FUNC_KEYMGMT_FREE, (void (*)(void))key_free},                          \
        {OSSL_FUNC_KEYMGMT_HAS, (void (*)(void))key_has}, {OSSL_FUNC_KEYMGMT_MATCH, (void (*)(void))key_match},                    \
        {OSSL_FUNC_KEYMGMT_IMPORT, (void (*)(void))key_import},                                                                    \
        {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (void (*)(void))key_import_types},                                                        \
        {OSSL_FUNC_KEYMGMT_EXPORT, (void (*)(void))key_export},                                                                    \
        {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (void (*)(void))key_export_types},                                                        \
        {OSSL_FUNC_KEYMGMT_GET_PARAMS, (void (*)(void))key_get_params},                                                            \
        {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (void (*)(void))key_gettable}

static const OSSL_DISPATCH key_functions[] = {KEY_FUNCTIONS, {0, NULL}};
static const OSSL_DISPATCH ec_key_functions[] = {
    KEY_FUNCTIONS, {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (void (*)(void))ecdsa_name}, {0, NULL}};

/* ---- signatures ---- */

static void *sign_new(void *prov, const char *properties)
{
    go_signature *s = gossl_alloc(sizeof *s);
    (void)prov;
    (void)properties;
    if (s != NULL)
        memset(s, 0, sizeof *s);
    return s;
}

static void sign_free(void *ctx) { gossl_release(ctx); }

static void *sign_dup(void *ctx)
{
    go_signature *s = gossl_alloc(sizeof *s);
    if (s != NULL)
        *s = *(go_signature *)ctx;
    return s;
}

static int take_text(const OSSL_PARAM *p, char *out, size_t n)
{
    long long number;
    if (p->data_type == OSSL_PARAM_UTF8_STRING)
        return OSSL_PARAM_get_utf8_string(p, &out, n);
    return OSSL_PARAM_get_int64(p, (int64_t *)&number) && snprintf(out, n, "%lld", number) > 0;
}

static int sign_set_params(void *ctx, const OSSL_PARAM params[])
{
    go_signature *s = ctx;
    const OSSL_PARAM *p;
    char pad[16];
    if (params == NULL)
        return 1;
    if ((p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE)) != NULL) {
        if (!take_text(p, pad, sizeof pad))
            return 0;
        s->pss = strcmp(pad, "pss") == 0 || strcmp(pad, "6") == 0; /* RSA_PKCS1_PSS_PADDING */
        if (!s->pss && strcmp(pad, "pkcs1") != 0 && strcmp(pad, "1") != 0)
            return 0;
    }
    if ((p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN)) != NULL) {
        /* RFC 8446, 4.2.3: the salt is as long as the digest. */
        if (!take_text(p, s->salt, sizeof s->salt) || (strcmp(s->salt, "digest") != 0 && strcmp(s->salt, "-1") != 0))
            return 0;
    }
    return 1;
}

static const OSSL_PARAM *sign_settable(void *ctx, void *prov)
{
    static const OSSL_PARAM types[] = {OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
                                       OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0), OSSL_PARAM_END};
    (void)ctx;
    (void)prov;
    return types;
}

static int sign_init(void *ctx, const char *md, void *key, const OSSL_PARAM params[])
{
    go_signature *s = ctx;
    if (key != NULL)
        s->key = key;
    s->md[0] = 0;
    if (md != NULL) {
        if (strlen(md) >= sizeof s->md)
            return 0;
        strcpy(s->md, md);
    }
    return s->key != NULL && sign_set_params(s, params);
}

static int sign(void *ctx, unsigned char *sig, size_t *len, size_t size, const unsigned char *tbs, size_t n)
{
    go_signature *s = ctx;
    gossl_ssl *g = running; /* before the pause: after it the thread may be another */
    gossl_sign *ask;
    int ok;

    if (sig == NULL) {
        *len = (size_t)EVP_PKEY_get_size(s->key->pub);
        return 1;
    }
    if (g == NULL || (ask = g->sign) == NULL || ASYNC_get_current_job() == NULL || (ask->tbs = gossl_alloc(n ? n : 1)) == NULL)
        return 0;
    memcpy(ask->tbs, tbs, n);
    ask->tbs_len = n;
    ask->key = s->key->id;
    ask->pss = s->pss;
    memcpy(ask->md, s->md, sizeof ask->md);
    ask->state = GOSSL_SIGN_ASK;
    ERR_clear_error(); /* SSL_get_error would take what was tried in vain for the handshake's failure */
    while (ask->state == GOSSL_SIGN_ASK)
        if (!ASYNC_pause_job())
            ask->state = GOSSL_SIGN_REFUSED;
    ok = ask->state == GOSSL_SIGN_ANSWERED && ask->sig_len > 0 && ask->sig_len <= size;
    if (ok) {
        memcpy(sig, ask->sig, ask->sig_len);
        *len = ask->sig_len;
    }
    clear_request(ask);
    return ok;
}

static const OSSL_DISPATCH sign_functions[] = {{OSSL_FUNC_SIGNATURE_NEWCTX, (void (*)(void))sign_new},
                                               {OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))sign_free},
                                               {OSSL_FUNC_SIGNATURE_DUPCTX, (void (*)(void))sign_dup},
                                               {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (void (*)(void))sign_init},
                                               {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (void (*)(void))sign},
                                               {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (void (*)(void))sign_set_params},
                                               {OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, (void (*)(void))sign_settable},
                                               {0, NULL}};

/* ---- the provider ---- */

static const OSSL_ALGORITHM key_types[] = {{"RSA:rsaEncryption", "provider=go", key_functions, NULL},
                                           {"EC:id-ecPublicKey", "provider=go", ec_key_functions, NULL},
                                           {"ED25519", "provider=go", key_functions, NULL},
                                           {NULL, NULL, NULL, NULL}};
static const OSSL_ALGORITHM signatures[] = {{"RSA:rsaEncryption", "provider=go", sign_functions, NULL},
                                            {"ECDSA", "provider=go", sign_functions, NULL},
                                            {"ED25519", "provider=go", sign_functions, NULL},
                                            {NULL, NULL, NULL, NULL}};

static const OSSL_ALGORITHM *query(void *prov, int operation, int *no_cache)
{
    (void)prov;
    *no_cache = 0;
    return operation == OSSL_OP_KEYMGMT ? key_types : operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static const OSSL_DISPATCH provider_functions[] = {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query}, {0, NULL}};

static int provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **ctx)
{
    (void)in;
    *out = provider_functions;
    *ctx = (void *)core;
    return 1;
}

static OSSL_LIB_CTX *library;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_once(void)
{
    if (!ASYNC_is_capable() || (library = OSSL_LIB_CTX_new()) == NULL)
        return;
    if (!OSSL_PROVIDER_add_builtin(library, "go", provider_init) || OSSL_PROVIDER_load(library, "go") == NULL) {
        OSSL_LIB_CTX_free(library);
        library = NULL;
    }
}

EVP_PKEY *gossl_signer_key(const unsigned char *spki, size_t n, uint64_t id)
{
    OSSL_PARAM params[3];
    const unsigned char *p = spki;
    EVP_PKEY *pub, *key = NULL;
    EVP_PKEY_CTX *c;
    const char *type;

    pthread_once(&once, init_once);
    if (library == NULL || (pub = d2i_PUBKEY(NULL, &p, (long)n)) == NULL)
        return NULL;
    type = EVP_PKEY_is_a(pub, "RSA") ? "RSA" : EVP_PKEY_is_a(pub, "EC") ? "EC" : "ED25519";
    EVP_PKEY_free(pub);
    params[0] = OSSL_PARAM_construct_octet_string("go-spki", (void *)spki, n);
    params[1] = OSSL_PARAM_construct_uint64("go-id", &id);
    params[2] = OSSL_PARAM_construct_end();
    c = EVP_PKEY_CTX_new_from_name(library, type, NULL);
    if (c == NULL || EVP_PKEY_fromdata_init(c) <= 0 || EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, params) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(c);
    return key;
}

int gossl_can_sign(void)
{
    pthread_once(&once, init_once);
    return library != NULL;
}

/* Whether libssl, which fetches by properties, lets the key sign. Nothing is signed. */
int gossl_sign_allowed(gossl_cert *k, const char *properties)
{
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    int ok;
    ERR_clear_error();
    ok = m != NULL && EVP_DigestSignInit_ex(m, NULL, EVP_PKEY_is_a(k->key, "ED25519") ? NULL : "SHA256", NULL, properties, k->key, NULL) == 1;
    EVP_MD_CTX_free(m);
    ERR_clear_error();
    return ok;
}

#else

void gossl_signing(gossl_ssl *g) { (void)g; }
int gossl_can_sign(void) { return 0; }
int gossl_sign_allowed(gossl_cert *k, const char *properties)
{
    (void)k;
    (void)properties;
    return 0;
}
EVP_PKEY *gossl_signer_key(const unsigned char *spki, size_t n, uint64_t id)
{
    (void)spki;
    (void)n;
    (void)id;
    return NULL;
}

#endif

/* ---- the suspended signature ---- */

static void clear_request(gossl_sign *s)
{
    gossl_release(s->tbs);
    gossl_release(s->sig);
    s->tbs = s->sig = NULL;
    s->tbs_len = s->sig_len = 0;
    s->state = GOSSL_SIGN_NONE;
}

int gossl_sign_enable(gossl_ssl *g, int worker)
{
    if (g->sign != NULL)
        return 1;
    if (!gossl_can_sign() || (g->sign = gossl_alloc(sizeof *g->sign)) == NULL)
        return 0;
    memset(g->sign, 0, sizeof *g->sign);
    g->sign->worker = worker;
    SSL_set_mode(g->ssl, SSL_MODE_ASYNC);
    return 1;
}

/* A NULL sig refuses. */
void gossl_sign_answer(gossl_ssl *g, const unsigned char *sig, size_t n)
{
    if (g->sign == NULL || g->sign->state != GOSSL_SIGN_ASK)
        return;
    g->sign->state = GOSSL_SIGN_REFUSED;
    if (n > 0 && (g->sign->sig = gossl_alloc(n)) != NULL) {
        memcpy(g->sign->sig, sig, n);
        g->sign->sig_len = n;
        g->sign->state = GOSSL_SIGN_ANSWERED;
    }
}

/* After the handshake, or before SSL_free: libssl would leak a job that is paused. */
void gossl_sign_end(gossl_ssl *g)
{
    if (g->sign == NULL)
        return;
    if (g->sign->state != GOSSL_SIGN_NONE) {
        g->sign->state = GOSSL_SIGN_REFUSED;
        SSL_do_handshake(g->ssl);
        ERR_clear_error();
    }
    SSL_clear_mode(g->ssl, SSL_MODE_ASYNC);
    clear_request(g->sign);
    gossl_release(g->sign);
    g->sign = NULL;
}

gossl_cert *gossl_cert_signer(const unsigned char *certs, const size_t *lens, size_t n, const unsigned char *spki, size_t spki_len,
                              uint64_t id, gossl_errors **errs)
{
    EVP_PKEY *key;
    ERR_clear_error();
    *errs = NULL;
    if ((key = gossl_signer_key(spki, spki_len, id)) == NULL) {
        *errs = gossl_take_errors();
        return NULL;
    }
    return gossl_cert_with(certs, lens, n, key, errs);
}
