/*
 * lane_gather.c - small reads that come together share a statement.
 *
 * What a small read costs is mostly the statement around it: binding, starting and ending an
 * executor. So those that ask the very same thing ride on one execution, and those of a statement
 * that has a form for many keys (db.h) on one execution of that. A gather is open until it is sent,
 * so nobody gets rows from before its own request; it is sent at the end of the turn, or when the
 * server has nothing else of the lane to do. Rule: what fails together is asked again alone, so
 * that no rider suffers from another's row.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"
#include "steward/mem.h"
#include "steward/str.h"

#define KEYS_MAX 128
#define OPEN_MAX 8 /* gathers of a lane that newcomers are compared with */

struct rider {
    db_done_fn done;
    void *user;
    size_t key;
};

struct gather {
    struct gather *next;
    struct db *db;
    enum db_lane lane;
    struct db_op op; /* of the only key; parameters are ours */
    char *keys[KEYS_MAX];
    struct rider *riders;
    size_t n_keys, n_riders, capacity;
};

static void gather_free(struct gather *g)
{
    for (int i = 0; i < g->op.stmt->n_params; i++)
        free((char *) g->op.params[i]);
    for (size_t i = 0; i < g->n_keys; i++)
        free(g->keys[i]);
    free(g->riders);
    free(g);
}

/* ---- getting on ---- */

static bool is_same(const struct db_op *a, const struct db_op *b)
{
    for (int i = 0; i < a->stmt->n_params; i++)
        if (!str_eq(a->params[i], b->params[i]))
            return false;
    return true;
}

/* The place of the key among those of the gather; n_keys when it is new there. */
static size_t key_of(const struct gather *g, const char *key)
{
    size_t i = 0;

    while (i < g->n_keys && strcmp(g->keys[i], key) != 0)
        i++;
    return i;
}

static bool has_room(const struct gather *g, const struct db_op *op)
{
    if (g->op.stmt != op->stmt)
        return false;
    return op->many ? key_of(g, op->params[0]) < KEYS_MAX : is_same(&g->op, op);
}

static struct gather *gather_new(struct db *db, enum db_lane lane, const struct db_op *op)
{
    struct gather *g = xcalloc(1, sizeof *g);

    g->db = db;
    g->lane = lane;
    g->op = (struct db_op){ .stmt = op->stmt, .many = op->many };
    for (int i = 0; i < op->stmt->n_params; i++)
        g->op.params[i] = op->params[i] ? xstrdup(op->params[i]) : NULL;
    return g;
}

static void get_on(struct gather *g, const struct db_op *op, struct rider rider)
{
    if (op->many) {
        rider.key = key_of(g, op->params[0]);
        if (rider.key == g->n_keys)
            g->keys[g->n_keys++] = xstrdup(op->params[0]);
    }
    if (g->n_riders == g->capacity) {
        g->capacity = g->capacity ? g->capacity * 2 : 4;
        g->riders = xrealloc(g->riders, g->capacity * sizeof *g->riders);
    }
    g->riders[g->n_riders++] = rider;
}

/* Transactions have no place here, a full lane takes nobody, and nothing begins at the end. */
static bool may_ride(const struct db *db, enum db_lane which, const struct db_request *rq)
{
    const struct lane *lane = &db->lanes[which];
    const struct db_op *op = &rq->ops[0];

    return which != DB_WRITE && rq->n == 1 && !db->is_closing && (!op->many || op->params[0]) &&
           lane->queue.n + lane->n_gathered < lane->kind->queue_max;
}

bool gather_join(struct db *db, enum db_lane which, const struct db_request *rq)
{
    struct gather **at = &db->lanes[which].gathers;
    const struct db_op *op = &rq->ops[0];
    size_t n = 0;

    if (!may_ride(db, which, rq))
        return false;
    while (*at && n < OPEN_MAX && !has_room(*at, op)) {
        at = &(*at)->next;
        n++;
    }
    if (n == OPEN_MAX)
        return false;
    if (!*at)
        *at = gather_new(db, which, op);
    get_on(*at, op, (struct rider){ .done = rq->done, .user = rq->user });
    db->lanes[which].n_gathered++;
    db->n_pending++;
    db_wake(db);
    return true;
}

/* ---- getting off ---- */

static void let_off(struct db *db, const struct rider *rider, const struct db_reply *reply)
{
    db->n_pending--;
    rider->done(reply, rider->user);
}

/* Somebody's row makes the statement fail: each key on its own tells whose. */
static void ask_alone(struct gather *g)
{
    for (size_t i = 0; i < g->n_riders; i++) {
        const struct rider *r = &g->riders[i];
        struct db_op op = { .stmt = g->op.stmt, .params = { g->keys[r->key] } };

        g->db->n_pending--;
        db_submit_alone(g->db, g->lane, &(struct db_request){ &op, 1, r->done, r->user });
    }
}

/* The last column of the rows is the place of their key, from 1. */
static void hand_out_rows(struct gather *g, const struct db_reply *reply)
{
    PGresult *rows = reply->results[0];
    int n = PQntuples(rows), place = PQnfields(rows) - 1;
    size_t at[KEYS_MAX], has[KEYS_MAX] = { 0 };

    for (int i = 0; i < n; i++) {
        size_t key = strtoul(PQgetvalue(rows, i, place), NULL, 10) - 1;

        assert(key < g->n_keys);
        at[key] = (size_t) i;
        has[key] = 1;
    }
    for (size_t i = 0; i < g->n_riders; i++) {
        struct db_reply own = *reply;

        own.first_row = has[g->riders[i].key] ? at[g->riders[i].key] : 0;
        own.rows_max = has[g->riders[i].key];
        let_off(g->db, &g->riders[i], &own);
    }
}

static void arrived(const struct db_reply *reply, void *user)
{
    struct gather *g = user;

    if (g->n_keys > 1 && reply->sqlstate[0])
        ask_alone(g);
    else if (g->n_keys > 1 && !reply->err.code)
        hand_out_rows(g, reply);
    else
        for (size_t i = 0; i < g->n_riders; i++)
            let_off(g->db, &g->riders[i], reply);
    gather_free(g);
}

/* ---- leaving ---- */

void gathers_send(struct lane *lane)
{
    lane->n_gathered = 0;
    while (lane->gathers) {
        struct gather *g = lane->gathers;
        AUTO_FREE char *keys = NULL;
        struct db_op op = g->op;

        lane->gathers = g->next;
        if (g->n_keys > 1) {
            keys = db_text_array((const char *const *) g->keys, g->n_keys);
            op = (struct db_op){ .stmt = g->op.many, .params = { keys } };
        }
        db_submit_alone(g->db, g->lane, &(struct db_request){ &op, 1, arrived, g });
    }
}
