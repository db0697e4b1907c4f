/*
 * fz_router.c - any path: what matches has one normal form and stays inside its segments.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "steward/http.h"
#include "steward/str.h"

static const struct router_entry table[] = {
    { "GET", "/configs" },           { "POST", "/configs" },
    { "POST", "/configs/validate" }, { "GET", "/configs/{name}" },
    { "DELETE", "/configs/{name}" }, { "GET", "/configs/{name}/versions/{n}" },
    { "GET", "/ui/{rest...}" },      { "GET", "/" },
    { "GET", "/a/{x}/c" },           { "GET", "/a/b/{y}" },
    { "PUT", "/{a}/{b}/{c}/{d}" },
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* A parameter holds no byte that moves a segment border or means another directory. */
static void check_param(const char *value, bool is_rest)
{
    check(strchr(value, '\\') == NULL);
    check(is_rest || strchr(value, '/') == NULL);
    check(is_rest || *value);
    check(strcmp(value, ".") != 0 && strcmp(value, "..") != 0);
    check(!str_starts(value, "../") && !str_ends(value, "/..") && strstr(value, "/../") == NULL);
}

/* The route's own path with the parameters encoded again. */
static void normal_form(struct buf *out, const char *path, const struct route_match *m)
{
    size_t param = 0;

    while (*path) {
        size_t n = strcspn(path, "{");

        buf_add(out, path, n);
        path += n;
        if (*path == '{') {
            size_t length = strcspn(path, "}");
            const char *value = m->params[param++];

            uri_encode(out, value, strlen(value), path[length - 1] == '.');
            path += length + 1;
        }
    }
    check(param == m->n_params);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = { "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS" };
    static struct router *router;
    AUTO_ARENA struct arena arena = { 0 };
    AUTO_BUF struct buf again = { 0 };
    struct route_match m, n;
    char allow[64];
    char *path;

    if (!router)
        router = router_new(table, ARRAY_LEN(table));
    if (size < 1)
        return 0;
    path = xstrndup((const char *) data + 1, size - 1);
    if (router_match(router, methods[data[0] % ARRAY_LEN(methods)], path, &m, &arena, allow,
                     sizeof allow) == ROUTER_FOUND) {
        const struct router_entry *entry = &table[m.route];
        bool is_rest = strstr(entry->path, "...}") != NULL;

        for (size_t i = 0; i < m.n_params; i++)
            check_param(m.params[i], is_rest);
        normal_form(&again, entry->path, &m);
        check(router_match(router, entry->method, again.data, &n, &arena, allow, sizeof allow) ==
              ROUTER_FOUND);
        check(n.n_params == m.n_params);
        for (size_t i = 0; i < m.n_params; i++)
            check(strcmp(n.params[i], m.params[i]) == 0);
    } else {
        check(m.n_params == 0);
    }
    free(path);
    return 0;
}
