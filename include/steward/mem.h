/*
 * mem.h - memory: allocation that cannot fail, cleanup attributes, arenas.
 *
 * Out of memory logs one line and _exit(70)s: we are a server with a supervisor and durable state,
 * so no code of ours has a branch for it. Owning locals carry a cleanup attribute; ownership moves
 * with TAKE().
 */
#ifndef STEWARD_MEM_H
#define STEWARD_MEM_H

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
/* The caller owns the result. */
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
/* Logs "out of memory" and exits 70. */
_Noreturn void mem_exhausted(void);

/* Makes jansson's allocations end the same way; called once by every main(). */
void mem_init(void);

static inline void free_p(void *p)
{
    free(*(void **) p);
}
static inline void json_p(json_t **j)
{
    json_decref(*j);
}
#define AUTO_FREE __attribute__((cleanup(free_p)))
#define AUTO_JSON __attribute__((cleanup(json_p)))
#define TAKE(p)                    \
    ({                             \
        __typeof__(p) taken = (p); \
        (p) = NULL;                \
        taken;                     \
    })
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Memory that lives as long as a request or a tick and goes in one call. Zero-initialised is empty.
 */
struct arena {
    struct arena_block *head;
    size_t used_bytes;
};
void *arena_alloc(struct arena *a, size_t size)
    __attribute__((malloc, returns_nonnull)); /* zeroed */
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), returns_nonnull));
/* Empty again, but keeps one ordinary block for the next use. */
void arena_reset(struct arena *a);
void arena_done(struct arena *a); /* frees everything; the arena is empty and usable again */
#define AUTO_ARENA __attribute__((cleanup(arena_done)))

#endif
