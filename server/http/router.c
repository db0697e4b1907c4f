/*
 * router.c - a table of routes becomes a tree of path segments.
 *
 * A literal segment wins over {parameter}, which wins over {rest...}; where the better branch leads
 * nowhere, the next one is tried. Works on the raw wire path, so that an escaped slash can never
 * move a segment border: segments with %00, %2f, %5c, a broken escape, or that decode to "." or
 * ".." match nothing. Pure and allocation-free but for the decoded parameters, which go to the
 * caller's arena.
 */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "steward/http.h"
#include "steward/str.h"

#define ROUTER_SEGMENTS_MAX 16
#define ROUTER_PARAMS_MAX   6

struct node {
    char *literal; /* NULL: a parameter */
    struct node *literals, *param, *next;
    size_t *routes; /* indexes of the entries that end here */
    size_t n_routes;
    size_t *rests; /* entries whose {rest...} starts here */
    size_t n_rests;
};

struct router {
    struct router_entry *entries; /* our copy; its texts are the caller's and live for ever */
    size_t n_entries;
    struct node root;
};

struct segment {
    const char *start;
    size_t n;
    const char *decoded; /* filled when first needed; NULL until then */
};

struct search {
    const struct router *router;
    const char *method;
    struct segment segments[ROUTER_SEGMENTS_MAX];
    size_t n_segments;
    const char *path_end;
    struct arena *arena;
    struct route_match *match;
    const char *allowed[16]; /* methods seen where the path matched */
    size_t n_allowed;
};

static void add_index(size_t **list, size_t *n, size_t index)
{
    *list = xrealloc(*list, (*n + 1) * sizeof **list);
    (*list)[(*n)++] = index;
}

static struct node *child_at(struct node *parent, const char *segment, size_t n)
{
    struct node *child;

    if (segment[0] == '{') {
        if (!parent->param)
            parent->param = xcalloc(1, sizeof *parent->param);
        return parent->param;
    }
    for (child = parent->literals; child; child = child->next)
        if (strlen(child->literal) == n && memcmp(child->literal, segment, n) == 0)
            return child;
    child = xcalloc(1, sizeof *child);
    child->literal = xstrndup(segment, n);
    child->next = parent->literals;
    parent->literals = child;
    return child;
}

static void insert(struct router *r, size_t index)
{
    const char *p = r->entries[index].path;
    struct node *at = &r->root;

    assert(*p == '/');
    for (size_t depth = 1; *p; depth++) {
        size_t n = strcspn(++p, "/");

        assert(depth < ROUTER_SEGMENTS_MAX);
        if (n > 4 && p[0] == '{' && memcmp(p + n - 4, "...}", 4) == 0) {
            assert(!p[n]); /* {rest...} comes last */
            add_index(&at->rests, &at->n_rests, index);
            return;
        }
        at = child_at(at, p, n);
        p += n;
    }
    add_index(&at->routes, &at->n_routes, index);
}

struct router *router_new(const struct router_entry *entries, size_t count)
{
    struct router *r = xcalloc(1, sizeof *r);

    r->entries = xcalloc(count, sizeof *entries);
    if (count > 0)
        memcpy(r->entries, entries, count * sizeof *entries);
    r->n_entries = count;
    for (size_t i = 0; i < count; i++)
        insert(r, i);
    return r;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the longest route of our own table */
static void node_done(struct node *node)
{
    while (node->literals) {
        struct node *child = node->literals;

        node->literals = child->next;
        node_done(child);
        free(child);
    }
    if (node->param) {
        node_done(node->param);
        free(node->param);
    }
    free(node->literal);
    free(node->routes);
    free(node->rests);
}

void router_free(struct router *r)
{
    if (!r)
        return;
    node_done(&r->root);
    free(r->entries);
    free(r);
}

static bool method_fits(const char *method, const char *wanted)
{
    return strcmp(method, wanted) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(wanted, "GET") == 0);
}

static void remember_method(struct search *s, const char *method)
{
    for (size_t i = 0; i < s->n_allowed; i++)
        if (strcmp(s->allowed[i], method) == 0)
            return;
    if (s->n_allowed < ARRAY_LEN(s->allowed))
        s->allowed[s->n_allowed++] = method;
}

/* The entry among list that fits the method; HEAD prefers a route of its own. */
static bool pick(struct search *s, const size_t *list, size_t n)
{
    bool is_found = false;

    for (size_t i = 0; i < n; i++) {
        const char *wanted = s->router->entries[list[i]].method;

        remember_method(s, wanted);
        if (strcmp(s->method, wanted) == 0 || (!is_found && method_fits(s->method, wanted))) {
            s->match->route = list[i];
            is_found = true;
        }
    }
    return is_found;
}

/* Decodes; NULL when the text has a broken escape or holds what a parameter must not hold. */
static const char *decode(struct search *s, const char *text, size_t n, bool is_rest)
{
    AUTO_BUF struct buf out = { 0 };
    const char *data;

    if (!memchr(text, '%', n)) {
        data = arena_strndup(s->arena, text, n);
    } else {
        if (!uri_decode(&out, text, n, false) || memchr(out.data, '\0', out.length))
            return NULL;
        for (size_t i = 0; !is_rest && i < out.length; i++)
            if (out.data[i] == '/')
                return NULL;
        data = arena_strndup(s->arena, out.data ? out.data : "", out.length);
    }
    if (strchr(data, '\\'))
        return NULL;
    return data;
}

/* True when the raw segment could be taken for another path by somebody else. */
static bool is_devious(const char *text, size_t n)
{
    AUTO_BUF struct buf out = { 0 };

    if (!memchr(text, '%', n) && !memchr(text, '\\', n))
        return (n == 1 && text[0] == '.') || (n == 2 && memcmp(text, "..", 2) == 0);
    if (!uri_decode(&out, text, n, false))
        return true;
    if (!out.data)
        return false;
    return memchr(out.data, '\0', out.length) || memchr(out.data, '/', out.length) ||
           memchr(out.data, '\\', out.length) || strcmp(out.data, ".") == 0 ||
           strcmp(out.data, "..") == 0;
}

static bool push_param(struct search *s, const char *value)
{
    if (!value || s->match->n_params == ROUTER_PARAMS_MAX)
        return false;
    s->match->params[s->match->n_params++] = value;
    return true;
}

/* Literals are compared decoded, so that /%63onfigs is /configs: one resource, one name in every
 * rule. */
static bool literal_fits(struct search *s, struct segment *segment, const char *literal)
{
    if (!memchr(segment->start, '%', segment->n))
        return strlen(literal) == segment->n && memcmp(literal, segment->start, segment->n) == 0;
    if (!segment->decoded)
        segment->decoded = decode(s, segment->start, segment->n, false);
    return segment->decoded && strcmp(literal, segment->decoded) == 0;
}

static bool rest_fits(struct search *s, const struct node *node, size_t depth)
{
    const char *start = s->segments[depth].start;
    size_t kept = s->match->n_params;
    const char *value;

    if (node->n_rests == 0)
        return false;
    value = decode(s, start, (size_t) (s->path_end - start), true);
    if (push_param(s, value) && pick(s, node->rests, node->n_rests))
        return true;
    s->match->n_params = kept;
    return false;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most ROUTER_SEGMENTS_MAX deep */
static bool descend(struct search *s, const struct node *node, size_t depth)
{
    size_t kept = s->match->n_params;
    struct segment *segment = &s->segments[depth];

    if (depth == s->n_segments)
        return pick(s, node->routes, node->n_routes);
    for (const struct node *child = node->literals; child; child = child->next)
        if (literal_fits(s, segment, child->literal) && descend(s, child, depth + 1))
            return true;
    if (node->param && segment->n > 0) {
        if (!segment->decoded)
            segment->decoded = decode(s, segment->start, segment->n, false);
        if (push_param(s, segment->decoded) && descend(s, node->param, depth + 1))
            return true;
        s->match->n_params = kept;
    }
    return rest_fits(s, node, depth);
}

/* False when the path has a segment that must match nothing, or too many of them for any route but
 * {rest...}. */
static bool split(struct search *s, const char *path)
{
    const char *p = path;

    if (*p != '/')
        return false;
    s->path_end = path + strcspn(path, "?#");
    while (p < s->path_end) {
        const char *start = ++p;

        while (p < s->path_end && *p != '/')
            p++;
        if (is_devious(start, (size_t) (p - start)))
            return false;
        if (s->n_segments < ROUTER_SEGMENTS_MAX)
            s->segments[s->n_segments++] =
                (struct segment){ .start = start, .n = (size_t) (p - start) };
        else
            s->segments[ROUTER_SEGMENTS_MAX - 1].n =
                (size_t) (p - s->segments[ROUTER_SEGMENTS_MAX - 1].start);
    }
    return true;
}

static void write_allow(const struct search *s, char *allow, size_t size)
{
    bool has_head = false;
    size_t used = 0;

    for (size_t i = 0; i < s->n_allowed; i++)
        has_head |= strcmp(s->allowed[i], "HEAD") == 0;
    for (size_t i = 0; i < s->n_allowed && used < size; i++) {
        bool is_get = strcmp(s->allowed[i], "GET") == 0;

        used += str_copy(allow + used, size - used, used ? ", " : "");
        used += str_copy(allow + used, size - used, s->allowed[i]);
        if (is_get && !has_head)
            used += str_copy(allow + used, size - used, ", HEAD");
    }
}

/* NOLINTNEXTLINE(readability-function-size): pure, and called once per server */
enum router_verdict router_match(const struct router *r, const char *method, const char *raw_path,
                                 struct route_match *match, struct arena *arena, char *allow,
                                 size_t size)
{
    struct search s = { .router = r, .method = method, .arena = arena, .match = match };

    match->n_params = 0;
    if (size > 0)
        allow[0] = '\0';
    if (!split(&s, raw_path))
        return ROUTER_NOT_FOUND;
    if (descend(&s, &r->root, 0))
        return ROUTER_FOUND;
    match->n_params = 0;
    if (s.n_allowed == 0)
        return ROUTER_NOT_FOUND;
    write_allow(&s, allow, size);
    return ROUTER_METHOD_NOT_ALLOWED;
}
