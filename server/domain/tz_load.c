/*
 * tz_load.c - finds a time zone by its IANA name: the one place of the time code that reads files.
 *
 * A zone is read once and kept for the life of the process; lookups are under a mutex, the zones
 * themselves never change. (New tz data therefore takes effect at the next start.) Only names of
 * the system's database are read: the name is checked before it becomes part of a path.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steward/mem.h"
#include "steward/str.h"
#include "tz_data.h"

#define ZONEINFO "/usr/share/zoneinfo"

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tz *cache;

/* Segments of letters, digits, '_', '+' and '-', divided by single slashes. */
static bool name_is_safe(const char *name)
{
    size_t n = strlen(name);

    if (n >= TZ_NAME_BYTES || !isalpha((unsigned char) name[0]) || name[n - 1] == '/')
        return false;
    for (const char *p = name; *p; p++) {
        if (*p == '/' && p[1] == '/')
            return false;
        if (!isalnum((unsigned char) *p) && !strchr("_+-/", *p))
            return false;
    }
    return true;
}

/* The whole of a small regular file; *n is 0 when there is none. */
static enum err_code file_read(const char *path, struct buf *out, struct err *e)
{
    struct stat st;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return err_set(e, ERR_NOT_FOUND, "No file %s.", path);
    if (fd < 0)
        return err_set(e, ERR_INTERNAL, "Cannot open %s: %s.", path, strerrordesc_np(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void) close(fd);
        return err_set(e, ERR_NOT_FOUND, "%s is not a file.", path);
    }
    do {
        buf_reserve(out, 8192);
        got = read(fd, out->data + out->length, 8192);
        if (got > 0)
            out->length += (size_t) got;
    } while ((got > 0 && out->length <= TZ_FILE_MAX) || (got < 0 && errno == EINTR));
    (void) close(fd);
    if (got < 0)
        return err_set(e, ERR_INTERNAL, "Cannot read %s: %s.", path, strerrordesc_np(errno));
    if (out->length > TZ_FILE_MAX)
        return err_set(e, ERR_INVALID, "%s is too large for tz data.", path);
    buf_reserve(out, 0);
    out->data[out->length] = '\0';
    return OK;
}

/* "Z Europe/Berlin …" and "L target name" lines of the tz source name every zone and link. */
static void line_name(const char *line, char out[TZ_NAME_BYTES])
{
    const char *p = line + 2;
    size_t n;

    out[0] = '\0';
    if (strncmp(line, "Z ", 2) != 0 && strncmp(line, "L ", 2) != 0)
        return;
    if (line[0] == 'L') {
        p += strcspn(p, " \n");
        p += *p == ' ';
    }
    n = strcspn(p, " \n");
    if (n < TZ_NAME_BYTES) {
        memcpy(out, p, n);
        out[n] = '\0';
    }
}

/* The part after the last slash: people leave out the continent. */
static const char *city(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? slash + 1 : name;
}

static unsigned name_distance(const char *wanted, const char *name)
{
    unsigned whole = str_distance(wanted, name);
    unsigned short_form = str_distance(wanted, city(name)) + 1;

    return whole < short_form ? whole : short_form;
}

static enum err_code unknown_zone(const char *name, struct err *e)
{
    AUTO_BUF struct buf source = { 0 };
    char nearest[TZ_NAME_BYTES] = "", shown[TZ_NAME_BYTES], candidate[TZ_NAME_BYTES];
    unsigned best = 5;
    struct err ignored; /* without the list there is no suggestion, and the answer is the same */

    (void) str_copy(shown, sizeof shown, name);
    if (file_read(ZONEINFO "/tzdata.zi", &source, &ignored) == OK) {
        for (const char *line = source.data ? source.data : ""; *line;
             line += strcspn(line, "\n"), line += *line != 0) {
            line_name(line, candidate);
            if (candidate[0] && name_distance(shown, candidate) < best) {
                best = name_distance(shown, candidate);
                memcpy(nearest, candidate, sizeof nearest);
            }
        }
    }
    if (nearest[0])
        return err_set(e, ERR_INVALID, "There is no time zone \"%s\"; did you mean \"%s\"?", shown,
                       nearest);
    return err_set(e, ERR_INVALID,
                   "There is no time zone \"%s\"; give an IANA name such as Europe/Berlin, or UTC.",
                   shown);
}

static enum err_code zone_read(const char *name, struct tz **out, struct err *e)
{
    AUTO_BUF struct buf bytes = { 0 };
    char path[sizeof ZONEINFO + 1 + TZ_NAME_BYTES];
    enum err_code rc;

    if (!name_is_safe(name))
        return unknown_zone(name, e);
    (void) snprintf(path, sizeof path, "%s/%s", ZONEINFO, name);
    rc = file_read(path, &bytes, e);
    if (rc == ERR_NOT_FOUND)
        return unknown_zone(name, e);
    if (rc)
        return rc;
    if (bytes.length < 4 || memcmp(bytes.data, "TZif", 4) != 0)
        return unknown_zone(name, e); /* other files live in that folder, too */
    rc = tzif_parse((const uint8_t *) bytes.data, bytes.length, out, e);
    if (rc)
        return err_detail(e, "file %s", path);
    (void) str_copy((*out)->name, TZ_NAME_BYTES, name);
    return OK;
}

static const struct tz *cache_find(const char *name)
{
    for (const struct tz *zone = cache; zone; zone = zone->next)
        if (strcmp(zone->name, name) == 0)
            return zone;
    return NULL;
}

enum err_code tz_load(const char *name, const struct tz **out, struct err *e)
{
    struct tz *fresh = NULL;
    enum err_code rc = OK;

    if (str_is_empty(name) || strcmp(name, "UTC") == 0) {
        *out = tz_utc();
        return OK;
    }
    (void) pthread_mutex_lock(&cache_lock);
    *out = cache_find(name);
    if (!*out) {
        rc = zone_read(name, &fresh, e);
        if (rc == OK && fresh) {
            fresh->next = cache;
            cache = fresh;
            *out = fresh;
        }
    }
    (void) pthread_mutex_unlock(&cache_lock);
    return rc;
}
