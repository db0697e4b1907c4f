/*
 * conf.c - the configuration table at work.
 *
 * Each value goes through one setter, whether it comes from the command line, the environment or
 * the default, so each is checked and reported the same way.
 */
#include "steward/conf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "steward/mem.h"
#include "steward/str.h"

bool conf_duration_ms(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "", 1000 },   { "ms", 1 },      { "s", 1000 },
                  { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
    char number[32];
    size_t n = strspn(text, "0123456789");
    int64_t value;

    if (n == 0 || n >= sizeof number)
        return false;
    memcpy(number, text, n);
    number[n] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_eq(text + n, units[i].unit) &&
            str_to_i64(number, 0, INT64_MAX / 86400000, &value)) {
            *ms = value * units[i].ms;
            return true;
        }
    }
    return false;
}

static bool is_in_range(const struct conf_option *o, int64_t value)
{
    return (o->min == 0 && o->max == 0) || (value >= o->min && value <= o->max);
}

static enum err_code set_flag(const struct conf_option *o, bool *field, const char *text,
                              struct err *e)
{
    static const char *const yes[] = { "1", "true", "yes", "on" };
    static const char *const no[] = { "0", "false", "no", "off", "" };

    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        if (strcasecmp(text, yes[i]) == 0)
            return *field = true, OK;
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        if (strcasecmp(text, no[i]) == 0)
            return *field = false, OK;
    return err_set(e, ERR_INVALID, "--%s: \"%s\" is neither true nor false.", o->name, text);
}

static enum err_code set_value(const struct conf_option *o, void *base, const char *text,
                               struct err *e)
{
    void *field = (char *) base + o->offset;

    switch (o->type) {
    case CONF_TEXT:
        free(*(char **) field);
        *(char **) field = xstrdup(text);
        return OK;
    case CONF_FLAG:
        return set_flag(o, field, text, e);
    case CONF_INTEGER:
        if (!str_to_i64(text, INT64_MIN, INT64_MAX, field) || !is_in_range(o, *(int64_t *) field))
            return err_set(e, ERR_INVALID, "--%s: \"%s\" is not an integer from %lld to %lld.",
                           o->name, text, (long long) o->min, (long long) o->max);
        return OK;
    case CONF_DURATION_MS:
        if (!conf_duration_ms(text, field) || !is_in_range(o, *(int64_t *) field))
            return err_set(e, ERR_INVALID,
                           "--%s: \"%s\" is not a duration such as 250ms, 30s, 15m, 2h or 1d.",
                           o->name, text);
        return OK;
    case CONF_LIST: {
        struct conf_list *list = field;

        list->items = xrealloc(list->items, (list->count + 1) * sizeof *list->items);
        list->items[list->count++] = xstrdup(text);
        return OK;
    }
    }
    abort();
}

static void env_name(const struct conf_program *program, const struct conf_option *o, char *out,
                     size_t size)
{
    (void) snprintf(out, size, "%s_%s", program->env_prefix, o->name);
    for (char *p = out; *p; p++)
        *p = (char) (*p == '-' ? '_' : toupper((unsigned char) *p));
}

static enum err_code set_defaults(const struct conf_program *program, void *base, struct err *e)
{
    for (size_t i = 0; i < program->count; i++) {
        const struct conf_option *o = &program->options[i];
        char name[96];
        const char *text;

        env_name(program, o, name, sizeof name);
        text = getenv(name);
        if (text && *text) {
            enum err_code rc = set_value(o, base, text, e);

            if (rc) {
                (void) err_detail(e, "from the environment variable %s", name);
                return rc;
            }
        } else if (o->fallback) {
            TRY(set_value(o, base, o->fallback, e));
        }
    }
    return OK;
}

static const struct conf_option *find(const struct conf_program *program, const char *name,
                                      size_t n)
{
    for (size_t i = 0; i < program->count; i++)
        if (strlen(program->options[i].name) == n && memcmp(program->options[i].name, name, n) == 0)
            return &program->options[i];
    return NULL;
}

static enum err_code unknown_option(const struct conf_program *program, const char *arg,
                                    struct err *e)
{
    const char *nearest = NULL;
    unsigned best = 4;

    for (size_t i = 0; i < program->count; i++) {
        unsigned d = str_distance(arg + 2, program->options[i].name);

        if (d < best) {
            best = d;
            nearest = program->options[i].name;
        }
    }
    if (nearest)
        return err_set(e, ERR_INVALID, "Unknown option %s; did you mean --%s?", arg, nearest);
    return err_set(e, ERR_INVALID, "Unknown option %s; --help lists them.", arg);
}

/* One "--name value" or "--name=value"; *used says how many arguments it took. */
static enum err_code parse_option(const struct conf_program *program, char *const argv[],
                                  void *base, int *used, struct err *e)
{
    const char *name = argv[0] + 2, *equals = strchr(name, '=');
    size_t n = equals ? (size_t) (equals - name) : strlen(name);
    const struct conf_option *o = find(program, name, n);

    *used = 1;
    if (!o)
        return unknown_option(program, argv[0], e);
    if (o->is_secret)
        return err_set(
            e, ERR_INVALID,
            "--%s is a secret: a command line can be read by others; set it in the environment.",
            o->name);
    if (equals)
        return set_value(o, base, equals + 1, e);
    if (o->type == CONF_FLAG)
        return set_value(o, base, "true", e);
    if (!argv[1])
        return err_set(e, ERR_INVALID, "--%s wants a value: %s.", o->name,
                       o->value ? o->value : "VALUE");
    *used = 2;
    return set_value(o, base, argv[1], e);
}

// NOLINTNEXTLINE(readability-function-size): the one call of every main
enum err_code conf_parse(const struct conf_program *program, char *const argv[], void *base,
                         struct conf_list *rest, bool *is_help, struct err *e)
{
    *is_help = false;
    for (int i = 0; argv[i]; i++) {
        if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h")) {
            *is_help = true;
            conf_print_help(program, stdout);
            return OK;
        }
    }
    TRY(set_defaults(program, base, e));
    for (int i = 0, used = 1; argv[i]; i += used) {
        used = 1;
        if (str_starts(argv[i], "--") && argv[i][2]) {
            TRY(parse_option(program, argv + i, base, &used, e));
        } else if (rest) {
            rest->items = xrealloc(rest->items, (rest->count + 1) * sizeof *rest->items);
            rest->items[rest->count++] = argv[i];
        } else {
            return err_set(e, ERR_INVALID, "Unexpected argument \"%s\"; --help lists the options.",
                           argv[i]);
        }
    }
    return OK;
}

void conf_print_help(const struct conf_program *program, FILE *to)
{
    (void) fprintf(to, "%s\n\nOptions (each also in the environment, e.g. ", program->usage);
    if (program->count) {
        char name[96];

        env_name(program, &program->options[0], name, sizeof name);
        (void) fprintf(to, "%s for --%s):\n", name, program->options[0].name);
    }
    for (size_t i = 0; i < program->count; i++) {
        const struct conf_option *o = &program->options[i];
        char head[80];

        (void) snprintf(head, sizeof head, "--%s%s%s", o->name, o->value ? " " : "",
                        o->value ? o->value : "");
        (void) fprintf(to, "  %-34s %s", head, o->help);
        if (o->fallback && *o->fallback && o->type != CONF_FLAG)
            (void) fprintf(to, " [%s]", o->fallback);
        (void) fputc('\n', to);
    }
}

void conf_done(const struct conf_program *program, void *base)
{
    for (size_t i = 0; i < program->count; i++) {
        void *field = (char *) base + program->options[i].offset;

        if (program->options[i].type == CONF_TEXT) {
            free(*(char **) field);
            *(char **) field = NULL;
        } else if (program->options[i].type == CONF_LIST) {
            struct conf_list *list = field;

            for (size_t k = 0; k < list->count; k++)
                free(list->items[k]);
            free(list->items);
            *list = (struct conf_list){ 0 };
        }
    }
}
