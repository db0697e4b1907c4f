/*
 * ini.c - parses the AWS configuration and credentials files. Pure.
 *
 * Follows what the SDKs accept: comment lines begin with '#' or ';', names of keys are
 * case-insensitive, a repeated section adds to the first, the last value of a key counts. Values
 * may hold any character ('#' is not a comment there).
 */
#include "ini.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "steward/mem.h"
#include "steward/str.h"

struct reader {
    struct ini *ini;
    const char *path;
    int line;
    char *section;       /* owned; NULL before the first */
    char *key;           /* owned; the last key, for continuation lines */
    bool is_value_empty; /* of the last key: nested lines may follow */
};

static char *trimmed(const char *s, size_t n)
{
    while (n && isspace((unsigned char) *s)) {
        s++;
        n--;
    }
    while (n && isspace((unsigned char) s[n - 1]))
        n--;
    return xstrndup(s, n);
}

static char *lower(char *s)
{
    for (char *c = s; *c; c++)
        *c = (char) tolower((unsigned char) *c);
    return s;
}

/* Takes ownership of key, nested and value. */
static void add_entry(struct reader *r, char *key, char *nested, char *value)
{
    struct ini *ini = r->ini;

    if (ini->count == ini->capacity) {
        ini->capacity = ini->capacity ? 2 * ini->capacity : 16;
        ini->entries = xrealloc(ini->entries, ini->capacity * sizeof *ini->entries);
    }
    ini->entries[ini->count++] = (struct ini_entry){ xstrdup(r->section), key, nested, value };
}

static enum err_code fail(const struct reader *r, struct err *e, const char *what)
{
    return err_set(e, ERR_INVALID, "Line %d of the AWS configuration file %s %s.", r->line, r->path,
                   what);
}

static char next_quote(char quote, char c)
{
    if (quote)
        return '\0';
    return c;
}

/* "profile  'my name'" becomes "profile my name". */
static char *section_name(const char *s, size_t n)
{
    struct buf out = { 0 };
    char quote = '\0';

    buf_adds(&out, "");
    for (size_t i = 0; i < n; i++) {
        if (quote ? s[i] == quote : s[i] == '"' || s[i] == '\'') {
            quote = next_quote(quote, s[i]);
        } else if (!quote && isspace((unsigned char) s[i])) {
            if (out.length && out.data[out.length - 1] != ' ')
                buf_addc(&out, ' ');
        } else {
            buf_addc(&out, s[i]);
        }
    }
    while (out.length && out.data[out.length - 1] == ' ')
        out.data[--out.length] = '\0';
    return buf_take(&out);
}

static enum err_code read_section(struct reader *r, const char *s, size_t n, struct err *e)
{
    const char *close = memchr(s, ']', n);

    if (!close)
        return fail(r, e, "begins a section without the closing bracket");
    free(r->section);
    r->section = section_name(s + 1, (size_t) (close - s) - 1);
    free(TAKE(r->key));
    add_entry(r, NULL, NULL, NULL);
    return OK;
}

static void append_continuation(struct reader *r, const char *s, size_t n)
{
    struct ini_entry *last = &r->ini->entries[r->ini->count - 1];
    AUTO_FREE char *more = trimmed(s, n);
    char *joined = xasprintf("%s\n%s", last->value, more);

    OPENSSL_cleanse(last->value, strlen(last->value));
    free(last->value);
    last->value = joined;
}

static enum err_code read_pair(struct reader *r, const char *s, size_t n, struct err *e)
{
    bool is_indented = n && isspace((unsigned char) *s);
    size_t at = 0;
    char *key, *value;

    if (is_indented && r->key && !r->is_value_empty) {
        append_continuation(r, s, n);
        return OK;
    }
    while (at < n && s[at] != '=' && s[at] != ':')
        at++;
    if (at == n)
        return fail(r, e, "is neither a [section] nor a 'key = value'");
    if (!r->section)
        return fail(r, e, "comes before the first [section]");
    key = lower(trimmed(s, at));
    value = trimmed(s + at + 1, n - at - 1);
    if (is_indented && r->key) {
        add_entry(r, xstrdup(r->key), key, value);
        return OK;
    }
    r->is_value_empty = !*value;
    free(r->key);
    r->key = xstrdup(key);
    add_entry(r, key, NULL, value);
    return OK;
}

static enum err_code read_line(struct reader *r, const char *s, size_t n, struct err *e)
{
    size_t blanks = 0;

    while (blanks < n && isspace((unsigned char) s[blanks]))
        blanks++;
    if (blanks == n || s[blanks] == '#' || s[blanks] == ';')
        return OK;
    if (s[0] == '[')
        return read_section(r, s, n, e);
    return read_pair(r, s, n, e);
}

enum err_code ini_parse(const char *text, const char *path, struct ini *out, struct err *e)
{
    struct reader r = { .ini = out, .path = path };
    enum err_code rc = OK;

    *out = (struct ini){ 0 };
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0)
        text += 3;
    while (rc == OK && *text) {
        size_t n = strcspn(text, "\n");

        r.line++;
        rc = read_line(&r, text, n, e);
        text += n + (text[n] == '\n');
    }
    free(r.section);
    free(r.key);
    if (rc != OK)
        ini_done(out);
    return rc;
}

void ini_done(struct ini *ini)
{
    for (size_t i = 0; i < ini->count; i++) {
        struct ini_entry *entry = &ini->entries[i];

        if (entry->value)
            OPENSSL_cleanse(entry->value, strlen(entry->value));
        free(entry->section);
        free(entry->key);
        free(entry->nested);
        free(entry->value);
    }
    free(ini->entries);
    *ini = (struct ini){ 0 };
}

const char *ini_get(const struct ini *ini, const char *section, const char *key, const char *nested)
{
    for (size_t i = ini->count; i-- > 0;) {
        const struct ini_entry *entry = &ini->entries[i];

        if (entry->key && str_eq(entry->section, section) && str_eq(entry->key, key) &&
            str_eq(entry->nested, nested))
            return entry->value;
    }
    return NULL;
}

bool ini_has_section(const struct ini *ini, const char *section)
{
    for (size_t i = 0; i < ini->count; i++)
        if (str_eq(ini->entries[i].section, section))
            return true;
    return false;
}
