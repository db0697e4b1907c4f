/*
 * lookup.c - finding things in the compiled-in API model, and matching its patterns.
 *
 * The generated tables are sorted by name, so every lookup is a binary search over constant data.
 */
#include <stdlib.h>
#include <string.h>

#include "service_pattern.h"
#include "steward/service_model.h"
#include "steward/str.h"

/* Every row type begins with its name, which is what the search compares. */
static int compare_name(const void *name, const void *row)
{
    return strcmp(name, *(const char *const *) row);
}

const struct service_operation *service_operation_find(const struct service_model *m,
                                                       const char *name)
{
    return bsearch(name, m->operations, m->n_operations, sizeof *m->operations, compare_name);
}

const struct service_shape *service_shape_find(const struct service_model *m, const char *name)
{
    return bsearch(name, m->shapes, m->n_shapes, sizeof *m->shapes, compare_name);
}

int service_error_status(const struct service_model *m, const char *error)
{
    const struct service_error_status *row = bsearch(error, m->error_statuses, m->n_error_statuses,
                                                     sizeof *m->error_statuses, compare_name);

    return row ? row->status : 400;
}

const struct service_member *service_member_find(const struct service_shape *structure,
                                                 const char *name)
{
    for (size_t i = 0; i < structure->n_members; i++)
        if (strcmp(structure->members[i].name, name) == 0)
            return &structure->members[i];
    return NULL;
}

const struct service_member *service_member_nearest(const struct service_shape *structure,
                                                    const char *name)
{
    const struct service_member *nearest = NULL;
    unsigned best = (unsigned) (strlen(name) / 3 + 1);

    for (size_t i = 0; i < structure->n_members; i++) {
        unsigned d = str_distance(name, structure->members[i].name);

        if (d < best || (d == best && !nearest)) {
            best = d;
            nearest = &structure->members[i];
        }
    }
    return nearest;
}

bool service_operation_declares(const struct service_operation *op, const char *error)
{
    for (size_t i = 0; i < op->n_errors; i++)
        if (strcmp(op->errors[i], error) == 0)
            return true;
    return false;
}

/* Decodes one code point of valid UTF-8 and steps over it. */
static uint32_t next_code_point(const unsigned char **p)
{
    const unsigned char *s = *p;
    uint32_t c = s[0];
    unsigned more = c < 0x80 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;

    if (more)
        c &= 0x3FU >> more;
    for (unsigned i = 1; i <= more; i++) {
        if ((s[i] & 0xC0) != 0x80) { /* not UTF-8: matches nothing but a negated class */
            *p = s + i;
            return 0xFFFD;
        }
        c = (c << 6) | (s[i] & 0x3FU);
    }
    *p = s + 1 + more;
    return c;
}

static bool class_holds(const struct service_class *class, uint32_t c)
{
    size_t low = 0, high = class->n_ranges;

    if (c < 128)
        return (class->ascii[c / 64] >> (c % 64)) & 1;
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (c > class->ranges[middle].to)
            low = middle + 1;
        else if (c < class->ranges[middle].from)
            high = middle;
        else
            return true;
    }
    return false;
}

bool service_pattern_matches(const struct service_shape *shape, const char *text)
{
    const struct service_pattern *p = shape->compiled;
    const unsigned char *at = (const unsigned char *) text;
    uint64_t may = p ? p->first : 0, matched = 0;

    if (!p || !*text)
        return !p || p->is_nullable;
    while (*at) {
        uint32_t c = next_code_point(&at);

        matched = 0;
        for (uint64_t rest = may; rest; rest &= rest - 1) {
            unsigned i = (unsigned) __builtin_ctzll(rest);

            if (class_holds(&service_classes[p->classes[i]], c))
                matched |= (uint64_t) 1 << i;
        }
        if (!matched)
            return false;
        may = 0;
        for (uint64_t rest = matched; rest; rest &= rest - 1)
            may |= p->follow[__builtin_ctzll(rest)];
    }
    return (matched & p->last) != 0;
}
