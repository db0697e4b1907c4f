/*
 * replay.c - the limit of our database side: a recorded transaction, sent again and again by libpq
 * alone.
 *
 * The recording is what the server itself sent (bench/record.py). Each connection sends the
 * statements of one transaction as a pipeline with one Sync, reads the results, and begins anew. In
 * every parameter the text @@@@@@@@ is replaced by eight characters that are new each time.
 *
 * usage: replay URL RECORDING.json CONNECTIONS SECONDS [IN_FLIGHT]     prints {"rate", "p50",
 * "p99"} in 1/s and ms
 */
#include <jansson.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPS_MAX         64
#define PARAMS_MAX      32
#define CONNECTIONS_MAX 64
#define IN_FLIGHT_MAX   256
#define MARK            "@@@@@@@@"
#define SAMPLES_MAX     4000000

struct op {
    char name[32];
    const char *sql;
    int n_params;
    char *params[PARAMS_MAX]; /* ours to overwrite */
    char *marks[PARAMS_MAX * 8];
    int n_marks;
};

struct link {
    PGconn *pg;
    double begun[IN_FLIGHT_MAX];
    unsigned first, n;
};

static struct op ops[OPS_MAX];
static size_t n_ops;
static float *samples;
static size_t n_samples;
static unsigned long long counter;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    (void) fprintf(stderr, "replay: %s\n", what);
    exit(1);
}

static void find_marks(struct op *op, char *text)
{
    for (char *p = strstr(text, MARK); p; p = strstr(p + 1, MARK)) {
        if (op->n_marks == PARAMS_MAX * 8)
            die("too many places to fill in");
        op->marks[op->n_marks++] = p;
    }
}

static void load(const char *path)
{
    json_error_t error;
    json_t *list = json_load_file(path, 0, &error), *item, *value;
    size_t i, k;

    if (!list)
        die(error.text);
    json_array_foreach (list, i, item) {
        struct op *op = &ops[n_ops++];

        if (n_ops == OPS_MAX)
            die("too many statements");
        (void) snprintf(op->name, sizeof op->name, "s%zu", i);
        op->sql = json_string_value(json_object_get(item, "sql"));
        json_array_foreach (json_object_get(item, "params"), k, value) {
            op->params[k] = json_is_null(value) ? NULL : strdup(json_string_value(value));
            if (op->params[k])
                find_marks(op, op->params[k]);
            op->n_params = (int) k + 1;
        }
    }
}

static void open_link(struct link *l, const char *url)
{
    l->pg = PQconnectdb(url);
    if (PQstatus(l->pg) != CONNECTION_OK)
        die(PQerrorMessage(l->pg));
    for (size_t i = 0; i < n_ops; i++) {
        PGresult *r = PQprepare(l->pg, ops[i].name, ops[i].sql, ops[i].n_params, NULL);

        if (PQresultStatus(r) != PGRES_COMMAND_OK)
            die(PQerrorMessage(l->pg));
        PQclear(r);
    }
    if (PQsetnonblocking(l->pg, 1) || !PQenterPipelineMode(l->pg))
        die(PQerrorMessage(l->pg));
}

static void begin(struct link *l, unsigned in_flight)
{
    while (l->n < in_flight) {
        char fresh[9];

        (void) snprintf(fresh, sizeof fresh, "%08llx", counter++ & 0xffffffffULL);
        for (char *p = fresh; *p; p++) /* in lower case: names take it, ids are not looked at */
            *p = *p == '@' ? 'x' : *p;
        for (size_t i = 0; i < n_ops; i++) {
            for (int m = 0; m < ops[i].n_marks; m++)
                memcpy(ops[i].marks[m], fresh, 8);
            if (!PQsendQueryPrepared(l->pg, ops[i].name, ops[i].n_params,
                                     (const char *const *) ops[i].params, NULL, NULL, 0))
                die(PQerrorMessage(l->pg));
        }
        if (!PQpipelineSync(l->pg))
            die(PQerrorMessage(l->pg));
        l->begun[(l->first + l->n++) % IN_FLIGHT_MAX] = now_s();
    }
    (void) PQflush(l->pg);
}

static void take(struct link *l)
{
    int separators = 0;

    if (!PQconsumeInput(l->pg))
        die(PQerrorMessage(l->pg));
    while (l->n && !PQisBusy(l->pg) && separators < 3) {
        PGresult *r = PQgetResult(l->pg);
        ExecStatusType status = PQresultStatus(r);

        separators = r ? 0 : separators + 1;
        if (!r)
            continue;
        if (status == PGRES_PIPELINE_SYNC) {
            if (n_samples < SAMPLES_MAX)
                samples[n_samples++] = (float) ((now_s() - l->begun[l->first]) * 1e3);
            l->first = (l->first + 1) % IN_FLIGHT_MAX;
            l->n--;
        } else if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
            die(PQresultErrorMessage(r));
        }
        PQclear(r);
    }
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *) a, y = *(const float *) b;

    return x < y ? -1 : x > y;
}

static void drive(struct link *links, size_t n, double seconds, unsigned in_flight)
{
    struct pollfd fds[CONNECTIONS_MAX];
    double start = now_s(), end = start + seconds, spent;

    for (size_t i = 0; i < n; i++) {
        fds[i] = (struct pollfd){ .fd = PQsocket(links[i].pg), .events = POLLIN };
        begin(&links[i], in_flight);
    }
    while (now_s() < end) {
        (void) poll(fds, (nfds_t) n, 100);
        for (size_t i = 0; i < n; i++) {
            if (!(fds[i].revents & (POLLIN | POLLOUT)))
                continue;
            take(&links[i]);
            begin(&links[i], in_flight);
            fds[i].events = (short) (POLLIN | (PQflush(links[i].pg) > 0 ? POLLOUT : 0));
        }
    }
    spent = now_s() - start;
    qsort(samples, n_samples, sizeof *samples, by_size);
    (void) printf("{\"rate\": %.1f, \"p50\": %.3f, \"p99\": %.3f}\n", (double) n_samples / spent,
                  n_samples ? (double) samples[n_samples / 2] : 0.0,
                  n_samples ? (double) samples[n_samples * 99 / 100] : 0.0);
}

int main(int argc, char **argv)
{
    static struct link links[CONNECTIONS_MAX];
    size_t n;
    unsigned in_flight;

    if (argc < 5)
        die("usage: replay URL RECORDING.json CONNECTIONS SECONDS [IN_FLIGHT]");
    n = strtoul(argv[3], NULL, 10);
    in_flight = argc > 5 ? (unsigned) strtoul(argv[5], NULL, 10) : 1;
    if (n < 1 || n > CONNECTIONS_MAX || in_flight < 1 || in_flight > IN_FLIGHT_MAX)
        die("1 to 64 connections, 1 to 256 in flight");
    counter = ((unsigned long long) time(NULL) & 0xfffULL) << 20;
    samples = calloc(SAMPLES_MAX, sizeof *samples);
    if (!samples)
        die("no memory");
    load(argv[2]);
    for (size_t i = 0; i < n; i++)
        open_link(&links[i], argv[1]);
    drive(links, n, strtod(argv[4], NULL), in_flight);
    return 0;
}
