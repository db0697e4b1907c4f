/*
 * plan_cache.c - the configs that schedules were planned from lately, parsed.
 *
 * A version never changes, so an entry is never wrong; the one used longest ago makes room.
 */
#include <stdlib.h>
#include <string.h>

#include "firing_batch.h"
#include "steward/str.h"

#define ENTRIES_MAX 256

struct entry {
    char *config; /* NULL: empty */
    int64_t version;
    uint64_t used; /* greater is later */
    struct parameter_file file;
};

struct plan_cache {
    struct entry entries[ENTRIES_MAX];
    uint64_t clock;
};

struct plan_cache *plan_cache_new(void)
{
    return xcalloc(1, sizeof(struct plan_cache));
}

static void empty(struct entry *entry)
{
    if (!entry->config)
        return;
    parameter_file_done(&entry->file);
    free(entry->config);
    *entry = (struct entry){ 0 };
}

void plan_cache_free(struct plan_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < ENTRIES_MAX; i++)
        empty(&cache->entries[i]);
    free(cache);
}

/* The config's entry of any version, else the one to give up. */
static struct entry *find(struct plan_cache *cache, const char *config)
{
    struct entry *oldest = &cache->entries[0];

    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        struct entry *entry = &cache->entries[i];

        if (entry->config && str_eq(entry->config, config))
            return entry;
        if (entry->used < oldest->used)
            oldest = entry;
    }
    return oldest;
}

enum err_code plan_cache_get(struct plan_cache *cache, struct db_conn *db,
                             const struct due_schedule *s, const struct parameter_file **out,
                             struct err *e)
{
    struct entry *entry = find(cache, s->config);
    AUTO_ARENA struct arena arena = { 0 };
    const char *document;

    entry->used = ++cache->clock;
    if (entry->config && entry->version == s->config_version && str_eq(entry->config, s->config)) {
        *out = &entry->file;
        return OK;
    }
    TRY(firing_store_document(db,
                              &(struct document_query){ .config = s->config,
                                                        .version = s->config_version,
                                                        .arena = &arena },
                              &document, e));
    if (!document)
        return err_set(e, ERR_NOT_FOUND, "The config %s is gone.", s->config);
    empty(entry);
    entry->config = xstrdup(s->config);
    entry->version = s->config_version;
    entry->used = cache->clock;
    parameter_file_parse(document, strlen(document), &entry->file);
    *out = &entry->file;
    return OK;
}
