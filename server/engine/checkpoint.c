/*
 * checkpoint.c - what a worker found out becomes rows, in one transaction.
 *
 * Steps, their events, the runs' roll-up. A row that the database refuses must not take its
 * siblings down: then each is written alone.
 */
#include "steward/failpoint.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/str.h"
#include "work.h"

static void collect(const struct work *list, struct checkpoint *cp)
{
    AUTO_JSON json_t *runs = json_object();

    *cp = (struct checkpoint){ .steps = json_array(),
                               .events = json_array(),
                               .run_events = json_array() };
    for (const struct work *w = list; w; w = w->next) {
        if (w->command.type == CMD_CANCEL)
            FP("eng.cancel_seen");
        json_array_append(cp->steps, w->item);
        cp->has_questions |= w->row.kind->id == KIND_APPROVAL || w->row.kind->id == KIND_CAMPAIGN;
        cp->has_versions |= w->row.kind->id == KIND_SOLUTION_VERSION;
        cp->has_config |= w->row.config != NULL;
        cp->has_looked |= w->row.step.goal == GOAL_SEEN;
        cp->has_removed |= w->row.step.goal != GOAL_PRESENT && w->row.step.goal != GOAL_SEEN;
        json_array_extend(cp->events, w->events);
        if (!json_object_get(runs, w->row.run_id)) {
            char id[ID_BYTES];

            id_new("evt", id);
            json_object_set_new(runs, w->row.run_id, json_true());
            json_array_append_new(cp->run_events,
                                  json_pack("{s:s, s:s}", "run_id", w->row.run_id, "event_id", id));
        }
    }
}

/* Whether some step that a quota counts has ended: the next in line may go. */
static bool frees_quota(const struct work *list)
{
    for (; list; list = list->next)
        if (list->row.kind->quota_name && list->command.type != CMD_WAIT &&
            list->command.type != CMD_SAVE)
            return true;
    return false;
}

/* What follows from a step that read a lot. A crash before this is made good by a scheduler. */
static void settle(struct worker *k, const struct work *list)
{
    struct err e;

    for (; list; list = list->next) {
        if (list->command.type != CMD_DONE)
            continue;
        if (list->row.verb == VERB_AUDIT)
            audit_settle(k, list);
        else if (list->row.verb == VERB_IMPORT &&
                 importer_settle(k->engine, k->db, list->row.run_id, &e))
            log_error("engine", "import_not_settled", &e);
    }
}

static enum err_code write_down(struct worker *k, const struct work *list, struct err *e)
{
    struct checkpoint cp;
    enum err_code rc;

    collect(list, &cp);
    FP("eng.save_before_commit");
    rc = step_store_checkpoint(k->db, k->owner, &cp, e);
    FP("eng.save_after_commit");
    if (!rc) {
        ENGINE_COUNT(k->engine, checkpoints, 1);
        ENGINE_COUNT(k->engine, steps_finished, json_array_size(cp.steps) - cp.lost);
        ENGINE_COUNT(k->engine, fence_losses, cp.lost);
        if (cp.ended)
            FP("eng.terminal_after_commit");
        if (cp.ended || frees_quota(list))
            engine_want_admission(k->engine);
        settle(k, list);
    }
    json_decref(cp.steps);
    json_decref(cp.events);
    json_decref(cp.run_events);
    return rc;
}

static void write_one_by_one(struct worker *k, struct work *list)
{
    for (struct work *w = list; w; w = w->next) {
        struct work *rest = w->next;
        struct err e;

        w->next = NULL;
        if (write_down(k, w, &e))
            log_event(LOG_ERROR, "engine", "checkpoint_refused", "run=%s step=%s msg=%s detail=%s",
                      w->row.run_id, w->row.id, log_quote(e.message), log_quote(e.detail));
        w->next = rest;
    }
}

enum err_code checkpoint_write(struct worker *k, struct work *list, struct err *e)
{
    enum err_code rc = write_down(k, list, e);

    if (rc && rc != ERR_UNAVAILABLE && rc != ERR_UNKNOWN_OUTCOME) {
        log_error("engine", "checkpoint_refused", e);
        write_one_by_one(k, list);
        rc = OK;
    }
    return rc;
}
