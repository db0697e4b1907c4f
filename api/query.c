/*
 * query.c - query parameters: known names only, typed values, and cursors that belong to their
 * list.
 *
 * A cursor is the key of the last row shown behind a hash over the path, the filters and that key:
 * opaque, and refused with another list's filters.
 */
#include <stdio.h>
#include <string.h>

#include "api_private.h"
#include "steward/clock.h"

static bool is_mutating(const struct call *c)
{
    return !str_eq(c->route->method, "GET");
}

static bool is_known(const struct call *c, const char *name)
{
    if (str_eq(name, "pretty") || (is_mutating(c) && str_eq(name, "dryRun")))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(c->route->query) && c->route->query[i]; i++)
        if (str_eq(c->route->query[i], name))
            return true;
    return false;
}

static const char *known_names(const struct call *c)
{
    struct buf names = { 0 };
    const char *text;

    for (size_t i = 0; i < ARRAY_LEN(c->route->query) && c->route->query[i]; i++)
        buf_printf(&names, "%s, ", c->route->query[i]);
    buf_adds(&names, is_mutating(c) ? "dryRun, pretty" : "pretty");
    text = arena_strdup(c->arena, names.data);
    buf_done(&names);
    return text;
}

/* Filters that mean "one of these" when they are repeated; everything else makes sense once. */
static bool is_repeatable(const char *name)
{
    static const char *const names[] = { "status", "kind", "trigger", "type", "token", "method" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(names[i], name))
            return true;
    return false;
}

static bool is_repeated(const struct call *c, size_t at, const char *name)
{
    const char *other, *value;

    for (size_t i = 0; i < at; i++)
        if (http_query_at(c->rq, i, &other, &value) && str_eq(other, name))
            return true;
    return false;
}

static bool check_flag(struct call *c, const char *name, bool *out)
{
    if (query_flag(c, name, out))
        return true;
    answer_problemf(c, 400, "bad-parameter", "%s is true or false, not \"%.40s\".", name,
                    http_query(c->rq, name));
    return false;
}

// NOLINTNEXTLINE(readability-function-size): one rule after the other
bool query_check(struct call *c)
{
    bool is_pretty;

    for (size_t i = 0; i < http_query_count(c->rq); i++) {
        const char *name, *value;

        if (!http_query_at(c->rq, i, &name, &value))
            break;
        if (!is_known(c, name)) {
            answer_problemf(c, 400, "unknown-parameter",
                            "There is no query parameter \"%.60s\" here; there are: %s.", name,
                            known_names(c));
            return false;
        }
        if (!is_repeatable(name) && is_repeated(c, i, name)) {
            answer_problemf(c, 400, "repeated-parameter",
                            "\"%.60s\" is given more than once; it takes one value.", name);
            return false;
        }
        if (!str_is_utf8(value, strlen(value))) {
            answer_problemf(c, 400, "bad-parameter", "The value of \"%.60s\" is not valid UTF-8.",
                            name);
            return false;
        }
    }
    return check_flag(c, "pretty", &is_pretty) && check_flag(c, "prune", &c->is_prune) &&
           (!is_mutating(c) || check_flag(c, "dryRun", &c->is_dry_run));
}

bool query_flag(const struct call *c, const char *name, bool *out)
{
    const char *value = http_query(c->rq, name);

    *out = value && (str_eq(value, "") || str_eq(value, "true") || str_eq(value, "1"));
    return !value || *out || str_eq(value, "false") || str_eq(value, "0");
}

bool query_integer(struct call *c, const char *name, const int64_t range[2], int64_t *out)
{
    const char *value = http_query(c->rq, name);

    if (!value || str_to_i64(value, range[0], range[1], out))
        return true;
    answer_problemf(c, 400, "bad-parameter", "%s is an integer from %lld to %lld, not \"%.40s\".",
                    name, (long long) range[0], (long long) range[1], value);
    return false;
}

bool query_limit(struct call *c, int64_t *limit, const char **plus_one)
{
    static const int64_t range[2] = { 1, LIMIT_MAX };

    *limit = LIMIT_DEFAULT;
    if (!query_integer(c, "limit", range, limit))
        return false;
    *plus_one = arena_printf(c->arena, "%lld", (long long) *limit + 1);
    return true;
}

bool query_time(struct call *c, const char *name, const char **text)
{
    int64_t ms;

    *text = http_query(c->rq, name);
    if (!*text)
        return true;
    if (!clock_parse(*text, &ms)) {
        answer_problemf(c, 400, "bad-parameter",
                        "%s is a time such as 2026-11-24T06:00:00Z, not \"%.40s\".", name, *text);
        return false;
    }
    return true;
}

static bool is_allowed(const char *const *allowed, const char *value)
{
    for (; *allowed; allowed++)
        if (str_eq(*allowed, value))
            return true;
    return false;
}

bool query_list(struct call *c, const char *name, const char *const *allowed, const char **literal)
{
    size_t count = http_query_count(c->rq), n = 0;
    const char **values = arena_alloc(c->arena, (count + 1) * sizeof *values);
    AUTO_FREE char *text = NULL;

    *literal = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *key, *value;

        if (!http_query_at(c->rq, i, &key, &value) || !str_eq(key, name))
            continue;
        if (allowed && !is_allowed(allowed, value)) {
            answer_problemf(c, 400, "bad-parameter", "%s can not be \"%.40s\".", name, value);
            return false;
        }
        values[n++] = value;
    }
    if (n) {
        text = db_text_array(values, n);
        *literal = arena_strdup(c->arena, text);
    }
    return true;
}

/* The same filters in another order are the same list: a sum does not care. */
static uint64_t filters_hash(const struct call *c)
{
    uint8_t digest[32];
    uint64_t sum, part;

    sha256(http_path(c->rq), strlen(http_path(c->rq)), digest);
    memcpy(&sum, digest, sizeof sum);
    for (size_t i = 0; i < http_query_count(c->rq); i++) {
        const char *name, *value;

        if (!http_query_at(c->rq, i, &name, &value) || str_eq(name, "cursor") ||
            str_eq(name, "limit") || str_eq(name, "pretty"))
            continue;
        sha256(arena_printf(c->arena, "%s=%s", name, value), strlen(name) + 1 + strlen(value),
               digest);
        memcpy(&part, digest, sizeof part);
        sum += part;
    }
    return sum;
}

static void cursor_head(const struct call *c, const char *key, char out[17])
{
    uint8_t digest[32];
    const char *text = arena_printf(c->arena, "%llx %s", (unsigned long long) filters_hash(c), key);

    sha256(text, strlen(text), digest);
    hex_encode(digest, 8, out);
}

char *cursor_make(struct call *c, const char *key)
{
    size_t n = strlen(key);
    char *cursor = arena_alloc(c->arena, 16 + 2 * n + 1);

    cursor_head(c, key, cursor);
    hex_encode((const uint8_t *) key, n, cursor + 16);
    return cursor;
}

static unsigned hex_digit(char x)
{
    return (unsigned) (x <= '9' ? x - '0' : x - 'a' + 10);
}

bool query_cursor(struct call *c, const char **key)
{
    const char *text = http_query(c->rq, "cursor");
    size_t n = text ? strlen(text) : 0;
    char head[17], *out;

    *key = NULL;
    if (!text)
        return true;
    if (n > 16 && n % 2 == 0 && n < 2048 && strspn(text, "0123456789abcdef") == n) {
        out = arena_alloc(c->arena, n / 2);
        for (size_t i = 16; i < n; i += 2)
            out[(i - 16) / 2] = (char) (hex_digit(text[i]) << 4 | hex_digit(text[i + 1]));
        if (str_is_utf8(out, strlen(out))) {
            cursor_head(c, out, head);
            if (memcmp(head, text, 16) == 0)
                return *key = out, true;
        }
    }
    answer_problem(
        c, 400, "bad-cursor",
        "This cursor does not belong to this list with these filters; begin without one.");
    return false;
}
