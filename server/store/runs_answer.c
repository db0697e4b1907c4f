/*
 * runs_answer.c - the questions of held runs, and their answers.
 *
 * An answer is written on the step that asks; the step is due at once, and whoever has it in hand
 * just now loses it. The engine reads the answer and ends the step.
 */
#include "shapes.h"
#include "steward/runs_store.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt questions = {
    "api_run_questions",
    "SELECT " RUN_STATUS_OF("r") ", r.config, s.id, s.name, s.details -> 'question' ->> 'version',"
    " s.options -> 'answer' IS NOT NULL FROM runs r LEFT JOIN steps s ON s.run_id = r.id AND s.kind = 'approval'"
    " AND s.state = 'waiting' AND s.details -> 'question' IS NOT NULL AND r.config IS NOT NULL WHERE r.id = $1 ORDER BY s.ordinal",
    1
};
static const struct db_stmt answer_question = {
    "api_run_answer_question",
    "WITH hit AS (UPDATE steps SET options = (options::jsonb || jsonb_build_object('answer', $2::jsonb))::json,"
    " wake_at = clock_timestamp(), lease_owner = NULL WHERE id = $1 AND state = 'waiting' AND kind = 'approval'"
    " AND options -> 'answer' IS NULL RETURNING id)"
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit) THEN api_fence('ST001', 'the question is answered') END",
    2
};
/* clang-format on */

void runs_store_questions(const char *run, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &questions, .params = { run } };
}

void runs_store_answer_question(const char *step, const char *answer, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &answer_question, .params = { step, answer } };
}
