/*
 * quota_line.h - the line before a quota of the service, as SQL that the mark and the admission
 * share.
 *
 * A quota counts jobs and versions in progress in the account. Who waits for one stands in line
 * (steps.quota_since); the order is fair across configs: whose config has less in progress goes
 * first, then whose had its last turn longest ago, then who has waited longest. Private to
 * server/store.
 */
#ifndef STEWARD_STORE_QUOTA_LINE_H
#define STEWARD_STORE_QUOTA_LINE_H

/* SQL has its own layout. */
/* clang-format off */
/* (kind, config, n): what is in progress, or may be. The list of kinds is that of the index steps_in_progress. */
#define QUOTA_USED(condition)                                                                                \
    "SELECT s.kind, coalesce(r.config, '') AS config, count(*) AS n FROM steps s JOIN runs r ON r.id = s.run_id" \
    " WHERE s.state IN ('ready', 'waiting') AND s.intent_op = 'create' AND s.intent_state IN ('maybe_sent', 'saved')" \
    " AND s.kind IN ('datasetImportJob', 'solutionVersion', 'batchInferenceJob', 'batchSegmentJob')" condition \
    " GROUP BY 1, 2"
/* (id, kind, config, since): who stands in line. */
#define QUOTA_LINE(condition)                                                                                \
    "SELECT s.id, s.kind, coalesce(r.config, '') AS config, s.quota_since AS since FROM steps s"             \
    " JOIN runs r ON r.id = s.run_id WHERE s.quota_since IS NOT NULL AND s.state IN ('ready', 'waiting')" condition
/* (id, kind, place) from the above as line and used: places count from 1, what is in progress included. */
#define QUOTA_PLACES                                                                                         \
    "SELECT n.id, n.kind, row_number() OVER (PARTITION BY n.kind ORDER BY coalesce(u.n, 0) + n.nth," \
    " t.served_at NULLS FIRST, n.since, n.id)"                                                               \
    " + (SELECT coalesce(sum(x.n), 0) FROM used x WHERE x.kind = n.kind) AS place"                           \
    " FROM (SELECT l.*, row_number() OVER (PARTITION BY l.kind, l.config ORDER BY l.since, l.id) AS nth FROM line l) n" \
    " LEFT JOIN used u ON u.kind = n.kind AND u.config = n.config"                                           \
    " LEFT JOIN quota_turns t ON t.kind = n.kind AND t.config = n.config"
/* clang-format on */
#endif
