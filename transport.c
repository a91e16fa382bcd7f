#include "libssl.h"

#include <errno.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static long live_allocs;

void *gossl_alloc(size_t n)
{
    void *p = malloc(n);
    if (p != NULL)
        __atomic_add_fetch(&live_allocs, 1, __ATOMIC_RELAXED);
    return p;
}

void gossl_release(void *p)
{
    if (p != NULL)
        __atomic_sub_fetch(&live_allocs, 1, __ATOMIC_RELAXED);
    free(p);
}

long gossl_live_allocs(void) { return __atomic_load_n(&live_allocs, __ATOMIC_RELAXED); }

/* held: offsets stay, the bytes before start will be read again. */
int gossl_grow(gossl_buf *b, size_t room, int held)
{
    size_t cap;
    unsigned char *p;
    if (b->cap - b->end >= room)
        return 1;
    if (!held && b->start > 0) {
        memmove(b->p, b->p + b->start, b->end - b->start);
        b->end -= b->start;
        b->start = 0;
        if (b->cap - b->end >= room)
            return 1;
    }
    for (cap = b->cap ? b->cap : 1024; cap < b->end + room; cap *= 2)
        ;
    if ((p = gossl_alloc(cap)) == NULL)
        return 0;
    if (b->end > 0)
        memcpy(p, b->p, b->end);
    gossl_release(b->p);
    b->p = p;
    b->cap = cap;
    return 1;
}

void gossl_buf_free(gossl_buf *b)
{
    gossl_release(b->p);
    memset(b, 0, sizeof *b);
}

/* ---- errors ---- */

gossl_errors *gossl_take_errors(void)
{
    gossl_errors *list;
    unsigned long code;
    const char *data, *text;
    int flags;

    if (ERR_peek_error() == 0)
        return NULL;
    if ((list = gossl_alloc(sizeof *list)) == NULL) {
        ERR_clear_error();
        return NULL;
    }
    list->n = 0;
    while ((code = gossl_err_get(&data, &flags)) != 0) {
        gossl_error *e;
        if (list->n == (int)(sizeof list->e / sizeof list->e[0]))
            continue;
        e = &list->e[list->n++];
        memset(e, 0, sizeof *e);
        e->code = code;
        e->lib = ERR_GET_LIB(code);
        e->reason = ERR_GET_REASON(code);
        if ((text = ERR_lib_error_string(code)) != NULL)
            strncpy(e->lib_text, text, sizeof e->lib_text - 1);
        if ((text = ERR_reason_error_string(code)) != NULL)
            strncpy(e->reason_text, text, sizeof e->reason_text - 1);
        if (data != NULL && (flags & ERR_TXT_STRING) != 0)
            strncpy(e->data, data, sizeof e->data - 1);
    }
    return list;
}

/* ---- the memory transport ---- */

static BIO_METHOD *method;
static int ssl_index = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int bio_read(BIO *b, char *p, int n)
{
    gossl_ssl *g = BIO_get_data(b);
    size_t have;
    BIO_clear_retry_flags(b);
    if (g == NULL || n <= 0)
        return 0;
    have = g->in.end - g->in.start;
    if (have == 0) {
        if (g->in_answer.on) {
            if (g->in_answer.retry)
                BIO_set_retry_read(b);
            errno = g->in_answer.sys;
            return g->in_answer.ret;
        }
        if (g->in_eof)
            return 0;
        BIO_set_retry_read(b);
        return -1;
    }
    if (have > (size_t)n)
        have = (size_t)n;
    memcpy(p, g->in.p + g->in.start, have);
    g->in.start += have;
    return (int)have;
}

static int bio_write(BIO *b, const char *p, int n)
{
    gossl_ssl *g = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (g == NULL || n <= 0)
        return -1;
    if (g->out.start == g->out.end)
        g->out.start = g->out.end = 0;
    if (g->out_bounded) {
        size_t have = g->out.end - g->out.start;
        if (have >= g->out_limit) {
            if (g->out_sys == 0)
                BIO_set_retry_write(b);
            errno = g->out_sys;
            return -1;
        }
        if ((size_t)n > g->out_limit - have)
            n = (int)(g->out_limit - have);
    }
    if (!gossl_grow(&g->out, (size_t)n, 0))
        return -1;
    memcpy(g->out.p + g->out.end, p, (size_t)n);
    g->out.end += (size_t)n;
    g->out_total += (uint64_t)n;
    return n;
}

/* Every other ctrl answers 0 and touches nothing: libssl with kTLS asks after a
 * short read, and cleared retry flags turn WANT_READ into SYSCALL. */
static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    gossl_ssl *g = BIO_get_data(b);
    (void)num;
    (void)ptr;
    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return g != NULL && (g->in_answer.on ? g->in_answer.eof : g->in_eof) && g->in.start == g->in.end;
    default:
        return 0;
    }
}

static int bio_create(BIO *b)
{
    BIO_set_init(b, 1);
    return 1;
}

static void init_once(void)
{
    if ((method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "memory transport")) == NULL
        || !BIO_meth_set_read(method, bio_read) || !BIO_meth_set_write(method, bio_write)
        || !BIO_meth_set_ctrl(method, bio_ctrl) || !BIO_meth_set_create(method, bio_create))
        return;
    ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* Gives ssl the transport of g. */
int gossl_attach(SSL *ssl, gossl_ssl *g)
{
    BIO *bio;
    pthread_once(&once, init_once);
    if (ssl_index < 0 || !SSL_set_ex_data(ssl, ssl_index, g) || (bio = BIO_new(method)) == NULL)
        return 0;
    BIO_set_data(bio, g);
    SSL_set_bio(ssl, bio, bio);
    return 1;
}

gossl_ssl *gossl_of(const SSL *ssl) { return SSL_get_ex_data(ssl, ssl_index); }
