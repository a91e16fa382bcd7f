/*
 * reference FILE      runs one closure script (- is standard input)
 * reference --batch   runs many: standard input holds scripts, each as its length in decimal, a newline and
 *                     that many bytes. The answer to each is "STATUS LINE LENGTH\n" and LENGTH bytes: the exit
 *                     status it would have had alone, the line that could not be read (0 for none), and what
 *                     it would have printed. An answer is flushed before the next script is read.
 * reference --version prints the libssl that it runs on
 *
 * Shares no code with the interpreter in Go, on purpose: it calls libssl directly, over BIO_s_mem. Exit status:
 * 0 the script ran to its end, 2 it could not be read, 1 this program failed.
 *
 * Build: cc -Wno-deprecated-declarations reference.c -o reference $(pkg-config --cflags --libs libssl libcrypto)
 */
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(LIBRESSL_VERSION_NUMBER) || defined(OPENSSL_IS_BORINGSSL) || OPENSSL_VERSION_NUMBER < 0x10101000L
#error "closure scripts need OpenSSL 1.1.1 or later"
#endif

enum { HANDSHAKE_ROUNDS = 20, RECORD = 16384, MAX_WORDS = 3 };
static const long MAX_SCRIPT = 64L << 20;

static void die(const char *what)
{
    fprintf(stderr, "reference: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void need(int ok, const char *what)
{
    if (!ok)
        die(what);
}

/* --- text ------------------------------------------------------------------------------------------------------- */

typedef struct {
    char *at;
    size_t len, cap;
} Text;

static void text_add(Text *t, const void *bytes, size_t n)
{
    if (t->cap - t->len < n) {
        t->cap = 2 * t->cap + n + 256;
        t->at = realloc(t->at, t->cap);
        need(t->at != NULL, "out of memory");
    }
    if (n > 0)
        memcpy(t->at + t->len, bytes, n);
    t->len += n;
}

/* For short texts only: what a script wrote is added with text_add. */
static void text_addf(Text *t, const char *format, ...)
{
    char line[256];
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    need(n >= 0 && (size_t)n < sizeof line, "a result is too long");
    text_add(t, line, (size_t)n);
}

typedef struct {
    const char *at;
    size_t len;
} Word;

static int is(Word w, const char *s)
{
    return w.len == strlen(s) && memcmp(w.at, s, w.len) == 0;
}

/* --- a step ----------------------------------------------------------------------------------------------------- */

typedef enum {
    PROTO, OPTION, HANDSHAKE, SHUTDOWN, SET, GET, READ, WRITE, QUIET, END_OF_FILE, CLEAR, FREE, RESUMABLE, CACHE, RESUME
} Verb;

enum { CLIENT, SERVER, ENDS };

typedef struct {
    Verb verb;
    int who;       /* CLIENT or SERVER; not for PROTO and HANDSHAKE */
    int number;    /* SET, QUIET; for PROTO an index into protos */
    Word argument; /* WRITE */
} Step;

typedef struct {
    const char *name;
    int version;
    int no_ticket[ENDS];
} Proto;

static const Proto protos[] = {
    {"tls12-id", TLS1_2_VERSION, {1, 1}},
    {"tls12-ticket", TLS1_2_VERSION, {0, 0}},
    {"tls13-stateful", TLS1_3_VERSION, {0, 1}},
    {"tls13-stateless", TLS1_3_VERSION, {0, 0}},
};

static const struct {
    const char *name;
    Verb verb;
    int argument;
    int only; /* CLIENT, SERVER, or ENDS for both */
} verbs[] = {
    {"shutdown", SHUTDOWN, 0, ENDS}, {"set", SET, 1, ENDS},     {"get", GET, 0, ENDS},
    {"read", READ, 0, ENDS},         {"write", WRITE, 1, ENDS}, {"quiet", QUIET, 1, ENDS},
    {"eof", END_OF_FILE, 0, ENDS},   {"clear", CLEAR, 0, ENDS}, {"free", FREE, 0, ENDS},
    {"resumable", RESUMABLE, 0, CLIENT}, {"cache", CACHE, 0, SERVER}, {"resume", RESUME, 0, CLIENT},
};

/* split returns how many words the line has, -1 when its spacing is wrong, MAX_WORDS+1 when there are too many. */
static int split(Word line, Word *words)
{
    int n = 0;
    size_t i, start = 0;

    for (i = 0; i <= line.len; i++) {
        if (i < line.len && line.at[i] != ' ')
            continue;
        if (i == start)
            return -1;
        if (n == MAX_WORDS)
            return MAX_WORDS + 1;
        words[n].at = line.at + start;
        words[n++].len = i - start;
        start = i + 1;
    }
    return n;
}

static int read_int32(Word w, int *number)
{
    size_t i = 0;
    int negative = w.len > 0 && w.at[0] == '-';
    int64_t value = 0;

    i += (size_t)negative;
    if (i == w.len)
        return 0;
    for (; i < w.len; i++) {
        if (w.at[i] < '0' || w.at[i] > '9')
            return 0;
        value = 10 * value + (w.at[i] - '0');
        if (value > (int64_t)INT32_MAX + 1)
            return 0;
    }
    if (negative)
        value = -value;
    *number = (int)value;
    return value <= INT32_MAX;
}

static int letters_and_digits(Word w)
{
    size_t i;

    for (i = 0; i < w.len; i++) {
        char c = w.at[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            return 0;
    }
    return w.len > 0;
}

static int read_who(Word w, int *who)
{
    *who = is(w, "server") ? SERVER : CLIENT;
    return is(w, "client") || is(w, "server");
}

/* parse returns NULL, or why the line cannot be read. */
static const char *parse(Word line, Step *step)
{
    Word words[MAX_WORDS];
    int n;
    size_t i;

    if (memchr(line.at, '\r', line.len) != NULL)
        return "a carriage return";
    n = split(line, words);
    if (n < 0)
        return "a leading, trailing or double space";
    if (n > MAX_WORDS)
        return "too many words";

    if (is(words[0], "proto")) {
        step->verb = PROTO;
        for (i = 0; n == 2 && i < sizeof protos / sizeof protos[0]; i++) {
            step->number = (int)i;
            if (is(words[1], protos[i].name))
                return NULL;
        }
        return n == 2 ? "an unknown protocol" : "proto takes one argument";
    }
    if (is(words[0], "option")) {
        step->verb = OPTION;
        if (n != 3)
            return "option takes two arguments";
        if (!is(words[1], "ignore-eof"))
            return "an unknown option";
        return read_who(words[2], &step->who) ? NULL : "option ignore-eof takes client or server";
    }
    if (is(words[0], "both")) {
        step->verb = HANDSHAKE;
        return n == 2 && is(words[1], "handshake") ? NULL : "both takes handshake and nothing else";
    }
    if (!read_who(words[0], &step->who))
        return "an unknown step";
    if (n < 2)
        return "a verb is missing";
    for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (is(words[1], verbs[i].name))
            break;
    if (i == sizeof verbs / sizeof verbs[0])
        return "an unknown verb";
    if (verbs[i].only != ENDS && verbs[i].only != step->who)
        return "a verb of the other end";
    if (n != 2 + verbs[i].argument)
        return verbs[i].argument ? "the verb takes one argument" : "the verb takes no argument";
    step->verb = verbs[i].verb;
    if (step->verb == SET && !read_int32(words[2], &step->number))
        return "set takes a decimal number of 32 bits";
    if (step->verb == QUIET) {
        step->number = is(words[2], "1");
        if (!is(words[2], "0") && !is(words[2], "1"))
            return "quiet takes 0 or 1";
    }
    if (step->verb == WRITE) {
        step->argument = words[2];
        if (!letters_and_digits(words[2]))
            return "write takes ASCII letters and digits";
    }
    return NULL;
}

/* --- the two ends ----------------------------------------------------------------------------------------------- */

static EVP_PKEY *key;
static X509 *certificate;

static void make_certificate(void)
{
    EVP_PKEY_CTX *generator = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    X509_NAME *name = X509_NAME_new();

    need(generator != NULL && EVP_PKEY_keygen_init(generator) == 1
             && EVP_PKEY_CTX_set_ec_paramgen_curve_nid(generator, NID_X9_62_prime256v1) == 1
             && EVP_PKEY_keygen(generator, &key) == 1,
         "cannot make a key");
    EVP_PKEY_CTX_free(generator);
    certificate = X509_new();
    need(certificate != NULL && name != NULL && X509_set_version(certificate, 2)
             && ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1)
             && X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL
             && X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) != NULL
             && X509_set_pubkey(certificate, key)
             && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"closure", -1, -1, 0)
             && X509_set_subject_name(certificate, name) && X509_set_issuer_name(certificate, name)
             && X509_sign(certificate, key, EVP_sha256()) > 0,
         "cannot make a certificate");
    X509_NAME_free(name);
}

typedef struct {
    SSL *ssl[ENDS];
    BIO *towards[ENDS]; /* what that end reads; one reference is the pair's own, so that it outlives the ends */
} Pair;

typedef struct {
    SSL_CTX *ctx[ENDS];
    SSL_SESSION *newest; /* of the client, with its reference */
    Pair pair;
    int open; /* pair has been made */
    int steps;
    int after_options;
    Text out;
} Run;

static int keep_newest(SSL *ssl, SSL_SESSION *session)
{
    Run *run = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    SSL_SESSION_free(run->newest);
    run->newest = session;
    return 1;
}

static void make_contexts(Run *run, const Proto *proto)
{
    int end;

    run->ctx[CLIENT] = SSL_CTX_new(TLS_client_method());
    run->ctx[SERVER] = SSL_CTX_new(TLS_server_method());
    for (end = 0; end < ENDS; end++) {
        SSL_CTX *ctx = run->ctx[end];
        need(ctx != NULL && SSL_CTX_set_min_proto_version(ctx, proto->version)
                 && SSL_CTX_set_max_proto_version(ctx, proto->version),
             "cannot make a context");
        if (proto->version == TLS1_2_VERSION)
            need(SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256"), "cannot set the cipher list");
        if (proto->no_ticket[end])
            SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    }
    SSL_CTX_set_verify(run->ctx[CLIENT], SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_app_data(run->ctx[CLIENT], run);
    SSL_CTX_set_session_cache_mode(run->ctx[CLIENT], SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(run->ctx[CLIENT], keep_newest);
    SSL_CTX_set_session_cache_mode(run->ctx[SERVER], SSL_SESS_CACHE_SERVER);
    need(SSL_CTX_set_session_id_context(run->ctx[SERVER], (const unsigned char *)"closure", 7)
             && SSL_CTX_use_certificate(run->ctx[SERVER], certificate) == 1
             && SSL_CTX_use_PrivateKey(run->ctx[SERVER], key) == 1,
         "cannot set up the server");
}

static void make_pair(Run *run, Pair *pair)
{
    int end;

    for (end = 0; end < ENDS; end++) {
        pair->ssl[end] = SSL_new(run->ctx[end]);
        pair->towards[end] = BIO_new(BIO_s_mem());
        need(pair->ssl[end] != NULL && pair->towards[end] != NULL, "cannot make an SSL object");
    }
    for (end = 0; end < ENDS; end++) {
        BIO *in = pair->towards[end], *out = pair->towards[ENDS - 1 - end];
        need(BIO_up_ref(in) && BIO_up_ref(out), "cannot share a BIO");
        SSL_set_bio(pair->ssl[end], in, out);
    }
    SSL_set_connect_state(pair->ssl[CLIENT]);
    SSL_set_accept_state(pair->ssl[SERVER]);
}

static void free_pair(Pair *pair)
{
    int end;

    for (end = 0; end < ENDS; end++) {
        ERR_clear_error();
        SSL_free(pair->ssl[end]);
        pair->ssl[end] = NULL;
    }
    for (end = 0; end < ENDS; end++) {
        BIO_free(pair->towards[end]);
        pair->towards[end] = NULL;
    }
}

/* --- the calls -------------------------------------------------------------------------------------------------- */

/* CALL: the queue is cleared, the call is made, and SSL_get_error follows at once. */
#define CALL(ret, err, ssl, call)          \
    do {                                   \
        ERR_clear_error();                 \
        (ret) = (call);                    \
        (err) = SSL_get_error((ssl), (ret)); \
    } while (0)

static const char *error_name(int err)
{
    switch (err) {
    case SSL_ERROR_NONE: return "NONE";
    case SSL_ERROR_SSL: return "SSL";
    case SSL_ERROR_WANT_READ: return "WANT_READ";
    case SSL_ERROR_WANT_WRITE: return "WANT_WRITE";
    case SSL_ERROR_WANT_X509_LOOKUP: return "WANT_X509_LOOKUP";
    case SSL_ERROR_SYSCALL: return "SYSCALL";
    case SSL_ERROR_ZERO_RETURN: return "ZERO_RETURN";
    case SSL_ERROR_WANT_CONNECT: return "WANT_CONNECT";
    case SSL_ERROR_WANT_ACCEPT: return "WANT_ACCEPT";
    case SSL_ERROR_WANT_ASYNC: return "WANT_ASYNC";
    case SSL_ERROR_WANT_ASYNC_JOB: return "WANT_ASYNC_JOB";
    case SSL_ERROR_WANT_CLIENT_HELLO_CB: return "WANT_CLIENT_HELLO_CB";
#ifdef SSL_ERROR_WANT_RETRY_VERIFY
    case SSL_ERROR_WANT_RETRY_VERIFY: return "WANT_RETRY_VERIFY";
#endif
    default: die("SSL_get_error gave an unknown answer"); return NULL;
    }
}

static int handshake(Pair *pair)
{
    int done[ENDS] = {0, 0}, round, end, ret, err;

    for (round = 0; round < HANDSHAKE_ROUNDS && !(done[CLIENT] && done[SERVER]); round++)
        for (end = 0; end < ENDS; end++)
            if (!done[end]) {
                CALL(ret, err, pair->ssl[end], SSL_do_handshake(pair->ssl[end]));
                (void)err;
                done[end] = ret == 1;
            }
    return done[CLIENT] && done[SERVER];
}

static void resume(Run *run)
{
    Pair pair;
    char byte;
    size_t n;
    int ret, err, reused;

    make_pair(run, &pair);
    if (run->newest != NULL) {
        ERR_clear_error();
        need(SSL_set_session(pair.ssl[CLIENT], run->newest), "cannot offer the session");
    }
    if (!handshake(&pair)) {
        free_pair(&pair);
        text_addf(&run->out, "failed");
        return;
    }
    reused = SSL_session_reused(pair.ssl[CLIENT]);
    CALL(ret, err, pair.ssl[SERVER], SSL_write_ex(pair.ssl[SERVER], "x", 1, &n));
    CALL(ret, err, pair.ssl[CLIENT], SSL_read_ex(pair.ssl[CLIENT], &byte, 1, &n));
    CALL(ret, err, pair.ssl[CLIENT], SSL_shutdown(pair.ssl[CLIENT]));
    CALL(ret, err, pair.ssl[SERVER], SSL_shutdown(pair.ssl[SERVER]));
    (void)ret;
    (void)err;
    free_pair(&pair);
    text_addf(&run->out, "reused=%d", reused);
}

static void call(Run *run, const Step *step)
{
    SSL *ssl = run->pair.ssl[step->who];
    Text *out = &run->out;
    char data[RECORD];
    size_t n = 0;
    int ret, err;

    switch (step->verb) {
    case SHUTDOWN:
        CALL(ret, err, ssl, SSL_shutdown(ssl));
        text_addf(out, "ret=%d err=%s mask=%d", ret, ret == 0 || ret == 1 ? "-" : error_name(err), SSL_get_shutdown(ssl));
        break;
    case SET:
        SSL_set_shutdown(ssl, step->number);
        text_addf(out, "mask=%d", SSL_get_shutdown(ssl));
        break;
    case GET:
        text_addf(out, "mask=%d", SSL_get_shutdown(ssl));
        break;
    case READ:
        CALL(ret, err, ssl, SSL_read_ex(ssl, data, sizeof data, &n));
        if (ret == 1) {
            text_addf(out, "ret=1 data=");
            text_add(out, data, n);
            text_addf(out, " mask=%d", SSL_get_shutdown(ssl));
        } else {
            text_addf(out, "ret=%d err=%s mask=%d", ret, error_name(err), SSL_get_shutdown(ssl));
        }
        break;
    case WRITE:
        CALL(ret, err, ssl, SSL_write_ex(ssl, step->argument.at, step->argument.len, &n));
        text_addf(out, "ret=%d err=%s mask=%d", ret, ret == 1 ? "-" : error_name(err), SSL_get_shutdown(ssl));
        break;
    case QUIET:
        SSL_set_quiet_shutdown(ssl, step->number);
        text_addf(out, "ok");
        break;
    case END_OF_FILE:
        BIO_set_mem_eof_return(run->pair.towards[step->who], 0);
        text_addf(out, "ok");
        break;
    case CLEAR:
        CALL(ret, err, ssl, SSL_clear(ssl));
        text_addf(out, "ret=%d mask=%d", ret, SSL_get_shutdown(ssl));
        break;
    case FREE:
        ERR_clear_error();
        SSL_free(ssl);
        run->pair.ssl[step->who] = NULL;
        text_addf(out, "ok");
        break;
    default:
        die("a step that is no call on one end");
    }
}

static void execute(Run *run, const Step *step)
{
    Pair *pair = &run->pair;
    int ret;

    if (step->verb != PROTO && step->verb != OPTION && !run->open) {
        make_pair(run, pair);
        run->open = 1;
    }
    switch (step->verb) {
    case PROTO:
        make_contexts(run, &protos[step->number]);
        text_addf(&run->out, "ok");
        break;
    case OPTION:
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
        SSL_CTX_set_options(run->ctx[step->who], SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
        text_addf(&run->out, "ok");
        break;
    case HANDSHAKE:
        if (pair->ssl[CLIENT] == NULL || pair->ssl[SERVER] == NULL) {
            text_addf(&run->out, "gone");
            break;
        }
        ret = handshake(pair);
        text_addf(&run->out, "ret=%d client=%d server=%d", ret, SSL_get_shutdown(pair->ssl[CLIENT]),
                  SSL_get_shutdown(pair->ssl[SERVER]));
        break;
    case RESUMABLE:
        if (run->newest == NULL)
            text_addf(&run->out, "resumable=-");
        else
            text_addf(&run->out, "resumable=%d", SSL_SESSION_is_resumable(run->newest));
        break;
    case CACHE:
        text_addf(&run->out, "sessions=%ld", SSL_CTX_sess_number(run->ctx[SERVER]));
        break;
    case RESUME:
        resume(run);
        break;
    default:
        if (pair->ssl[step->who] == NULL)
            text_addf(&run->out, "gone");
        else
            call(run, step);
    }
}

/* --- a script --------------------------------------------------------------------------------------------------- */

/* out_of_place returns NULL, or why a step that can be read cannot stand here. */
static const char *out_of_place(const Run *run, const Step *step)
{
    if (run->steps == 0)
        return step->verb == PROTO ? NULL : "the first step is not proto";
    if (step->verb == PROTO)
        return "a second proto";
    if (step->verb == OPTION && run->after_options)
        return "option after another kind of step";
    return NULL;
}

/* run_script returns the exit status. With 2, *why says why and *at_line which line, 0 for none in particular. */
static int run_script(Word script, Text *out, const char **why, int *at_line)
{
    Run run = {{NULL, NULL}, NULL, {{NULL, NULL}, {NULL, NULL}}, 0, 0, 0, {NULL, 0, 0}};
    size_t start, next;
    int line_number = 0;

    *why = NULL;
    *at_line = 0;
    for (start = 0; start < script.len && *why == NULL; start = next) {
        const char *newline = memchr(script.at + start, '\n', script.len - start);
        Word line = {script.at + start, newline == NULL ? script.len - start : (size_t)(newline - script.at) - start};
        Step step = {GET, CLIENT, 0, {NULL, 0}};

        next = start + line.len + 1;
        line_number++;
        if (line.len == 0 || line.at[0] == '#')
            continue;
        *why = parse(line, &step);
        if (*why == NULL)
            *why = out_of_place(&run, &step);
        if (*why != NULL) {
            *at_line = line_number;
            break;
        }
        if (step.verb != PROTO && step.verb != OPTION)
            run.after_options = 1;
        text_addf(&run.out, "%d ", ++run.steps);
        text_add(&run.out, line.at, line.len);
        text_addf(&run.out, ": ");
        execute(&run, &step);
        text_addf(&run.out, "\n");
    }
    if (*why == NULL && run.steps == 0)
        *why = "no step";
    free_pair(&run.pair);
    SSL_SESSION_free(run.newest);
    SSL_CTX_free(run.ctx[CLIENT]);
    SSL_CTX_free(run.ctx[SERVER]);
    ERR_clear_error();
    *out = run.out;
    return *why == NULL ? 0 : 2;
}

static void put(const void *bytes, size_t n)
{
    need((n == 0 || fwrite(bytes, 1, n, stdout) == n) && fflush(stdout) == 0, "cannot write the output");
}

static int batch(void)
{
    char *script = NULL;
    int first;

    while ((first = getchar()) != EOF) {
        long length;
        Text out;
        Word text;
        const char *why;
        int status, line;

        ungetc(first, stdin);
        need(scanf("%ld", &length) == 1 && getchar() == '\n' && length >= 0 && length <= MAX_SCRIPT,
             "cannot read a script's length");
        script = realloc(script, (size_t)length + 1);
        need(script != NULL, "out of memory");
        need(fread(script, 1, (size_t)length, stdin) == (size_t)length, "a script is shorter than its length");
        text.at = script;
        text.len = (size_t)length;
        status = run_script(text, &out, &why, &line);
        printf("%d %d %zu\n", status, line, out.len);
        put(out.at, out.len);
        free(out.at);
    }
    free(script);
    return 0;
}

static int single(const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    Text script = {NULL, 0, 0}, out;
    Word text;
    char block[4096];
    size_t n;
    const char *why;
    int status, line;

    if (file == NULL) {
        perror(path);
        return 1;
    }
    while ((n = fread(block, 1, sizeof block, file)) > 0)
        text_add(&script, block, n);
    if (ferror(file)) {
        perror(path);
        return 1;
    }
    if (file != stdin)
        fclose(file);
    text.at = script.at;
    text.len = script.len;
    status = run_script(text, &out, &why, &line);
    put(out.at, out.len);
    if (line > 0)
        fprintf(stderr, "%s:%d: %s\n", path, line, why);
    else if (status != 0)
        fprintf(stderr, "%s: %s\n", path, why);
    free(out.at);
    free(script.at);
    return status;
}

int main(int argc, char **argv)
{
    int status;

    if (argc != 2) {
        fprintf(stderr, "usage: reference FILE, reference -, reference --batch or reference --version\n");
        return 2;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts(OpenSSL_version(OPENSSL_VERSION));
        return 0;
    }
    make_certificate();
    status = strcmp(argv[1], "--batch") == 0 ? batch() : single(argv[1]);
    EVP_PKEY_free(key);
    X509_free(certificate);
    return status;
}
