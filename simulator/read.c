/*
 * read.c - Describe and List of every kind: a body cut to the shape that the operation answers
 * with.
 *
 * Pages go from the newest to the oldest; a token names the last row seen, so rows that come and go
 * do not shift it.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "steward/json.h"
#include "steward/mem.h"

#define PAGE_MAX 100

// NOLINTNEXTLINE(misc-no-recursion): as deep as the shapes of the model, below 10
json_t *shape_project(const struct service_shape *shape, const json_t *value)
{
    json_t *out;

    if (shape->type != SHAPE_STRUCTURE || !json_is_object(value))
        return json_incref((json_t *) value);
    out = json_object();
    for (size_t i = 0; i < shape->n_members; i++) {
        const json_t *member = json_object_get(value, shape->members[i].name);

        if (member && !json_is_null(member))
            json_object_set_new_nocheck(out, shape->members[i].name,
                                        shape_project(shape->members[i].shape, member));
    }
    return out;
}

static const struct service_shape *shape_named(const char *name)
{
    return service_shape_find(&service_personalize, name);
}

enum wire_error op_describe(struct call *c, const struct sim_kind *kind)
{
    const char *arn = call_text(c, kind->arn_member);
    const struct resource *r = world_find_kind(&c->sim->world, arn, kind->id);

    (void) str_copy(c->arn, sizeof c->arn, arn);
    if (!r)
        return call_not_found(c, arn);
    c->out = json_object();
    json_object_set_new(c->out, kind->member, shape_project(shape_named(kind->shape), r->body));
    return WIRE_OK;
}

static int compare_rows(const void *a, const void *b)
{
    const struct page_row *x = a, *y = b;

    if (x->created_ms != y->created_ms)
        return x->created_ms < y->created_ms ? 1 : -1;
    return strcmp(x->key, y->key);
}

/* "<operation>|<filter>|<milliseconds>|<key>" with a check sum before it, in base64. */
static char *token_make(const struct call *c, const struct page *page, const struct page_row *last)
{
    AUTO_FREE char *text =
        xasprintf("%s|%s|%lld|%s", c->operation, page->filter ? page->filter : "",
                  (long long) last->created_ms, last->key);
    char digest[HEX_SHA256];
    AUTO_FREE char *whole = NULL;

    sha256_hex(text, strlen(text), digest);
    whole = xasprintf("%.16s|%s", digest, text);
    return base64_encode(whole, strlen(whole));
}

static bool token_read(const struct call *c, const struct page *page, struct page_row *last)
{
    size_t n = 0;
    AUTO_FREE char *whole = (char *) base64_decode(call_text(c, "nextToken"), &n);
    AUTO_FREE char *bound = xasprintf("%s|%s|", c->operation, page->filter ? page->filter : "");
    char digest[HEX_SHA256], *text, *key;

    if (!whole || n < 18 || whole[16] != '|' || memchr(whole, '\0', n))
        return false;
    whole = xrealloc(whole, n + 1);
    whole[n] = '\0';
    text = whole + 17;
    sha256_hex(text, strlen(text), digest);
    if (memcmp(digest, whole, 16) != 0 || !str_starts(text, bound))
        return false;
    text += strlen(bound);
    key = strchr(text, '|');
    if (!key)
        return false;
    last->created_ms = strtoll(text, NULL, 10);
    last->key = xstrdup(key + 1); /* the caller frees it */
    return true;
}

enum wire_error page_answer(struct call *c, const struct page *page)
{
    size_t from = 0, limit = (size_t) json_int_or(c->in, "maxResults", PAGE_MAX);
    json_t *list = json_array();

    c->out = json_object();
    json_object_set_new(c->out, page->member, list);
    qsort(page->rows, page->count, sizeof *page->rows, compare_rows);
    if (call_text(c, "nextToken")) {
        struct page_row last;

        if (!token_read(c, page, &last))
            return call_fail(c, WIRE_INVALID_NEXT_TOKEN,
                             "The nextToken is not valid for this request.");
        while (from < page->count && compare_rows(&page->rows[from], &last) <= 0)
            from++;
        free((char *) last.key);
    }
    for (size_t i = from; i < page->count && i - from < limit; i++)
        json_array_append_new(list, page->show(c, page->rows[i].row));
    if (page->count - from > limit) {
        AUTO_FREE char *token = token_make(c, page, &page->rows[from + limit - 1]);

        json_object_set_new(c->out, "nextToken", json_string(token));
    }
    return WIRE_OK;
}

static json_t *show_summary(const struct call *c, const void *row)
{
    const struct resource *r = row;

    (void) c;
    return shape_project(shape_named(r->kind->summary), r->body);
}

/* What a List bounded by filter shows: the body's own member, or the group for kinds that keep it
 * apart. */
static bool is_in_filter(const struct resource *r, const char *filter)
{
    const char *value = r->kind->list_filter ? resource_text(r, r->kind->list_filter) : NULL;

    if (!filter)
        return true;
    if (!value)
        value = resource_hidden(r, r->kind->list_filter);
    if (!value && str_eq(r->kind->list_filter, "datasetGroupArn"))
        value = resource_group(r);
    return str_eq(value, filter);
}

enum wire_error op_list(struct call *c, const struct sim_kind *kind)
{
    const struct resource_list *all = &c->sim->world.kinds[kind->id];
    const char *filter = kind->list_filter ? call_text(c, kind->list_filter) : NULL;
    AUTO_FREE struct page_row *rows = xmalloc(sizeof *rows * (all->count + 1));
    const struct fault *lag = fault_strike(
        &c->sim->faults, &(struct fault_call){ c->operation, NULL }, FAULT_BIT(FAULT_LIST_LAG));
    struct page page = {
        .rows = rows, .filter = filter, .member = c->model->page_key, .show = show_summary
    };

    if (kind->id == SIM_SOLUTION_VERSION && filter &&
        !world_find_kind(&c->sim->world, filter, SIM_SOLUTION))
        return call_not_found(c, filter);
    for (size_t i = 0; i < all->count; i++) {
        const struct resource *r = all->items[i];

        if (is_in_filter(r, filter) && (!lag || c->now_ms - r->created_ms >= lag->ms))
            rows[page.count++] = (struct page_row){ r->created_ms, r->arn, r };
    }
    if (lag)
        c->fault = "list-lag";
    return page_answer(c, &page);
}

enum wire_error op_get_metrics(struct call *c, const struct sim_kind *kind)
{
    const char *arn = call_text(c, kind->arn_member);
    const struct resource *r = world_find_kind(&c->sim->world, arn, kind->id);

    (void) str_copy(c->arn, sizeof c->arn, arn);
    if (!r)
        return call_not_found(c, arn);
    if (r->life != LIFE_ACTIVE)
        return call_fail(c, WIRE_IN_USE, "Resource %s is in %s state. It must be ACTIVE.", arn,
                         life_text(kind, r->life));
    c->out = json_object();
    json_object_set_new(c->out, "solutionVersionArn", json_string(arn));
    json_object_set(c->out, "metrics", json_object_get(r->hidden, "metrics"));
    return WIRE_OK;
}
