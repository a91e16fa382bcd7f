#include "libssl.h"

/* What not every version has. What the headers of a program's build lack is looked up when it runs. */

int gossl_has_group(const char *name)
{
    SSL_CTX *c;
    int ok;
    ERR_clear_error();
    c = SSL_CTX_new(TLS_method());
    ok = c != NULL && SSL_CTX_set1_groups_list(c, name) == 1;
    SSL_CTX_free(c);
    ERR_clear_error();
    return ok;
}
