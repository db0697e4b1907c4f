/*
 * s3_list.c - listing a bucket: keys in byte order, rolled up at a delimiter, a page at a time.
 *
 * The scan is pure over the index. A page starts behind a key or a common prefix; when that is a
 * common prefix, every key below it is behind us too.
 */
#include <string.h>

#include "s3_internal.h"

void s3_list_done(struct s3_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->entries[i].key);
    free(list->entries);
    *list = (struct s3_list){ 0 };
}

struct scan {
    const struct s3_bucket *bucket;
    const char *prefix, *delimiter, *after;
    size_t prefix_n, limit;
    struct s3_list *out;
    size_t capacity;
};

/* First record that does not begin with the n bytes of prefix, which the record at i does. */
static size_t behind_prefix(const struct s3_bucket *b, size_t i, const char *prefix, size_t n)
{
    size_t low = i, high = b->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strncmp(b->records[middle]->key, prefix, n) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Length of the common prefix that the key rolls up to, delimiter included; 0: the key stands for
 * itself. */
static size_t rolled_n(const struct scan *s, const char *key)
{
    const char *found;

    if (str_is_empty(s->delimiter))
        return 0;
    found = strstr(key + s->prefix_n, s->delimiter);
    return found ? (size_t) (found - key) + strlen(s->delimiter) : 0;
}

static bool is_full(struct scan *s)
{
    if (s->limit > 0 && s->out->count == s->limit) {
        s->out->is_truncated = true;
        return true;
    }
    return false;
}

static void add(struct scan *s, const struct s3_record *r, size_t prefix_n)
{
    struct s3_list *l = s->out;
    struct s3_entry *entry;

    if (l->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        l->entries = xrealloc(l->entries, s->capacity * sizeof *l->entries);
    }
    entry = &l->entries[l->count++];
    *entry = (struct s3_entry){ .is_prefix = prefix_n > 0 };
    entry->key = prefix_n > 0 ? xstrndup(r->key, prefix_n) : xstrdup(r->key);
    if (prefix_n == 0)
        entry->stat = r->stat;
}

void s3_list_scan(const struct s3_bucket *bucket, const struct s3_query *query, struct s3_list *out)
{
    struct scan s = { .bucket = bucket,
                      .prefix = query->prefix ? query->prefix : "",
                      .delimiter = query->delimiter,
                      .after = query->after ? query->after : "",
                      .limit = query->limit,
                      .out = out };
    size_t i;

    *out = (struct s3_list){ 0 };
    s.prefix_n = strlen(s.prefix);
    i = s3_record_bound(bucket, strcmp(s.after, s.prefix) > 0 ? s.after : s.prefix);
    while (i < bucket->count && strncmp(bucket->records[i]->key, s.prefix, s.prefix_n) == 0) {
        const struct s3_record *r = bucket->records[i];
        size_t n = rolled_n(&s, r->key);
        bool is_behind = n > 0 ? strncmp(s.after, r->key, n) == 0 && s.after[n] == '\0'
                               : strcmp(r->key, s.after) == 0;

        if (!is_behind) {
            if (is_full(&s))
                return;
            add(&s, r, n);
        }
        i = n > 0 ? behind_prefix(bucket, i, r->key, n) : i + 1;
    }
}

enum s3_code s3_list_of(struct s3_store *store, const struct s3_query *query, struct s3_list *out)
{
    const struct s3_bucket *b;

    *out = (struct s3_list){ 0 };
    uv_mutex_lock(&store->lock);
    b = s3_bucket_find(store, query->bucket);
    if (b)
        s3_list_scan(b, query, out);
    uv_mutex_unlock(&store->lock);
    return b ? S3_OK : S3_NO_SUCH_BUCKET;
}
