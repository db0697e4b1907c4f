/*
 * s3_xml.c - the little XML that S3 speaks: a writer that escapes, and a reader over Expat.
 *
 * The reader refuses every DOCTYPE, so no entity but the five of XML itself ever exists.
 */
#include <expat.h>
#include <stdio.h>
#include <string.h>

#include "s3_internal.h"

#define XML_DEPTH_MAX 8
#define XML_PATH_MAX  256

void xml_begin(struct buf *b, const char *root)
{
    buf_printf(b,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<%s xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
               root);
}

void xml_open(struct buf *b, const char *tag)
{
    buf_printf(b, "<%s>", tag);
}

void xml_close(struct buf *b, const char *tag)
{
    buf_printf(b, "</%s>", tag);
}

static void escape(struct buf *b, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char) *s;

        if (c == '<')
            buf_adds(b, "&lt;");
        else if (c == '>')
            buf_adds(b, "&gt;");
        else if (c == '&')
            buf_adds(b, "&amp;");
        else if (c == '"')
            buf_adds(b, "&quot;");
        else if (c < ' ')
            buf_printf(b, "&#%u;",
                       c); /* as S3 does; clients ask for encoding-type=url to be safe */
        else
            buf_addc(b, (char) c);
    }
}

void xml_text(struct buf *b, const char *tag, const char *value)
{
    xml_open(b, tag);
    escape(b, value);
    xml_close(b, tag);
}

void xml_number(struct buf *b, const char *tag, uint64_t value)
{
    buf_printf(b, "<%s>%llu</%s>", tag, (unsigned long long) value, tag);
}

void xml_bool(struct buf *b, const char *tag, bool value)
{
    xml_text(b, tag, value ? "true" : "false");
}

void xml_time(struct buf *b, const char *tag, int64_t ms)
{
    char text[CLOCK_TEXT_BYTES];

    clock_format_ms(ms, text);
    xml_text(b, tag, text);
}

void xml_etag(struct buf *b, const char *etag)
{
    buf_printf(b, "<ETag>&quot;%s&quot;</ETag>", etag);
}

struct walk {
    XML_Parser parser;
    xml_visit_fn visit;
    void *context;
    struct buf text;
    char path[XML_PATH_MAX];
    size_t path_n[XML_DEPTH_MAX]; /* length of the path before each open element */
    size_t depth;
    bool is_bad;
};

static void stop(struct walk *w)
{
    w->is_bad = true;
    (void) XML_StopParser(w->parser, XML_FALSE);
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    struct walk *w = user;
    size_t at = strlen(w->path);
    int n;

    (void) attributes;
    if (w->is_bad)
        return;
    if (w->depth == XML_DEPTH_MAX) {
        stop(w);
        return;
    }
    n = snprintf(w->path + at, sizeof w->path - at, "%s%s", w->depth ? "/" : "", name);
    if (n < 0 || (size_t) n >= sizeof w->path - at) {
        stop(w);
        return;
    }
    w->path_n[w->depth++] = at;
    buf_clear(&w->text);
}

static char *trim(char *s)
{
    size_t n;

    s += strspn(s, " \t\r\n");
    n = strlen(s);
    while (n > 0 && strchr(" \t\r\n", s[n - 1]))
        n--;
    s[n] = '\0';
    return s;
}

static void on_end(void *user, const XML_Char *name)
{
    struct walk *w = user;
    char none[1] = "";
    char *text;

    (void) name;
    if (w->is_bad)
        return;
    /* Keys may begin or end with blanks: only layout between elements is trimmed. */
    text = w->text.length ? w->text.data : none;
    if (!str_ends(w->path, "/Key"))
        text = trim(text);
    if (!w->visit(w->context, w->path, text)) {
        stop(w);
        return;
    }
    w->path[w->path_n[--w->depth]] = '\0';
    buf_clear(&w->text);
}

static void on_text(void *user, const XML_Char *s, int n)
{
    struct walk *w = user;

    if (!w->is_bad && n > 0)
        buf_add(&w->text, s, (size_t) n);
}

// NOLINTNEXTLINE(readability-function-size): the signature is Expat's
static void on_doctype(void *user, const XML_Char *name, const XML_Char *system,
                       const XML_Char *public_id, int has_internal_subset)
{
    (void) name;
    (void) system;
    (void) public_id;
    (void) has_internal_subset;
    stop(user);
}

bool xml_walk(const char *text, size_t n, xml_visit_fn visit, void *context)
{
    struct walk w = { .visit = visit, .context = context };
    enum XML_Status status;

    if (n > INT32_MAX)
        return false;
    w.parser = XML_ParserCreate("UTF-8");
    if (!w.parser)
        mem_exhausted();
    XML_SetUserData(w.parser, &w);
    XML_SetElementHandler(w.parser, on_start, on_end);
    XML_SetCharacterDataHandler(w.parser, on_text);
    XML_SetStartDoctypeDeclHandler(w.parser, on_doctype);
    status = XML_Parse(w.parser, text, (int) n, XML_TRUE);
    XML_ParserFree(w.parser);
    buf_done(&w.text);
    return status == XML_STATUS_OK && !w.is_bad;
}
