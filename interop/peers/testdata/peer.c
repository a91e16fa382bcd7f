/* version | MODE PORT CERT KEY | MODE PORT CA: see peers_test.go. With -DPEER_WOLFSSL it speaks by wolfSSL,
 * without by Mbed TLS. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what, int code)
{
	fprintf(stderr, "%s: %d\n", what, code);
	exit(1);
}

#define TRY(call) do { int code_ = (call); if (code_ != 0) fail(#call, code_); } while (0)

/* Each library gives: version; setup; handshake; get, which returns 0 at a close_notify alone and fails at any
 * other end; put; say_close_notify. */

#ifdef PEER_WOLFSSL

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static const char *version = "wolfSSL " LIBWOLFSSL_VERSION_STRING;
static WOLFSSL_CTX *ctx;
static WOLFSSL *tls;

static void setup(int server, char **file)
{
	wolfSSL_Init();
	ctx = wolfSSL_CTX_new(server ? wolfSSLv23_server_method() : wolfSSLv23_client_method());
	if (server) {
		TRY(wolfSSL_CTX_use_certificate_chain_file(ctx, file[0]) != WOLFSSL_SUCCESS);
		TRY(wolfSSL_CTX_use_PrivateKey_file(ctx, file[1], WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS);
	} else {
		TRY(wolfSSL_CTX_load_verify_locations(ctx, file[0], NULL) != WOLFSSL_SUCCESS);
	}
}

static void handshake(int fd, int server)
{
	tls = wolfSSL_new(ctx);
	TRY(wolfSSL_set_fd(tls, fd) != WOLFSSL_SUCCESS);
	if (!server) {
		TRY(wolfSSL_UseSNI(tls, WOLFSSL_SNI_HOST_NAME, "localhost", 9) != WOLFSSL_SUCCESS);
		TRY(wolfSSL_check_domain_name(tls, "localhost") != WOLFSSL_SUCCESS);
	}
	if ((server ? wolfSSL_accept(tls) : wolfSSL_connect(tls)) != WOLFSSL_SUCCESS)
		fail("handshake", wolfSSL_get_error(tls, 0));
}

static int get(char *p, int n)
{
	int got = wolfSSL_read(tls, p, n);
	if (got <= 0 && wolfSSL_get_error(tls, got) != WOLFSSL_ERROR_ZERO_RETURN)
		fail("wolfSSL_read", wolfSSL_get_error(tls, got));
	return got > 0 ? got : 0;
}

static int put(const char *p, int n)
{
	int put = wolfSSL_write(tls, p, n);
	if (put <= 0)
		fail("wolfSSL_write", wolfSSL_get_error(tls, put));
	return put;
}

static void say_close_notify(void)
{
	int code = wolfSSL_shutdown(tls);
	if (code != WOLFSSL_SUCCESS && code != WOLFSSL_SHUTDOWN_NOT_DONE)
		fail("wolfSSL_shutdown", wolfSSL_get_error(tls, code));
}

#else

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#if MBEDTLS_VERSION_MAJOR >= 3
#include <psa/crypto.h>
#endif

static const char *version = MBEDTLS_VERSION_STRING_FULL;
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context random_bytes;
static mbedtls_ssl_config config;
static mbedtls_x509_crt certs;
static mbedtls_pk_context key;
static mbedtls_ssl_context tls;
static mbedtls_net_context net;

static void setup(int server, char **file)
{
#if MBEDTLS_VERSION_MAJOR >= 3
	TRY(psa_crypto_init());
#endif
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&random_bytes);
	mbedtls_ssl_config_init(&config);
	mbedtls_x509_crt_init(&certs);
	mbedtls_pk_init(&key);
	TRY(mbedtls_ctr_drbg_seed(&random_bytes, mbedtls_entropy_func, &entropy, NULL, 0));
	TRY(mbedtls_ssl_config_defaults(&config, server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
		MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT));
	mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random_bytes);
	TRY(mbedtls_x509_crt_parse_file(&certs, file[0]));
	if (server) {
#if MBEDTLS_VERSION_MAJOR < 3
		TRY(mbedtls_pk_parse_keyfile(&key, file[1], NULL));
#else
		TRY(mbedtls_pk_parse_keyfile(&key, file[1], NULL, mbedtls_ctr_drbg_random, &random_bytes));
#endif
		TRY(mbedtls_ssl_conf_own_cert(&config, &certs, &key));
	} else {
		mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
		mbedtls_ssl_conf_ca_chain(&config, &certs, NULL);
	}
}

static void handshake(int fd, int server)
{
	/* Two processes must not draw the same random bytes. */
	TRY(mbedtls_ctr_drbg_reseed(&random_bytes, NULL, 0));
	mbedtls_ssl_init(&tls);
	TRY(mbedtls_ssl_setup(&tls, &config));
	if (!server)
		TRY(mbedtls_ssl_set_hostname(&tls, "localhost"));
	net.fd = fd;
	mbedtls_ssl_set_bio(&tls, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
	TRY(mbedtls_ssl_handshake(&tls));
}

static int get(char *p, int n)
{
	int got = mbedtls_ssl_read(&tls, (unsigned char *)p, n);
#ifdef MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
	while (got == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
		got = mbedtls_ssl_read(&tls, (unsigned char *)p, n);
#endif
	if (got <= 0 && got != MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		fail("mbedtls_ssl_read", got); /* 0 is a FIN without close_notify */
	return got > 0 ? got : 0;
}

static int put(const char *p, int n)
{
	int put = mbedtls_ssl_write(&tls, (const unsigned char *)p, n);
	if (put <= 0)
		fail("mbedtls_ssl_write", put);
	return put;
}

static void say_close_notify(void)
{
	TRY(mbedtls_ssl_close_notify(&tls));
}

#endif

static void put_all(const char *p, size_t n)
{
	for (size_t done = 0; done < n;)
		done += put(p + done, n - done > 16384 ? 16384 : (int)(n - done));
}

struct buffer {
	char *p;
	size_t n, room;
};

static char *more(struct buffer *b)
{
	if (b->room - b->n < 16384 && !(b->p = realloc(b->p, b->room = 2 * b->room + 16384)))
		fail("realloc", 0);
	return b->p + b->n;
}

static void serve_one(int echo)
{
	static const char hello[] = "HTTP/1.0 200 OK\r\n\r\nhello";
	struct buffer b = {0};
	int got;
	while ((got = get(more(&b), 16383)) > 0) {
		b.p[b.n += got] = 0;
		if (!echo && strstr(b.p, "\r\n\r\n")) {
			put_all(hello, sizeof hello - 1);
			break;
		}
	}
	if (echo)
		put_all(b.p, b.n);
	say_close_notify();
}

static void print_rest(void)
{
	char part[16384];
	int got;
	while ((got = get(part, sizeof part)) > 0)
		fwrite(part, 1, got, stdout);
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct buffer b = {0};
	int on = 1, fd, got;
	if (argc > 1 && !strcmp(argv[1], "version"))
		return puts(version) < 0;
	if (argc < 4)
		fail("arguments", argc);
	int echo = !strcmp(argv[1], "echo"), server = echo || !strcmp(argv[1], "http");
	signal(SIGPIPE, SIG_IGN);
	addr.sin_port = htons(atoi(argv[2]));
	setup(server, argv + 3);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (server) {
		signal(SIGCHLD, SIG_IGN);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		TRY(bind(fd, (struct sockaddr *)&addr, sizeof addr));
		TRY(listen(fd, 16));
		for (;;) {
			int c = accept(fd, NULL, NULL);
			if (c >= 0 && fork() == 0) {
				handshake(c, 1);
				serve_one(echo);
				return 0;
			}
			close(c);
		}
	}
	TRY(connect(fd, (struct sockaddr *)&addr, sizeof addr));
	handshake(fd, 0);
	if (!strcmp(argv[1], "send")) {
		while ((got = read(0, more(&b), 16384)) > 0)
			b.n += got;
		put_all(b.p, b.n);
		say_close_notify();
		print_rest();
	} else {
		put_all("GET / HTTP/1.0\r\n\r\n", 18);
		print_rest();
		say_close_notify();
	}
	return 0;
}
