/* Where implementations come from: engines, which 3.0 deprecated and 4.0 removed, and FIPS. */
#define LEGACY_DEPRECATED
#define OPENSSL_SUPPRESS_DEPRECATED
#include "legacy.h"

#if !LEGACY_4 && !defined(OPENSSL_NO_ENGINE)
#define HAVE_ENGINES 1
#include <openssl/engine.h>
#include <openssl/ui.h>
#else
#define HAVE_ENGINES 0
#endif

int legacy_have_engines(void)
{
	return HAVE_ENGINES;
}

const char *legacy_engine_id(ENGINE *engine)
{
#if HAVE_ENGINES
	return ENGINE_get_id(engine);
#else
	(void)engine;
	return "";
#endif
}

/* The result holds a structural and a functional reference. */
legacy_queue *legacy_engine_new(ENGINE **out, const char *id, int *found)
{
	ENGINE *engine = NULL;
	int ok = 0;

	legacy_begin();
	*found = 0;
#if HAVE_ENGINES
	engine = ENGINE_by_id(id);
	*found = engine != NULL;
	ok = engine != NULL && ENGINE_init(engine) == 1;
	if (!ok) {
		ENGINE_free(engine);
		engine = NULL;
	}
#else
	(void)id;
#endif
	*out = engine;
	return legacy_end(ok);
}

legacy_queue *legacy_engine_key(EVP_PKEY **out, ENGINE *engine, const char *id)
{
	legacy_begin();
#if HAVE_ENGINES
	/* Without a method the engine would ask for its PIN on the terminal. */
	*out = ENGINE_load_private_key(engine, id, (UI_METHOD *)UI_null(), NULL);
#else
	(void)engine;
	(void)id;
	*out = NULL;
#endif
	return legacy_end(*out != NULL);
}

void legacy_engine_free(ENGINE *engine)
{
#if HAVE_ENGINES
	ENGINE_finish(engine);
	ENGINE_free(engine);
#else
	(void)engine;
#endif
}

legacy_queue *legacy_fips_set(int on)
{
#if LEGACY_3
	EVP_MD *md;
	int ok;

	legacy_begin();
	if (!on)
		return legacy_end(EVP_default_properties_enable_fips(NULL, 0) == 1);
	/* The fallback to the default provider is kept: without it no key could be read or written,
	 * and "fips=yes" keeps its algorithms from being used. */
	ok = OSSL_PROVIDER_available(NULL, "fips") == 1 || OSSL_PROVIDER_try_load(NULL, "fips", 1) != NULL;
	if (ok) {
		md = EVP_MD_fetch(NULL, "SHA2-256", "fips=yes");
		ok = md != NULL && EVP_default_properties_enable_fips(NULL, 1) == 1;
		EVP_MD_free(md);
	}
	return legacy_end(ok);
#else
	legacy_begin();
	return legacy_end(FIPS_mode_set(on) == 1);
#endif
}

int legacy_fips_get(void)
{
#if LEGACY_3
	return EVP_default_properties_is_fips_enabled(NULL) == 1;
#else
	return FIPS_mode() != 0;
#endif
}

int legacy_fips_defined(void)
{
#if LEGACY_3 || defined(OPENSSL_FIPS)
	return 1;
#else
	return 0;
#endif
}
