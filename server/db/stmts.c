/*
 * stmts.c - which statements a connection has prepared: a hash table keyed by the statement's
 * address.
 *
 * Statements are static objects, so the address is the identity. A table belongs to one connection
 * and dies with it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "db_internal.h"
#include "steward/mem.h"

static struct stmt_slot *find(const struct stmt_set *set, const struct db_stmt *stmt)
{
    size_t mask = set->capacity - 1;
    size_t i = (size_t) (((uint64_t) (uintptr_t) stmt * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;

    while (set->slots[i].stmt && set->slots[i].stmt != stmt)
        i = (i + 1) & mask;
    return &set->slots[i];
}

static void grow(struct stmt_set *set)
{
    struct stmt_set bigger = { .n = set->n, .capacity = set->capacity ? set->capacity * 2 : 64 };

    bigger.slots = xcalloc(bigger.capacity, sizeof *bigger.slots);
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i].stmt)
            *find(&bigger, set->slots[i].stmt) = set->slots[i];
    free(set->slots);
    *set = bigger;
}

struct stmt_slot *stmt_set_at(struct stmt_set *set, const struct db_stmt *stmt)
{
    struct stmt_slot *slot;

    if (set->n * 2 >= set->capacity)
        grow(set);
    slot = find(set, stmt);
    if (!slot->stmt) {
        *slot = (struct stmt_slot){ .stmt = stmt };
        set->n++;
    }
    return slot;
}

void stmt_slot_fail(struct stmt_slot *slot, const struct db_failure *why)
{
    if (!slot->failure)
        slot->failure = xmalloc(sizeof *slot->failure);
    *slot->failure = *why;
    slot->state = STMT_FAILED;
}

void stmt_set_done(struct stmt_set *set)
{
    for (size_t i = 0; i < set->capacity; i++)
        free(set->slots[i].failure);
    free(set->slots);
    *set = (struct stmt_set){ 0 };
}
