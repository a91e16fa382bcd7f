#include "legacy.h"

#include <stdlib.h>
#include <string.h>

/* The answer where there is no memory for the real one; never freed. */
static legacy_queue out_of_memory = { 1, 0, { { 0, 0, 0, "libcrypto", "out of memory", "" } } };

/* Peeking costs an eighth of clearing, and the queue is nearly always empty. */
void legacy_begin(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

static void copy(char *to, size_t size, const char *from)
{
	size_t n = from == NULL ? 0 : strlen(from);

	if (n >= size)
		n = size - 1;
	if (n > 0)
		memcpy(to, from, n);
	to[n] = 0;
}

static legacy_queue *take(void)
{
	legacy_queue *q;
	unsigned long code;
	const char *data = NULL;
	int flags = 0;

	q = malloc(sizeof *q);
	if (q == NULL) {
		ERR_clear_error();
		return &out_of_memory;
	}
	q->n = q->unsupported = 0;
	while ((code = legacy_next_error(&data, &flags)) != 0) {
		legacy_entry *e;

		if (q->n == LEGACY_ENTRIES)
			continue;
		e = &q->e[q->n++];
		e->code = code;
		e->lib = ERR_GET_LIB(code);
		e->reason = ERR_GET_REASON(code);
		copy(e->library, sizeof e->library, ERR_lib_error_string(code));
		copy(e->text, sizeof e->text, ERR_reason_error_string(code));
		copy(e->data, sizeof e->data, (flags & ERR_TXT_STRING) ? data : NULL);
		q->unsupported |= legacy_is_unsupported(code);
		flags = 0;
	}
	return q;
}

legacy_queue *legacy_end(int ok)
{
	if (!ok)
		return take();
	legacy_begin();
	return NULL;
}

legacy_queue *legacy_end_clean(int ok)
{
	return ok ? NULL : take();
}

void legacy_queue_free(legacy_queue *q)
{
	if (q != &out_of_memory)
		free(q);
}

int legacy_bytes_copy(legacy_bytes *out, const void *p, size_t n)
{
	out->p = OPENSSL_malloc(n == 0 ? 1 : n);
	if (out->p == NULL)
		return 0;
	if (n > 0)
		memcpy(out->p, p, n);
	out->n = n;
	return 1;
}

void legacy_bytes_free(legacy_bytes b)
{
	OPENSSL_clear_free(b.p, b.n);
}

/* For the tests: does the thread's queue hold anything? */
int legacy_pending(void)
{
	return ERR_peek_error() != 0;
}
