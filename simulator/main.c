/*
 * main.c - personalize-simulator: options, start, loop, end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_plane.h"
#include "ledger.h"
#include "s3.h"
#include "state.h"
#include "steward/clock.h"
#include "steward/conf.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/mem.h"
#include "wire.h"
#include "work.h"

struct options {
    char *listen, *data_dir, *clock, *access_key_id, *secret_access_key, *account_id, *region,
        *load, *log_level;
    int64_t time_scale, signature_window_ms;
    struct conf_list quotas, faults;
    bool is_strict_iam;
};

#define FIELD(f) offsetof(struct options, f)
static const struct conf_option table[] = {
    { "access-key-id", CONF_TEXT, FIELD(access_key_id), "test", "ID",
      "key id that clients sign with", 0, 0, false },
    { "account-id", CONF_TEXT, FIELD(account_id), "123456789012", "DIGITS", "the simulated account",
      0, 0, false },
    { "clock", CONF_TEXT, FIELD(clock), NULL, "RFC3339",
      "where the model clock starts (default: now)", 0, 0, false },
    { "data-dir", CONF_TEXT, FIELD(data_dir), "personalize-simulator-data", "DIR",
      "journal, ledger, data, objects", 0, 0, false },
    { "fault", CONF_LIST, FIELD(faults), NULL, "RULE",
      "OPERATION[/NAME]=FAULT[,key=value...]; may be repeated", 0, 0, false },
    { "listen", CONF_TEXT, FIELD(listen), "127.0.0.1:4580", "HOST:PORT",
      "port 0: the kernel chooses", 0, 0, false },
    { "load", CONF_TEXT, FIELD(load), NULL, "SNAPSHOT",
      "start an empty data directory from this picture", 0, 0, false },
    { "log-level", CONF_TEXT, FIELD(log_level), "info", "LEVEL", "debug, info, warn or error", 0, 0,
      false },
    { "quota", CONF_LIST, FIELD(quotas), NULL, "NAME=N",
      "for example campaigns=10; may be repeated", 0, 0, false },
    { "region", CONF_TEXT, FIELD(region), "us-east-1", "REGION", "the simulated region", 0, 0,
      false },
    { "secret-access-key", CONF_TEXT, FIELD(secret_access_key), "test", "KEY",
      "secret of the key id; a dummy, never a real one", 0, 0, false },
    { "signature-window", CONF_DURATION_MS, FIELD(signature_window_ms), "15m", "DURATION",
      "how far a signature's date may lie from now", 1000, 86400000, false },
    { "strict-iam", CONF_FLAG, FIELD(is_strict_iam), NULL, NULL,
      "roles must be declared with trust and buckets", 0, 0, false },
    { "time-scale", CONF_INTEGER, FIELD(time_scale), "1", "N",
      "durations are divided by N; 0: immediate", 0, 1000000000, false },
};

static const struct conf_program program = {
    .usage = "Usage: personalize-simulator [options]\n\n"
             "A local Amazon Personalize with the S3 and STS it needs: one port, real protocols, "
             "nothing is billed.",
    .env_prefix = "PERSONALIZE_SIMULATOR",
    .options = table,
    .count = ARRAY_LEN(table),
};

struct program_state {
    struct options options;
    struct sim sim;
    struct wire wire;
    uv_loop_t loop;
    uv_signal_t on_term, on_int;
    int lock_fd;
    bool is_stopping;
};

static enum err_code write_file(const char *dir, const char *name, const char *text, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/%s", dir, name), *next = xasprintf("%s.new", path);
    FILE *f = fopen(next, "we");

    if (!f || fputs(text, f) < 0 || fclose(f) != 0 || rename(next, path) != 0)
        return err_set(e, ERR_INTERNAL, "Cannot write %s: %s.", path, strerror(errno));
    return OK;
}

static enum err_code make_dir(const char *path, struct err *e)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return OK;
    return err_set(e, ERR_INTERNAL, "Cannot make %s: %s.", path, strerror(errno));
}

/* The directory belongs to one process; a second one is told so. */
static enum err_code open_data_dir(struct program_state *p, struct err *e)
{
    static const char *const folders[] = { "data", "models" };
    const char *dir = p->options.data_dir;
    AUTO_FREE char *lock = xasprintf("%s/simulator.lock", dir);

    TRY(make_dir(dir, e));
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        AUTO_FREE char *path = xasprintf("%s/%s", dir, folders[i]);

        TRY(make_dir(path, e));
    }
    p->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (p->lock_fd < 0)
        return err_set(e, ERR_INTERNAL, "Cannot open %s: %s.", lock, strerror(errno));
    if (flock(p->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(e, ERR_CONFLICT,
                       "Another simulator uses %s; give this one its own --data-dir.", dir);
    return OK;
}

static const char *partition_of(const char *region)
{
    static const struct {
        const char *prefix, *partition;
    } partitions[] = { { "cn-", "aws-cn" },
                       { "us-gov-", "aws-us-gov" },
                       { "us-iso-", "aws-iso" },
                       { "us-isob-", "aws-iso-b" },
                       { "eusc-", "aws-eusc" } };

    for (size_t i = 0; i < ARRAY_LEN(partitions); i++)
        if (str_starts(region, partitions[i].prefix))
            return partitions[i].partition;
    return "aws";
}

static enum err_code set_quotas(struct program_state *p, struct err *e)
{
    for (size_t i = 0; i < p->options.quotas.count; i++) {
        AUTO_FREE char *text = xstrdup(p->options.quotas.items[i]);
        char *equals = strchr(text, '=');
        int64_t n;

        if (equals)
            *equals = '\0';
        if (!equals || !str_to_i64(equals + 1, 0, INT64_MAX, &n) ||
            !quota_set(p->sim.quotas, text, n))
            return err_set(e, ERR_INVALID, "--quota: \"%s\" is not NAME=N with a known name.",
                           p->options.quotas.items[i]);
    }
    return OK;
}

/* Real credentials have no business here: they would travel in the clear and stand in the
 * environment of tests. */
static bool is_real_key(const char *id)
{
    return strlen(id) == 20 && (str_starts(id, "AKIA") || str_starts(id, "ASIA")) &&
           !str_ends(id, "EXAMPLE");
}

static enum err_code init_sim(struct program_state *p, struct err *e)
{
    struct options *o = &p->options;
    struct sim *s = &p->sim;
    int64_t start = clock_wall_ms();

    if (strlen(o->account_id) != 12 || strspn(o->account_id, "0123456789") != 12)
        return err_set(e, ERR_INVALID, "--account-id: \"%s\" is not 12 digits.", o->account_id);
    if (is_real_key(o->access_key_id))
        return err_set(e, ERR_INVALID,
                       "--access-key-id: that looks like a real AWS key; the simulator takes dummy "
                       "keys only.");
    if (o->clock && !clock_parse(o->clock, &start))
        return err_set(e, ERR_INVALID,
                       "--clock: \"%s\" is not a time such as 2026-01-31T12:00:00Z.", o->clock);
    s->settings = (struct sim_settings){ .account_id = o->account_id,
                                         .region = o->region,
                                         .partition = (char *) partition_of(o->region),
                                         .time_scale = o->time_scale,
                                         .is_strict_iam = o->is_strict_iam };
    s->clock = (struct model_clock){ .base_ms = start, .wall_ms = clock_wall_ms() };
    s->data_dir = o->data_dir;
    s->roles = json_object();
    world_init(&s->world);
    quota_defaults(s->quotas);
    TRY(state_open(s, e));
    TRY(set_quotas(p, e));
    if (o->faults.count) /* the command line replaces what an earlier process had */
        faults_clear(&s->faults);
    for (size_t i = 0; i < o->faults.count; i++)
        TRY(fault_add(&s->faults, o->faults.items[i], e));
    return OK;
}

static enum err_code load_snapshot(struct program_state *p, struct err *e)
{
    AUTO_JSON json_t *snapshot = NULL;
    json_error_t why;

    if (!p->options.load)
        return OK;
    for (size_t k = 0; k < SIM_KIND_COUNT; k++)
        if (p->sim.world.kinds[k].count) /* a restart: the picture was loaded before */
            return OK;
    snapshot = json_load_file(p->options.load, 0, &why);
    if (!snapshot)
        return err_set(e, ERR_INVALID, "--load: %s: %s.", p->options.load, why.text);
    return state_load(&p->sim, snapshot, e);
}

static int64_t model_now(void *context)
{
    (void) context;
    return clock_wall_ms();
}

static enum err_code open_s3(struct program_state *p, struct err *e)
{
    AUTO_FREE char *dir = xasprintf("%s/s3", p->options.data_dir);
    const struct s3_options options = { .directory = dir,
                                        .account_id = p->options.account_id,
                                        .region = p->options.region,
                                        .clock = { model_now, NULL } };

    return s3_store_open(&options, &p->sim.s3, e);
}

static void on_settled(struct sim *s)
{
    wire_settle(s->owner);
}

static enum err_code open_server(struct program_state *p, struct err *e)
{
    static const struct http_header_pair headers[] = { { "x-steward-simulator", "1" },
                                                       { NULL, NULL } };
    AUTO_FREE char *host = xstrdup(p->options.listen);
    char *colon = strrchr(host, ':');
    int64_t port;
    struct wire *w = &p->wire;
    struct http_options options = { .default_headers = headers,
                                    .on_headers = wire_on_headers,
                                    .on_request = wire_on_request,
                                    .receive_deadline_ms = 120000,
                                    .answer_deadline_ms = 60000,
                                    .uri_limit_bytes = 16384,
                                    .connection_memory_bytes = 65536,
                                    .body_limit_bytes = (size_t) 4 << 20,
                                    .context = w };

    if (!colon || !str_to_i64(colon + 1, 0, 65535, &port))
        return err_set(e, ERR_INVALID, "--listen: \"%s\" is not HOST:PORT.", p->options.listen);
    *colon = '\0';
    options.address = host;
    options.port = (uint16_t) port;
    w->sim = &p->sim;
    w->loop = &p->loop;
    w->access_key_id = p->options.access_key_id;
    w->secret_access_key = p->options.secret_access_key;
    w->signature_window_ms = p->options.signature_window_ms;
    w->timer.data = w;
    uuid_new(w->instance_id);
    (void) uv_timer_init(&p->loop, &w->timer);
    p->sim.owner = w;
    p->sim.on_settled = on_settled;
    TRY(ledger_open(p->options.data_dir, &w->ledger, e));
    return http_server_open(&p->loop, &options, &w->server, e);
}

/* File names that resources refer to: imported and streamed data, models. */
static json_t *files_in_use(const struct world *w)
{
    static const char *const members[] = { "stream", "model" };
    json_t *used = json_object();

    for (size_t k = 0; k < SIM_KIND_COUNT; k++) {
        for (size_t i = 0; i < w->kinds[k].count; i++) {
            const json_t *hidden = w->kinds[k].items[i]->hidden,
                         *files = json_object_get(hidden, "files");

            for (size_t f = 0; f < json_array_size(files); f++)
                json_object_set_new(used, json_string_value(json_array_get(files, f)), json_true());
            for (size_t m = 0; m < ARRAY_LEN(members); m++)
                if (json_text(hidden, members[m]))
                    json_object_set_new(used, json_text(hidden, members[m]), json_true());
        }
    }
    return used;
}

/* Data of earlier FULL imports and models of deleted versions stay while the process runs, since a
   job may still read them; the next start removes what nobody refers to. */
static void sweep(const struct sim *s, const char *folder)
{
    AUTO_JSON json_t *used = files_in_use(&s->world);
    AUTO_FREE char *path = xasprintf("%s/%s", s->data_dir, folder);
    DIR *dir = opendir(path);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        AUTO_FREE char *name = xasprintf("%s/%s", folder, entry->d_name);

        if (entry->d_name[0] != '.' && !json_object_get(used, name) &&
            unlinkat(dirfd(dir), entry->d_name, 0) != 0)
            log_event(LOG_WARN, "simulator", "file_not_removed", "file=%s", log_quote(name));
    }
    if (dir)
        (void) closedir(dir);
}

/* Jobs that were in progress when the last process ended begin their work again. */
static void resume_work(struct sim *s)
{
    for (size_t k = 0; k < SIM_KIND_COUNT; k++)
        for (size_t i = 0; i < s->world.kinds[k].count; i++) {
            struct resource *r = s->world.kinds[k].items[i];

            if (r->life == LIFE_IN_PROGRESS && !r->is_work_done && r->kind->start_work)
                r->is_working = r->kind->start_work(s, r);
        }
}

static void announce(struct program_state *p)
{
    char text[256];
    unsigned port = http_server_port(p->wire.server);
    const char *host = p->options.listen;
    struct err e;

    (void) snprintf(text, sizeof text, "%ld\n", (long) getpid());
    if (write_file(p->options.data_dir, "simulator.pid", text, &e))
        log_error("simulator", "pid_file", &e);
    (void) snprintf(text, sizeof text, "%u\n", port);
    if (write_file(p->options.data_dir, "simulator.port", text, &e))
        log_error("simulator", "port_file", &e);
    (void) printf("personalize-simulator listening on http://%.*s:%u\n",
                  (int) (strrchr(host, ':') - host), host, port);
    (void) fflush(stdout);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct program_state *p = handle->data;

    (void) signum;
    if (p->is_stopping)
        return;
    p->is_stopping = true;
    http_server_quiesce(p->wire.server);
    uv_stop(&p->loop);
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void) context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void stop(struct program_state *p)
{
    AUTO_FREE char *pid = xasprintf("%s/simulator.pid", p->options.data_dir);

    (void) unlink(pid);
    wire_close(&p->wire);
    http_server_close(p->wire.server);
    while (p->sim.working > 0) /* pool threads still use the stores */
        (void) uv_run(&p->loop, UV_RUN_ONCE);
    (void) uv_run(&p->loop, UV_RUN_NOWAIT);
    uv_walk(&p->loop, close_handle, NULL);
    (void) uv_run(&p->loop, UV_RUN_DEFAULT);
    (void) uv_loop_close(&p->loop);
}

static void done(struct program_state *p)
{
    runtime_done();
    state_close(&p->sim);
    world_done(&p->sim.world);
    faults_clear(&p->sim.faults);
    json_decref(p->sim.roles);
    s3_store_close(p->sim.s3);
    ledger_close(p->wire.ledger);
    if (p->lock_fd >= 0)
        (void) close(p->lock_fd);
    conf_done(&program, &p->options);
}

static enum err_code serve(struct program_state *p, struct err *e)
{
    TRY(open_data_dir(p, e));
    TRY(open_s3(p, e));
    TRY(init_sim(p, e));
    TRY(load_snapshot(p, e));
    TRY(open_server(p, e));
    sweep(&p->sim, "data");
    sweep(&p->sim, "models");
    work_use_loop(&p->loop);
    resume_work(&p->sim);
    life_advance(&p->sim);
    state_flush(&p->sim);
    (void) uv_signal_init(&p->loop, &p->on_term);
    (void) uv_signal_init(&p->loop, &p->on_int);
    p->on_term.data = p->on_int.data = p;
    (void) uv_signal_start(&p->on_term, on_signal, SIGTERM);
    (void) uv_signal_start(&p->on_int, on_signal, SIGINT);
    wire_schedule(&p->wire);
    announce(p);
    (void) uv_run(&p->loop, UV_RUN_DEFAULT);
    stop(p);
    return OK;
}

int main(int argc, char **argv)
{
    static struct program_state p = { .lock_fd = -1 };
    enum log_level level;
    bool is_help;
    struct err e;
    int status = 0;

    (void) argc;
    (void) sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    mem_init();
    if (conf_parse(&program, argv + 1, &p.options, NULL, &is_help, &e)) {
        (void) fprintf(stderr, "personalize-simulator: %s\n", e.message);
        return 2;
    }
    if (is_help)
        return 0;
    if (!log_level_parse(p.options.log_level, &level)) {
        (void) fprintf(stderr, "personalize-simulator: --log-level: debug, info, warn or error.\n");
        return 2;
    }
    log_init(level, false);
    (void) uv_loop_init(&p.loop);
    if (serve(&p, &e)) {
        (void) fprintf(stderr, "personalize-simulator: %s\n", e.message);
        status = e.code == ERR_INVALID ? 2 : e.code == ERR_CONFLICT ? 3 : 1;
    }
    done(&p);
    return status;
}
