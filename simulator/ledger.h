/*
 * ledger.h - every call, one line each, in <data-dir>/ledger.jsonl: what was asked, by whom, and
 * whether it had an effect.
 */
#ifndef SIMULATOR_LEDGER_H
#define SIMULATOR_LEDGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "steward/err.h"

struct ledger;

struct ledger_entry {
    const char *service, *operation, *request_id, *access_key_id;
    const json_t *request; /* NULL: none */
    const char *error;     /* NULL: none */
    const char *arn;       /* NULL: none */
    const char *fault;     /* injected; NULL: none */
    int64_t model_ms;
    int status; /* 0: the connection was cut */
    bool has_effect;
};

MUST_USE enum err_code ledger_open(const char *data_dir, struct ledger **out, struct err *e);
void ledger_close(struct ledger *l);
void ledger_add(struct ledger *l, const struct ledger_entry *entry);
/* Entries behind since (their "seq"), at most limit; operation NULL: all. Caller owns the list. */
struct ledger_query {
    int64_t since;
    const char *operation;
    bool effects_only;
    size_t limit;
};
json_t *ledger_read(const struct ledger *l, const struct ledger_query *query);
void ledger_reset(struct ledger *l);

#endif
