/*
 * text.c - the pure parts of answering: what may be compressed, what the client accepts, indenting
 * JSON.
 */
#include "text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "steward/mem.h"

/* The quality of one list element "name;q=0.5": true when it is above zero. */
static bool is_wanted(const char *parameters, const char *end)
{
    for (const char *p = parameters; p < end; p++) {
        if (*p != ';')
            continue;
        p++;
        while (p < end && (*p == ' ' || *p == '\t'))
            p++;
        if (end - p >= 3 && (p[0] == 'q' || p[0] == 'Q') && p[1] == '=') {
            for (p += 2; p < end; p++)
                if (*p >= '1' && *p <= '9')
                    return true;
            return false;
        }
        p--;
    }
    return true;
}

bool http_text_accepts_gzip(const char *accept_encoding)
{
    bool is_any_wanted = false;
    const char *s = accept_encoding;

    while (s && *s) {
        size_t length, name;
        const char *end;

        s += strspn(s, " \t,");
        length = strcspn(s, ",");
        end = s + length;
        name = strcspn(s, ";, \t");
        if ((name == 4 && strncasecmp(s, "gzip", 4) == 0) ||
            (name == 6 && strncasecmp(s, "x-gzip", 6) == 0))
            return is_wanted(s + name, end);
        if (name == 1 && *s == '*')
            is_any_wanted = is_wanted(s + name, end);
        s = end;
    }
    return is_any_wanted;
}

/* Compares the media type without its parameters. */
static bool type_is(const char *type, const char *wanted)
{
    size_t n = strlen(wanted);

    return strncasecmp(type, wanted, n) == 0 && (!type[n] || type[n] == ';' || type[n] == ' ');
}

static bool type_ends(const char *type, const char *suffix)
{
    size_t n = strcspn(type, "; "), m = strlen(suffix);

    return n >= m && strncasecmp(type + n - m, suffix, m) == 0;
}

bool http_text_is_json(const char *type)
{
    return type && (type_is(type, "application/json") || type_ends(type, "+json"));
}

bool http_text_is_compressible(const char *type)
{
    static const char *const others[] = { "application/javascript", "application/xml",
                                          "application/yaml", "image/svg+xml" };

    if (!type || type_is(type, "text/event-stream"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (type_is(type, others[i]))
            return true;
    return strncasecmp(type, "text/", 5) == 0 || http_text_is_json(type) || type_ends(type, "+xml");
}

static void new_line(struct buf *out, int depth)
{
    buf_addc(out, '\n');
    for (int i = 0; i < depth; i++)
        buf_add(out, "  ", 2);
}

/* Copies the string that starts at json[i] (a quote); returns the index behind it. */
static size_t copy_string(struct buf *out, const char *json, size_t i, size_t n)
{
    size_t start = i++;

    while (i < n && json[i] != '"')
        i += json[i] == '\\' && i + 1 < n ? 2 : 1;
    i = i < n ? i + 1 : n;
    buf_add(out, json + start, i - start);
    return i;
}

void http_text_indent(struct buf *out, const char *json, size_t n)
{
    int depth = 0;
    size_t i = 0;

    while (i < n) {
        char c = json[i];

        if (c == '"') {
            i = copy_string(out, json, i, n);
            continue;
        }
        i++;
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            continue;
        if (c == '{' || c == '[') {
            i += strspn(json + i, " \t\r\n");
            buf_addc(out, c);
            if (i < n && (json[i] == '}' || json[i] == ']'))
                buf_addc(out, json[i++]); /* {} and [] stay on their line */
            else
                new_line(out, ++depth);
        } else if (c == '}' || c == ']') {
            new_line(out, depth > 0 ? --depth : 0);
            buf_addc(out, c);
        } else {
            buf_addc(out, c);
            if (c == ',')
                new_line(out, depth);
            else if (c == ':')
                buf_addc(out, ' ');
        }
    }
    buf_addc(out, '\n');
}

bool http_text_is_request_id(const char *text)
{
    size_t n = 0;

    for (; text[n]; n++)
        if (n >= 64 || (!isalnum((unsigned char) text[n]) && !strchr("._~:+=/-", text[n])))
            return false;
    return n > 0;
}

bool http_text_host_is_allowed(const char *host, const char *const *hosts)
{
    const char *name = host;
    size_t n;

    if (*name == '[') {
        const char *close = strchr(++name, ']');

        if (!close || (close[1] && close[1] != ':'))
            return false;
        n = (size_t) (close - name);
        host = close + 1;
    } else {
        n = strcspn(name, ":");
        host = name + n;
    }
    if (*host == ':' && (host[1 + strspn(host + 1, "0123456789")] || strlen(host) > 6))
        return false;
    for (; *hosts; hosts++) {
        const char *h = *hosts;
        size_t m = strlen(h);

        if (m > 1 && h[0] == '[' && h[m - 1] == ']') {
            h++;
            m -= 2;
        }
        if (m == n && strncasecmp(h, name, n) == 0)
            return true;
    }
    return false;
}
