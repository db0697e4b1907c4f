/*
 * configs.c - reading configs: desired state, its versions, and what it owns.
 */
#include <string.h>

#include "api_private.h"
#include "config_diff.h"
#include "steward/configs_store.h"
#include "steward/recipes.h"

/* Names of dataset groups as Amazon Personalize takes them. */
static bool is_config_name(const char *name)
{
    size_t n = strlen(name);

    return n >= 1 && n <= 63 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == n;
}

/* Answers 404 for what can not be a name, before any statement is made of it. */
bool config_name_check(struct call *c)
{
    if (is_config_name(c->match.params[0]))
        return true;
    answer_not_found(c, "config", c->match.params[0]);
    return false;
}

static bool take_view(struct call *c, bool *is_effective)
{
    const char *view = http_query(c->rq, "view");

    *is_effective = str_eq(view, "effective");
    if (!view || *is_effective || str_eq(view, "given"))
        return true;
    answer_problem(c, 400, "bad-parameter",
                   "view is \"given\" (the document as sent) or \"effective\".");
    return false;
}

static void config_read(struct call *c)
{
    const char *tag;

    if (!rows_count(c->reply, 0)) {
        answer_not_found(c, "config", c->match.params[0]);
        return;
    }
    tag = arena_printf(c->arena, "v%s", rows_text(c->reply, 0, 0, 1));
    answer_resource(c, rows_text(c->reply, 0, 0, 0), rows_length(c->reply, 0, 0, 0), tag);
}

void api_config_get(struct call *c)
{
    bool is_effective;
    struct db_op op;

    if (!config_name_check(c) || !take_view(c, &is_effective))
        return;
    configs_store_read(c->match.params[0], is_effective, &op);
    call_read(c, &op, 1, config_read);
}

/* The page of op 0; every list here is asked for by a handler that kept its limit in c->state. */
static void page_read(struct call *c)
{
    int64_t *limit = c->state;

    answer_page(c, *limit);
}

/* limit and cursor of a list; the limit stays in the arena. */
static bool take_page(struct call *c, const char **key, const char **plus_one)
{
    int64_t *limit = arena_alloc(c->arena, sizeof *limit);

    c->state = limit;
    return query_limit(c, limit, plus_one) && query_cursor(c, key);
}

void api_configs_list(struct call *c)
{
    const char *after, *rows;
    struct db_op op;

    if (!take_page(c, &after, &rows))
        return;
    configs_store_page(after, rows, &op);
    call_list(c, &op, page_read);
}

/* An empty first page of a config that does not exist is a 404. */
static void exists_read(struct call *c)
{
    if (rows_count(c->reply, 0))
        answer_page(c, *(int64_t *) c->state);
    else
        answer_not_found(c, "config", c->match.params[0]);
}

static void versions_read(struct call *c)
{
    struct db_op op;

    if (rows_count(c->reply, 0) || http_query(c->rq, "cursor")) {
        answer_page(c, *(int64_t *) c->state);
        return;
    }
    configs_store_exists(c->match.params[0], &op);
    call_read(c, &op, 1, exists_read);
}

void api_config_versions(struct call *c)
{
    const char *before, *rows;
    struct db_op op;

    if (!config_name_check(c) || !take_page(c, &before, &rows))
        return;
    configs_store_versions(c->match.params[0], before, rows, &op);
    call_list(c, &op, versions_read);
}

static void version_read(struct call *c)
{
    if (rows_count(c->reply, 0))
        answer_resource(c, rows_text(c->reply, 0, 0, 0), rows_length(c->reply, 0, 0, 0), NULL);
    else
        answer_not_found(c, "version", c->match.params[1]);
}

void api_config_version(struct call *c)
{
    bool is_effective;
    int64_t number;
    struct db_op op;

    if (!config_name_check(c) || !take_view(c, &is_effective))
        return;
    if (!str_to_i64(c->match.params[1], 1, INT64_MAX, &number)) {
        answer_not_found(c, "version", c->match.params[1]);
        return;
    }
    if (http_query(c->rq, "diff")) {
        config_diff_begin(c, is_effective);
        return;
    }
    configs_store_version(c->match.params[0], c->match.params[1], is_effective, &op);
    call_read(c, &op, 1, version_read);
}

/* Ops: existence, then the page: answer_page reads op 0. */
static void resources_exist(struct call *c)
{
    struct db_op op;
    const char *after, *rows;

    if (!rows_count(c->reply, 0)) {
        answer_not_found(c, "config", c->match.params[0]);
        return;
    }
    if (!take_page(c, &after, &rows))
        return;
    configs_store_resources(c->match.params[0], after, rows, &op);
    call_list(c, &op, page_read);
}

void api_config_resources(struct call *c)
{
    struct db_op op;

    if (!config_name_check(c))
        return;
    configs_store_exists(c->match.params[0], &op);
    call_read(c, &op, 1, resources_exist);
}

/* Recipes whose newest version Amazon updates for free, and only that one. */
static const char *updated_recipes(struct call *c)
{
    AUTO_FREE const char **names = xcalloc(n_recipes, sizeof *names);
    AUTO_FREE char *text = NULL;
    size_t n = 0;

    for (size_t i = 0; i < n_recipes; i++)
        if (recipes[i].has_free_updates)
            names[n++] = recipes[i].name;
    text = db_text_array(names, n);
    return arena_strdup(c->arena, text);
}

static void solution_exists(struct call *c)
{
    struct db_op op;
    const char *after, *rows;

    if (!rows_count(c->reply, 0)) {
        answer_not_found(c, "solution", c->match.params[0]);
        return;
    }
    if (!take_page(c, &after, &rows))
        return;
    configs_store_solution_versions(
        &(struct versions_filter){ .solution = c->match.params[0],
                                   .before = after,
                                   .limit = rows,
                                   .updated_recipes = updated_recipes(c) },
        &op);
    call_list(c, &op, page_read);
}

void api_solution_versions(struct call *c)
{
    struct db_op op;

    if (!is_config_name(c->match.params[0])) {
        answer_not_found(c, "solution", c->match.params[0]);
        return;
    }
    configs_store_solution_exists(arena_printf(c->arena, "solution/%s", c->match.params[0]), &op);
    call_read(c, &op, 1, solution_exists);
}
