/*
 * sources.c - the real world behind struct aws_sources.
 *
 * The AWS_… variables are copied once: a program may clear its environment of secrets afterwards,
 * and no thread reads environ while another changes it.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "aws_private.h"
#include "steward/clock.h"

#define FILE_MAX_BYTES 1048576

struct world {
    struct aws_sources sources;
    char **variables; /* "NAME=value", NULL-terminated */
    atomic_bool is_stopping;
};

void aws_http_reply_done(struct aws_http_reply *r)
{
    if (r->body.data)
        OPENSSL_cleanse(r->body.data, r->body.capacity);
    buf_done(&r->body);
}

void aws_file_done(struct aws_file *f)
{
    if (f->text)
        OPENSSL_cleanse(f->text, strlen(f->text));
    free(TAKE(f->text));
}

void aws_output_done(struct aws_output *o)
{
    if (o->out.data)
        OPENSSL_cleanse(o->out.data, o->out.capacity);
    buf_done(&o->out);
    buf_done(&o->err);
}

static const char *world_env(void *context, const char *name)
{
    const struct world *w = context;
    size_t n = strlen(name);

    for (char **v = w->variables; *v; v++)
        if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
            return (*v)[n + 1] ? *v + n + 1 : NULL;
    return NULL;
}

static enum err_code world_read_file(void *context, const char *path, struct aws_file *out,
                                     struct err *e)
{
    AUTO_BUF struct buf text = { 0 };
    char block[4096];
    struct stat st;
    size_t n;
    FILE *f = fopen(path, "re");

    (void) context;
    *out = (struct aws_file){ 0 };
    if (!f && (errno == ENOENT || errno == ENOTDIR))
        return err_set(e, ERR_NOT_FOUND, "There is no file %.200s.", path);
    if (!f)
        return err_set(e, ERR_INVALID, "The file %.150s cannot be read: %s.", path,
                       strerrordesc_np(errno));
    if (fstat(fileno(f), &st) == 0)
        out->is_exposed = (st.st_mode & 077) != 0;
    while (text.length <= FILE_MAX_BYTES && (n = fread(block, 1, sizeof block, f)) > 0)
        buf_add(&text, block, n);
    OPENSSL_cleanse(block, sizeof block);
    if (ferror(f) || text.length > FILE_MAX_BYTES) {
        (void) fclose(f);
        return err_set(e, ERR_INVALID, "The file %.150s cannot be read (or is over 1 MiB).", path);
    }
    (void) fclose(f);
    out->text = buf_take(&text);
    return OK;
}

static int64_t world_now_ms(void *context)
{
    (void) context;
    return clock_wall_ms();
}

static void world_sleep_ms(void *context, int64_t ms)
{
    const struct world *w = context;
    int64_t until_ms = clock_mono_ms() + ms, left_ms;

    while ((left_ms = until_ms - clock_mono_ms()) > 0 && !atomic_load(&w->is_stopping)) {
        int64_t nap_ms = left_ms < 100 ? left_ms : 100;
        struct timespec ts = { 0, nap_ms * 1000000 };

        (void) nanosleep(&ts, NULL);
    }
}

static enum err_code world_fetch(void *context, const struct aws_http_request *rq,
                                 struct aws_http_reply *out, struct err *e)
{
    return aws_fetch_http(&((struct world *) context)->is_stopping, rq, out, e);
}

static enum err_code world_run(void *context, char *const argv[], struct aws_output *out,
                               struct err *e)
{
    return aws_run_process(&((struct world *) context)->is_stopping, argv, out, e);
}

static void world_stop(void *context)
{
    atomic_store(&((struct world *) context)->is_stopping, true);
}

struct aws_sources *aws_sources_new(void)
{
    struct world *w = xcalloc(1, sizeof *w);
    size_t count = 0, kept = 0;

    while (environ[count])
        count++;
    w->variables = xcalloc(count + 1, sizeof *w->variables);
    for (size_t i = 0; i < count; i++)
        if (str_starts(environ[i], "AWS_") || str_starts(environ[i], "HOME="))
            w->variables[kept++] = xstrdup(environ[i]);
    w->sources = (struct aws_sources){ .context = w,
                                       .env = world_env,
                                       .read_file = world_read_file,
                                       .fetch = world_fetch,
                                       .run = world_run,
                                       .now_ms = world_now_ms,
                                       .sleep_ms = world_sleep_ms,
                                       .stop = world_stop };
    return &w->sources;
}

void aws_sources_free(struct aws_sources *s)
{
    struct world *w;

    if (!s)
        return;
    w = s->context;
    for (char **v = w->variables; *v; v++) {
        OPENSSL_cleanse(*v, strlen(*v));
        free(*v);
    }
    free(w->variables);
    free(w);
}
