/*
 * router_test.c - which route a raw path takes, and which it must never take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "steward/http.h"

static const struct router_entry table[] = {
    { "GET", "/configs" },                     /* 0 */
    { "POST", "/configs" },                    /* 1 */
    { "POST", "/configs/validate" },           /* 2 */
    { "GET", "/configs/{name}" },              /* 3 */
    { "DELETE", "/configs/{name}" },           /* 4 */
    { "GET", "/configs/{name}/versions/{n}" }, /* 5 */
    { "GET", "/configs/plan/{rest...}" },      /* 6 */
    { "GET", "/ui/{rest...}" },                /* 7 */
    { "GET", "/" },                            /* 8 */
    { "HEAD", "/own" },                        /* 9 */
    { "GET", "/own" },                         /* 10 */
    { "GET", "/a/{x}/c" },                     /* 11 */
    { "GET", "/a/b/{y}" },                     /* 12 */
    { "GET", "/{a}/{b}/{c}/{d}/{e}/{f}" },     /* 13 */
};

struct expectation {
    const char *method, *path;
    int route; /* -1: not found, -2: method not allowed */
    const char *params[2];
    const char *allow;
};

static const struct expectation expectations[] = {
    { "GET", "/configs", 0, { NULL }, NULL },
    { "HEAD", "/configs", 0, { NULL }, NULL },
    { "POST", "/configs", 1, { NULL }, NULL },
    { "PUT", "/configs", -2, { NULL }, "GET, HEAD, POST" },
    { "OPTIONS", "/configs/movies", -2, { NULL }, "GET, HEAD, DELETE" },
    { "POST", "/configs/validate", 2, { NULL }, NULL },
    { "GET", "/configs/validate", 3, { "validate" }, NULL }, /* the literal knows no GET */
    { "PUT", "/configs/validate", -2, { NULL }, "POST, GET, HEAD, DELETE" },
    { "GET", "/configs/movies", 3, { "movies" }, NULL },
    { "GET", "/configs/movies?view=effective", 3, { "movies" }, NULL },
    { "GET", "/configs/a%20b", 3, { "a b" }, NULL },
    { "GET", "/configs/%C3%A4", 3, { "\xC3\xA4" }, NULL },
    { "GET", "/configs/a+b", 3, { "a+b" }, NULL }, /* + is a blank only in queries */
    { "GET", "/%63onfigs", 0, { NULL }, NULL },
    { "GET", "/configs/movies/versions/12", 5, { "movies", "12" }, NULL },
    { "GET",
      "/configs/plan/versions/12",
      6,
      { "versions/12" },
      NULL }, /* the literal first, even with {rest...} */
    { "GET", "/configs/plan/x/y", 6, { "x/y" }, NULL },
    { "GET", "/ui/", 7, { "" }, NULL },
    { "GET", "/ui/js/app.js", 7, { "js/app.js" }, NULL },
    { "GET", "/ui/a%20b/c", 7, { "a b/c" }, NULL },
    { "GET", "/ui", -1, { NULL }, NULL },
    { "GET", "/", 8, { NULL }, NULL },
    { "HEAD", "/own", 9, { NULL }, NULL },
    { "POST", "/own", -2, { NULL }, "HEAD, GET" },
    { "GET", "/a/b/c", 12, { "c" }, NULL }, /* literal first */
    { "GET", "/a/z/c", 11, { "z" }, NULL },
    { "GET", "/a/b/d", 12, { "d" }, NULL },
    { "GET", "/a/z/d", -1, { NULL }, NULL },
    { "GET", "/configs/", -1, { NULL }, NULL }, /* an empty segment is no name */
    { "GET", "/configs//versions/1", -1, { NULL }, NULL },
    { "GET", "//configs", -1, { NULL }, NULL },
    { "GET", "", -1, { NULL }, NULL },
    { "GET", "configs", -1, { NULL }, NULL },
    { "OPTIONS", "*", -1, { NULL }, NULL },
    { "GET", "/Configs", -1, { NULL }, NULL },
    { "GET", "/configs/%00", -1, { NULL }, NULL },
    { "GET", "/configs/a%00b", -1, { NULL }, NULL },
    { "GET", "/configs/a%2fb", -1, { NULL }, NULL },
    { "GET", "/configs/a%2Fb", -1, { NULL }, NULL },
    { "GET", "/configs/a%5cb", -1, { NULL }, NULL },
    { "GET", "/configs/a\\b", -1, { NULL }, NULL },
    { "GET", "/configs/..", -1, { NULL }, NULL },
    { "GET", "/configs/.", -1, { NULL }, NULL },
    { "GET", "/configs/%2e%2E", -1, { NULL }, NULL },
    { "GET", "/configs/%2e", -1, { NULL }, NULL },
    { "GET", "/ui/../configs", -1, { NULL }, NULL },
    { "GET", "/ui/%2e./configs", -1, { NULL }, NULL },
    { "GET", "/ui/a%2fb", -1, { NULL }, NULL },
    { "GET", "/configs/%zz", -1, { NULL }, NULL },
    { "GET", "/configs/%4", -1, { NULL }, NULL },
    { "GET", "/configs/...", 3, { "..." }, NULL },
    { "GET", "/configs/%252e%252e", 3, { "%2e%2e" }, NULL }, /* decoded once, never twice */
    { "GET", "/1/2/3/4/5/6", 13, { "1", "2" }, NULL },
    { "GET", "/1/2/3/4/5/6/7", -1, { NULL }, NULL },
    { "GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20", -1, { NULL }, NULL },
    { "GET",
      "/ui/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18",
      7,
      { "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18" },
      NULL },
};

static void check(const struct router *r, const struct expectation *x)
{
    AUTO_ARENA struct arena arena = { 0 };
    struct route_match match;
    char allow[64];
    enum router_verdict v =
        router_match(r, x->method, x->path, &match, &arena, allow, sizeof allow);

    print_message("%s %s\n", x->method, x->path);
    if (x->route < 0) {
        assert_int_equal(v, x->route == -1 ? ROUTER_NOT_FOUND : ROUTER_METHOD_NOT_ALLOWED);
        assert_string_equal(allow, x->allow ? x->allow : "");
        assert_int_equal(match.n_params, 0);
        return;
    }
    assert_int_equal(v, ROUTER_FOUND);
    assert_int_equal(match.route, x->route);
    for (size_t i = 0; i < ARRAY_LEN(x->params) && x->params[i]; i++) {
        assert_true(i < match.n_params);
        assert_string_equal(match.params[i], x->params[i]);
    }
}

static void test_table(void **state)
{
    struct router *r = router_new(table, ARRAY_LEN(table));

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(expectations); i++)
        check(r, &expectations[i]);
    router_free(r);
}

static void test_parameter_counts(void **state)
{
    AUTO_ARENA struct arena arena = { 0 };
    struct router *r = router_new(table, ARRAY_LEN(table));
    struct route_match match;

    (void) state;
    assert_int_equal(router_match(r, "GET", "/a/b/c", &match, &arena, NULL, 0), ROUTER_FOUND);
    assert_int_equal(match.n_params, 1); /* what a dead branch collected is gone */
    assert_int_equal(router_match(r, "GET", "/1/2/3/4/5/6", &match, &arena, NULL, 0), ROUTER_FOUND);
    assert_int_equal(match.n_params, 6);
    assert_string_equal(match.params[5], "6");
    router_free(r);
}

static void test_allow_is_cut_not_overrun(void **state)
{
    AUTO_ARENA struct arena arena = { 0 };
    struct router *r = router_new(table, ARRAY_LEN(table));
    struct route_match match;
    char allow[12];

    (void) state;
    memset(allow, 'x', sizeof allow);
    assert_int_equal(router_match(r, "PUT", "/configs", &match, &arena, allow, 8),
                     ROUTER_METHOD_NOT_ALLOWED);
    assert_true(strlen(allow) < 8);
    assert_int_equal(allow[8], 'x');
    assert_int_equal(router_match(r, "PUT", "/configs", &match, &arena, NULL, 0),
                     ROUTER_METHOD_NOT_ALLOWED);
    router_free(r);
    router_free(NULL);
}

/* The API builds its table on the stack of its start; the router once pointed into it. */
static void test_the_table_may_go(void **state)
{
    AUTO_ARENA struct arena arena = { 0 };
    struct router_entry *entries = xcalloc(1, sizeof *entries);
    struct router *r;
    struct route_match match;

    (void) state;
    entries[0] = (struct router_entry){ "GET", "/a/{x}" };
    r = router_new(entries, 1);
    free(entries);
    assert_int_equal(router_match(r, "GET", "/a/b", &match, &arena, NULL, 0), ROUTER_FOUND);
    router_free(r);
}

static void test_empty_table(void **state)
{
    AUTO_ARENA struct arena arena = { 0 };
    struct router *r = router_new(NULL, 0);
    struct route_match match;

    (void) state;
    assert_int_equal(router_match(r, "GET", "/", &match, &arena, NULL, 0), ROUTER_NOT_FOUND);
    router_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_parameter_counts),
        cmocka_unit_test(test_allow_is_cut_not_overrun),
        cmocka_unit_test(test_the_table_may_go),
        cmocka_unit_test(test_empty_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
