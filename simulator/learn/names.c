/*
 * names.c - an open-addressing table of texts.
 */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#include "steward/mem.h"

static uint64_t hash(const char *text)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (; *text; text++)
        h = (h ^ (unsigned char) *text) * UINT64_C(1099511628211);
    return h ^ (h >> 29);
}

/* The slot that holds the text, or the free one where it belongs. */
static size_t find_slot(const struct names *n, const char *text)
{
    size_t at = hash(text) & (n->n_slots - 1);

    while (n->slots[at] != NO_NAME && strcmp(n->texts[n->slots[at]], text) != 0)
        at = (at + 1) & (n->n_slots - 1);
    return at;
}

static void grow(struct names *n)
{
    free(n->slots);
    n->n_slots = n->n_slots ? n->n_slots * 2 : 64;
    n->slots = xmalloc(n->n_slots * sizeof *n->slots);
    memset(n->slots, 0xFF, n->n_slots * sizeof *n->slots);
    for (uint32_t i = 0; i < n->count; i++)
        n->slots[find_slot(n, n->texts[i])] = i;
}

uint32_t names_add(struct names *n, const char *text)
{
    size_t at;

    if (n->count * 2 >= n->n_slots)
        grow(n);
    at = find_slot(n, text);
    if (n->slots[at] != NO_NAME)
        return n->slots[at];
    if (n->count == n->capacity) {
        n->capacity = n->capacity ? n->capacity * 2 : 64;
        n->texts = xrealloc(n->texts, n->capacity * sizeof *n->texts);
    }
    n->texts[n->count] = xstrdup(text);
    n->slots[at] = (uint32_t) n->count;
    return (uint32_t) n->count++;
}

uint32_t names_find(const struct names *n, const char *text)
{
    return n->n_slots && text ? n->slots[find_slot(n, text)] : NO_NAME;
}

void names_done(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->texts[i]);
    free(n->texts);
    free(n->slots);
    *n = (struct names){ 0 };
}
