/*
 * answer_cache.c - bodies that were sent before, and the version of the rows they were made from.
 *
 * A kept body is never sent on trust: the statement that would make it is asked first, with the
 * kept version, and makes it again only when the rows have another. What is saved is the making,
 * which costs ten times as much as the question. A slot per hash of the key: who comes later takes
 * it; a hand goes round and frees slots while there are too many bytes.
 */
#include <string.h>

#include "api_private.h"

#define SLOTS     16384
#define BYTES_MAX ((size_t) 16 * 1024 * 1024)

struct answer_cache {
    struct kept_answer *slots[SLOTS];
    size_t bytes, hand;
};

struct answer_cache *answer_cache_new(void)
{
    return xcalloc(1, sizeof(struct answer_cache));
}

static void let_go(struct answer_cache *cache, size_t slot)
{
    struct kept_answer *a = cache->slots[slot];

    if (!a)
        return;
    cache->bytes -= sizeof *a + a->n;
    cache->slots[slot] = NULL;
    free(a);
}

void answer_cache_free(struct answer_cache *cache)
{
    for (size_t i = 0; cache && i < SLOTS; i++)
        let_go(cache, i);
    free(cache);
}

static size_t slot_of(const char *key)
{
    uint32_t h = 2166136261U;

    for (; *key; key++)
        h = (h ^ (uint8_t) *key) * 16777619U;
    return (h ^ h >> 16) % SLOTS;
}

const struct kept_answer *answer_cache_find(const struct answer_cache *cache, const char *key)
{
    const struct kept_answer *a = cache->slots[slot_of(key)];

    return a && str_eq(a->key, key) ? a : NULL;
}

void answer_cache_keep(struct answer_cache *cache, const struct kept_answer *new, const char *text)
{
    size_t slot = slot_of(new->key), size = sizeof *new + new->n;
    struct kept_answer *a;

    let_go(cache, slot);
    if (size > BYTES_MAX / 16)
        return;
    for (size_t i = 0; cache->bytes + size > BYTES_MAX && i < SLOTS; i++)
        let_go(cache, cache->hand++ % SLOTS);
    a = xmalloc(size + 1);
    *a = *new;
    memcpy(a->text, text, new->n);
    a->text[new->n] = '\0';
    cache->slots[slot] = a;
    cache->bytes += size;
}
