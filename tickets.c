#include "libssl.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#if GOSSL_3
#include <openssl/core_names.h>
#else
#include <openssl/hmac.h>
#endif

/* The keys of stateless tickets. The Go side has put them here before the callback asks: it does no
 * I/O and calls nobody. */
struct gossl_tickets {
    pthread_rwlock_t lock; /* guards keys and n */
    gossl_ticket_key *keys;
    size_t n;
    int refs;
    uint64_t counters[GOSSL_TICKET_COUNTERS];
};

static int tickets_index = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

gossl_tickets *gossl_tickets_new(void)
{
    gossl_tickets *t = gossl_alloc(sizeof *t);
    if (t == NULL)
        return NULL;
    memset(t, 0, sizeof *t);
    t->refs = 1;
    pthread_rwlock_init(&t->lock, NULL);
    return t;
}

static void free_keys(gossl_ticket_key *keys, size_t n)
{
    if (keys != NULL)
        OPENSSL_cleanse(keys, n * sizeof *keys);
    gossl_release(keys);
}

void gossl_tickets_free(gossl_tickets *t)
{
    if (t == NULL || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    pthread_rwlock_destroy(&t->lock);
    free_keys(t->keys, t->n);
    gossl_release(t);
}

int gossl_tickets_set(gossl_tickets *t, const gossl_ticket_key *keys, size_t n)
{
    gossl_ticket_key *copy = gossl_alloc(n * sizeof *copy), *old;
    size_t old_n;
    if (copy == NULL)
        return 0;
    memcpy(copy, keys, n * sizeof *copy);
    pthread_rwlock_wrlock(&t->lock);
    old = t->keys;
    old_n = t->n;
    t->keys = copy;
    t->n = n;
    pthread_rwlock_unlock(&t->lock);
    free_keys(old, old_n);
    return 1;
}

uint64_t gossl_tickets_counter(gossl_tickets *t, int which)
{
    return __atomic_load_n(&t->counters[which], __ATOMIC_RELAXED);
}

static void count(gossl_tickets *t, int which) { __atomic_add_fetch(&t->counters[which], 1, __ATOMIC_RELAXED); }

/* The key that encrypts now: the one that began last. Before all have begun it is the first, for
 * without a ticket a TLS 1.3 NewSessionTicket cannot be written. */
static const gossl_ticket_key *current_key(const gossl_tickets *t, int64_t now)
{
    const gossl_ticket_key *best = NULL;
    size_t i;
    for (i = 0; i < t->n; i++) {
        const gossl_ticket_key *k = &t->keys[i];
        if (best == NULL || (k->from <= now ? best->from > now || k->from > best->from
                                            : best->from > now && k->from < best->from))
            best = k;
    }
    return best;
}

static int find_key(gossl_tickets *t, const unsigned char *name, int enc, gossl_ticket_key *out, int *is_current)
{
    const gossl_ticket_key *current, *k = NULL;
    int64_t now = (int64_t)time(NULL);
    size_t i;
    pthread_rwlock_rdlock(&t->lock);
    current = current_key(t, now);
    if (enc) {
        k = current;
    } else {
        for (i = 0; i < t->n && k == NULL; i++)
            if (memcmp(t->keys[i].name, name, sizeof t->keys[i].name) == 0 && now < t->keys[i].until)
                k = &t->keys[i];
    }
    if (k != NULL)
        *out = *k;
    *is_current = k == current;
    pthread_rwlock_unlock(&t->lock);
    return k != NULL;
}

#if GOSSL_3
typedef EVP_MAC_CTX mac_ctx;

static int mac_init(mac_ctx *ctx, unsigned char *key, size_t n)
{
    OSSL_PARAM params[3];
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key, n);
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0);
    params[2] = OSSL_PARAM_construct_end();
    return EVP_MAC_CTX_set_params(ctx, params);
}
#else
typedef HMAC_CTX mac_ctx;

static int mac_init(mac_ctx *ctx, unsigned char *key, size_t n)
{
    return HMAC_Init_ex(ctx, key, (int)n, EVP_sha256(), NULL);
}
#endif

static int ticket_cb(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, mac_ctx *mac, int enc)
{
    gossl_tickets *t = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), tickets_index);
    gossl_ticket_key k;
    int is_current, ok;
    if (t == NULL)
        return -1;
    if (!find_key(t, name, enc, &k, &is_current)) {
        count(t, GOSSL_TICKETS_UNKNOWN);
        return 0;
    }
    if (enc) {
        memcpy(name, k.name, sizeof k.name);
        ok = RAND_bytes(iv, EVP_CIPHER_iv_length(EVP_aes_256_cbc())) == 1
             && EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.aes, iv);
    } else {
        ok = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.aes, iv);
    }
    ok = ok && mac_init(mac, k.mac, sizeof k.mac);
    OPENSSL_cleanse(&k, sizeof k);
    if (!ok)
        return -1;
    if (enc) {
        count(t, GOSSL_TICKETS_ISSUED);
        return 1;
    }
    count(t, GOSSL_TICKETS_ACCEPTED);
    if (!is_current)
        count(t, GOSSL_TICKETS_OLD);
    /* 2 asks for a new ticket. In TLS 1.3 a ticket is used once, so there is always need of one. */
    return is_current && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

static void tickets_ex_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
    (void)parent;
    (void)ad;
    (void)index;
    (void)argl;
    (void)argp;
    gossl_tickets_free(ptr);
}

static void init_once(void) { tickets_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, tickets_ex_free); }

int gossl_ctx_set_tickets(SSL_CTX *c, gossl_tickets *t, gossl_errors **errs)
{
    ERR_clear_error();
    *errs = NULL;
    pthread_once(&once, init_once);
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    if (tickets_index < 0 || !SSL_CTX_set_ex_data(c, tickets_index, t)) {
        gossl_tickets_free(t);
        *errs = gossl_take_errors();
        return 0;
    }
#if GOSSL_3
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(c, ticket_cb) == 1;
#else
    return SSL_CTX_set_tlsext_ticket_key_cb(c, ticket_cb) == 1;
#endif
}
