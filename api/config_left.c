/*
 * config_left.c - what left a config's file and still lives.
 *
 * It goes on living, and every answer says so, until somebody asks for a prune.
 */
#include "config_left.h"

#include "steward/configs_store.h"

void config_left_read(struct call *c, const struct parameter_file *f, struct db_op *op)
{
    const char **keys = arena_alloc(c->arena, (f->n_components + 1) * sizeof *keys);
    AUTO_FREE char *literal = NULL;

    for (size_t i = 0; i < f->n_components; i++)
        keys[i] = f->components[i].key;
    literal = db_text_array(keys, f->n_components);
    configs_store_left(f->name, arena_strdup(c->arena, literal), op);
}

bool config_left_plan(struct call *c, size_t op, struct plan *plan, enum leftover_use use)
{
    size_t n_rows = rows_count(c->reply, op), n = 0;
    struct plan_leftover *list = arena_alloc(c->arena, (n_rows + 1) * sizeof *list);
    struct err e;

    for (size_t i = 0; i < n_rows; i++) {
        const struct kind *kind = kind_find(rows_text(c->reply, op, i, 1));

        if (kind)
            list[n++] = (struct plan_leftover){ .kind = kind->id,
                                                .key = rows_text(c->reply, op, i, 0),
                                                .name = rows_text(c->reply, op, i, 2),
                                                .is_protected = rows_bool(c->reply, op, i, 3) };
    }
    if (plan_add_leftovers(plan, list, n, use, &e) == OK)
        return true;
    answer_problem(c, 409, "destroy-prevented", e.message);
    return false;
}

void config_left_warn(const struct call *c, size_t op, json_t *warnings)
{
    for (size_t i = 0; i < rows_count(c->reply, op); i++) {
        const struct kind *kind = kind_find(rows_text(c->reply, op, i, 1));

        json_array_append_new(
            warnings,
            json_pack("{s:s, s:s, s:o}", "pointer", "", "code", "left-behind", "detail",
                      json_sprintf("The %s \"%s\" is not in the file any more and goes on living; "
                                   "apply with prune=true (steward apply --prune) to delete it.",
                                   kind ? kind->title : "resource",
                                   rows_text(c->reply, op, i, 2))));
    }
}
