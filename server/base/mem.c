/*
 * mem.c - allocation that cannot fail, and arenas.
 *
 * The one place where running out of memory is handled: a line on stderr, exit code 70.
 */
#include "steward/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ARENA_FIRST_BYTES 1024 /* ten thousand idle streams hold one each */
#define ARENA_BLOCK_BYTES 4096

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    max_align_t data[];
};

_Noreturn void mem_exhausted(void)
{
    static const char line[] = "level=error mod=base event=out_of_memory\n";

    (void) !write(STDERR_FILENO, line, sizeof line - 1);
    _exit(70);
}

void *xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        mem_exhausted();
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);

    if (!p)
        mem_exhausted();
    return p;
}

void *xrealloc(void *p, size_t size)
{
    p = realloc(p, size ? size : 1);
    if (!p)
        mem_exhausted();
    return p;
}

char *xstrndup(const char *s, size_t n)
{
    size_t length = strnlen(s, n);
    char *copy = xmalloc(length + 1);

    memcpy(copy, s, length);
    copy[length] = '\0';
    return copy;
}

char *xstrdup(const char *s)
{
    return xstrndup(s, SIZE_MAX - 1);
}

char *xasprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        mem_exhausted();
    va_end(ap);
    return text;
}

void mem_init(void)
{
    json_set_alloc_funcs(xmalloc, free);
    json_object_seed(0);
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t need = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
    struct arena_block *b = a->head;
    void *p;

    if (!b || b->size - b->used < need) {
        size_t usual = b ? 2 * b->size : ARENA_FIRST_BYTES;
        size_t room;

        usual = usual < ARENA_BLOCK_BYTES ? usual : ARENA_BLOCK_BYTES;
        room = need > usual ? need : usual;

        b = xmalloc(sizeof *b + room);
        b->next = a->head;
        b->used = 0;
        b->size = room;
        a->head = b;
    }
    p = (char *) b->data + b->used;
    b->used += need;
    a->used_bytes += need;
    memset(p, 0, size);
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    size_t length = strnlen(s, n);
    char *copy = arena_alloc(a, length + 1);

    memcpy(copy, s, length);
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, SIZE_MAX - 1);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    char *text;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        mem_exhausted();
    text = arena_alloc(a, (size_t) n + 1);
    (void) vsnprintf(text, (size_t) n + 1, fmt, again);
    va_end(again);
    return text;
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = NULL;

    while (a->head) {
        struct arena_block *b = a->head;

        a->head = b->next;
        if (!keep && b->size <= ARENA_BLOCK_BYTES)
            keep = b;
        else
            free(b);
    }
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
    }
    a->head = keep;
    a->used_bytes = 0;
}

void arena_done(struct arena *a)
{
    while (a->head) {
        struct arena_block *b = a->head;

        a->head = b->next;
        free(b);
    }
    a->used_bytes = 0;
}
