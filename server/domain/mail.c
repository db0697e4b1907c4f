/*
 * mail.c - a message as a mail: RFC 5322 headers, a base64 body of UTF-8 text. Pure.
 *
 * The body is base64 so that no server on the way may break a line, stuff a dot or stumble over a
 * letter. What comes from people is kept out of the headers' syntax: no line breaks, and what is
 * not ASCII goes into an encoded word.
 */
#include <string.h>

#include "steward/channels.h"
#include "steward/clock.h"
#include "steward/json.h"
#include "steward/mem.h"

#define LINE_LENGTH 76
#define WORD_BYTES  42 /* of an encoded word's text: 56 characters of base64 and the frame */

bool mail_address(const char *text, char *out, size_t size)
{
    const char *open = strrchr(text, '<'), *at;
    size_t n = strlen(text);

    if (open) {
        if (n == 0 || text[n - 1] != '>')
            return false;
        n = (size_t) (text + n - 1 - (open + 1));
        text = open + 1;
    }
    if (n == 0 || n >= size || strcspn(text, " \t\r\n<>,;\"\\()") < n)
        return false;
    memcpy(out, text, n);
    out[n] = '\0';
    at = strchr(out, '@');
    return at && at != out && at[1] && !strchr(at + 1, '@');
}

static bool is_plain(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p < 32 || *p > 126)
            return false;
    return true;
}

/* Encoded words that each hold whole characters. */
static void add_words(struct buf *out, const char *text)
{
    const char *p = text;

    while (*p) {
        size_t n = strlen(p);

        if (n > WORD_BYTES)
            for (n = WORD_BYTES; n > 1 && ((unsigned char) p[n] & 0xC0) == 0x80;)
                n--;
        AUTO_FREE char *word = base64_encode(p, n);

        buf_printf(out, "%s=?UTF-8?B?%s?=", p == text ? "" : "\r\n ", word);
        p += n;
    }
}

/* Text of a header: as it is, when it is plain ASCII. */
static void add_text(struct buf *out, const char *text)
{
    if (is_plain(text))
        buf_adds(out, text);
    else
        add_words(out, text);
}

/* "Müller, Inc. <m@example.org>": the name may need encoding, for what a comma means among
 * addresses, too; the address never does. */
static void add_person(struct buf *out, const char *text)
{
    const char *open = strrchr(text, '<');
    char address[256];

    if (!mail_address(text, address, sizeof address))
        return;
    if (open && open != text) {
        AUTO_FREE char *name = xstrndup(text, (size_t) (open - text));

        char *word = name + strspn(name, " \"");
        size_t n = strcspn(word, "\r\n");

        while (n && strchr(" \"", word[n - 1]))
            n--;
        word[n] = '\0';
        if (strpbrk(word, "()<>[]:;@\\,.\""))
            add_words(out, word);
        else
            add_text(out, word);
        buf_adds(out, n ? " " : "");
    }
    buf_printf(out, "<%s>", address);
}

static void add_body(struct buf *out, const char *text)
{
    AUTO_BUF struct buf lines = { 0 };
    AUTO_FREE char *encoded = NULL;

    for (const char *p = text; *p; p++) {
        if (*p == '\n' && (p == text || p[-1] != '\r'))
            buf_addc(&lines, '\r');
        buf_addc(&lines, *p);
    }
    encoded = base64_encode(lines.length ? lines.data : "", lines.length);
    for (size_t i = 0, n = strlen(encoded); i < n; i += LINE_LENGTH)
        buf_printf(out, "%.*s\r\n", LINE_LENGTH, encoded + i);
}

void mail_write(const struct mail_head *head, const json_t *message, struct buf *out)
{
    char date[CLOCK_TEXT_BYTES], from[256] = "";
    size_t n;

    clock_format_http(head->time_ms / 1000, date);
    n = strlen(date);
    if (n > 3) /* "GMT" is HTTP's; mail wants an offset */
        date[n - 3] = '\0';
    (void) mail_address(head->from, from, sizeof from);
    buf_adds(out, "From: ");
    add_person(out, head->from);
    buf_adds(out, "\r\nTo: ");
    for (size_t i = 0; i < head->n_to; i++) {
        buf_adds(out, i ? ",\r\n " : "");
        add_person(out, head->to[i]);
    }
    buf_adds(out, "\r\nSubject: ");
    add_text(out, json_text_or(message, "subject", ""));
    buf_printf(out, "\r\nDate: %s+0000\r\nMessage-ID: <%s@%s>\r\n", date, head->id,
               strchr(from, '@') ? strchr(from, '@') + 1 : "steward");
    buf_adds(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: base64\r\n\r\n");
    add_body(out, json_text_or(message, "text", ""));
}
