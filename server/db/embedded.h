/*
 * embedded.h - what the files of the embedded PostgreSQL share.
 *
 *   embedded.c          start, adopt, watch, stop
 *   embedded_cluster.c  the folder: initdb, configuration, passwords, roles
 *   embedded_process.c  the processes: as which user, spawn, postmaster.pid, alive, log
 */
#ifndef STEWARD_DB_EMBEDDED_H
#define STEWARD_DB_EMBEDDED_H

#include <pthread.h>
#include <sys/types.h>

#include "db_internal.h"

#define PG_ADMIN    "steward_admin" /* superuser: makes the others, nothing else */
#define PG_OWNER    "steward_owner" /* owns database and tables: migrations */
#define PG_APP      "steward"       /* reads and writes rows */
#define PG_DATABASE "steward"
#define PG_PORT     "5432" /* part of the socket's name only */

#define PG_GROUPS_MAX 64

/* As whom the children run. */
struct pg_user {
    bool is_other; /* we are root and they are not */
    uid_t uid;
    gid_t gid;
    gid_t groups[PG_GROUPS_MAX];
    int n_groups;
    char name[64];
};

struct pg_embedded {
    char *data_dir; /* absolute, no links */
    char *cluster;  /* DATA_DIR/postgres */
    char *bin, *log_path, *passfile;
    char *runtime_dir; /* holds the socket */
    char *url, *owner_url, *admin_url;
    struct pg_user user;
    int64_t start_timeout_ms;
    _Atomic pid_t pid; /* the watcher changes it */
    bool is_adopted;
    pthread_t watcher;
    bool is_watched;
    int stop_fd; /* eventfd: readable means the watcher has to go */
};

/* ---- embedded_process.c ---- */
MUST_USE enum err_code pg_user_find(const char *name, struct pg_user *out, struct err *e);
/* The user can reach the folder: every parent is open to it. Opens the folder itself to the user's
 * group if need be. */
MUST_USE enum err_code pg_user_can_reach(const struct pg_user *user, const char *dir,
                                         struct err *e);
/* fork + exec in a session of its own, clean environment, output to the log; argv[0] is the full
 * path. -1: failed. */
MUST_USE pid_t pg_spawn(const struct pg_embedded *pg, char *const argv[], bool dies_with_us,
                        struct err *e);
/* The child's exit status once it ended, -1 while it runs. */
int pg_exit_status(pid_t pid);
/* Sleeps until the process is gone; false after timeout_ms (-1: never) or when stop_fd (-1: none)
 * becomes readable. */
bool pg_wait_gone(pid_t pid, int stop_fd, int timeout_ms);
void pg_pause_ms(int ms);

/* postmaster.pid of a cluster. */
struct pg_pidfile {
    pid_t pid;
    char socket_dir[108];
    char status[16]; /* "starting", "ready", "stopping", "" */
};
bool pg_pidfile_read(const struct pg_embedded *pg, struct pg_pidfile *out);
/* The process is alive and a postmaster of this very cluster (not somebody with a reused pid). */
bool pg_is_our_postmaster(const struct pg_embedded *pg, pid_t pid);
off_t pg_log_size(const struct pg_embedded *pg);
/* The last lines that were logged after the given size; the caller owns them. */
char *pg_log_tail(const struct pg_embedded *pg, off_t from);

/* ---- embedded_cluster.c ---- */
/* Finds the programs for the cluster (its version, or the newest for a new one). */
MUST_USE enum err_code pg_find_bin(struct pg_embedded *pg, struct err *e);
MUST_USE enum err_code pg_prepare_passwords(struct pg_embedded *pg, struct err *e);
/* initdb when there is no cluster yet: atomically, a kill in the middle leaves nothing that counts.
 */
MUST_USE enum err_code pg_prepare_cluster(struct pg_embedded *pg, struct err *e);
/* Writes steward.conf for the runtime folder, which is made when it is missing. */
MUST_USE enum err_code pg_prepare_runtime(struct pg_embedded *pg, struct err *e);
/* What interrupted initdbs left; their orphans may still write, so what resists is left to the next
 * call. */
void pg_remove_leftovers(const struct pg_embedded *pg);
void pg_remove_runtime(struct pg_embedded *pg);
void pg_set_runtime(struct pg_embedded *pg, const char *dir); /* and the URLs with it */
/* With the server up: identity and safety settings are what they must be, roles and database exist.
 */
MUST_USE enum err_code pg_check_server(struct pg_embedded *pg, struct err *e);
/* A file of ours, whole or not at all; owner: NULL is us. */
MUST_USE enum err_code pg_write_file(const char *path, const char *text,
                                     const struct pg_user *owner, struct err *e);
/* The whole text; NULL when the file is missing or longer than 64 KiB. */
char *pg_read_file(const char *path);

#endif
