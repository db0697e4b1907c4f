/*
 * plan_words.c - a plan's figures for people.
 *
 * A terminal gets the sum and how it came about under each line; a pull request gets one row per
 * line, so that a reviewer sees what changes and what it costs without opening anything.
 */
#include "steward/plan_words.h"

#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"

#define CELL_MAX 80

static const char *amount_of(const json_t *cost, const char *member)
{
    return json_text_or(json_object_get(cost, member), "amount", "");
}

static bool is_nothing(const char *amount)
{
    return !*amount || str_eq(amount, "0.00");
}

static const char *currency_of(const json_t *cost)
{
    const json_t *money = json_object_get(cost, "monthly");

    return json_text_or(money ? money : json_object_get(cost, "oneOff"), "currency", "");
}

/* "+146.12 USD a month", "0.24 USD once", "" */
static void add_price(const json_t *cost, struct buf *out)
{
    const char *monthly = amount_of(cost, "monthly"), *once = amount_of(cost, "oneOff");

    if (!is_nothing(monthly))
        buf_printf(out, "%s%s %s a month", *monthly == '-' ? "" : "+", monthly, currency_of(cost));
    if (!is_nothing(monthly) && !is_nothing(once))
        buf_adds(out, ", ");
    if (!is_nothing(once))
        buf_printf(out, "%s %s once", once, currency_of(cost));
}

/* "1 of 5 campaigns" */
static void add_quota(const json_t *quota, struct buf *out)
{
    if (!quota)
        return;
    buf_printf(out, "%lld ", (long long) json_int_or(quota, "used", 0));
    if (json_object_get(quota, "limit"))
        buf_printf(out, "of %lld ", (long long) json_int_or(quota, "limit", 0));
    buf_adds(out, json_text_or(quota, "name", ""));
    if (!json_object_get(quota, "limit"))
        buf_adds(out, ", the quota was raised");
}

void plan_words_quota(const json_t *line, struct buf *out)
{
    const json_t *quota = json_object_get(line, "quota");

    if (!quota)
        return;
    buf_adds(out, " [");
    add_quota(quota, out);
    buf_addc(out, ']');
}

void plan_words_cost(const json_t *line, const char *indent, struct buf *out)
{
    const json_t *cost = json_object_get(line, "cost");
    AUTO_BUF struct buf price = { 0 };

    add_price(cost, &price);
    if (cost)
        buf_printf(out, "%scost: %s%s%s\n", indent, price.length ? price.data : "",
                   price.length ? " = " : "", json_text_or(cost, "formula", ""));
}

static void add_sum(const json_t *cost, bool is_markdown, struct buf *out)
{
    const char *before = amount_of(cost, "monthlyBefore"), *after = amount_of(cost, "monthlyAfter");
    const char *change = amount_of(cost, "monthly"), *once = amount_of(cost, "oneOff");

    if (is_nothing(before) && is_nothing(after) && is_nothing(once))
        return;
    buf_printf(out, "Monthly floor %s %s %s %s", before, is_markdown ? "→" : "->", after,
               currency_of(cost));
    if (!is_nothing(change))
        buf_printf(out, is_markdown ? " (**%s%s**)" : " (%s%s)", *change == '-' ? "" : "+", change);
    if (!is_nothing(once))
        buf_printf(out, ", once at least %s %s", once, currency_of(cost));
    buf_printf(out, ": without traffic above the minimum; prices of %s, %s.\n",
               json_text_or(cost, "pricesRegion", ""), json_text_or(cost, "pricesAsOf", ""));
}

void plan_words_total(const json_t *plan, bool is_markdown, struct buf *out)
{
    if (is_markdown)
        buf_addc(out, '\n');
    add_sum(json_object_get(plan, "cost"), is_markdown, out);
}

void plan_words_foot(const json_t *plan, bool is_markdown, struct buf *out)
{
    const char *id = json_text(plan, "id"), *status = json_text(plan, "status");
    const char *rehearsal = json_text(plan, "rehearsal");

    if (id && str_eq(status, "ready"))
        buf_printf(out,
                   "%sKept as %s until %s: \"steward apply --plan %s\" applies it unless something "
                   "moved.\n",
                   is_markdown ? "\n" : "", id, json_text_or(plan, "expiresAt", ""), id);
    else if (id)
        buf_printf(out, "%sThe plan %s is %s.\n", is_markdown ? "\n" : "", id, status);
    if (rehearsal)
        buf_printf(out, is_markdown ? "\n> %s\n" : "%s\n", rehearsal);
}

/* A cell ends at a bar or a line end. */
static void add_cell(const char *text, struct buf *out)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_adds(out, "\\|");
        else
            buf_add(out, *text == '\n' || *text == '\r' ? " " : text, 1);
    }
}

static void add_value(const json_t *value, struct buf *out)
{
    AUTO_FREE char *text = value ? json_compact(value) : xstrdup("nothing");
    char shown[CELL_MAX + 1];

    str_copy(shown, sizeof shown, text);
    /* In code a bar needs its escape all the same, and a backquote would end it. */
    for (char *p = shown; *p; p++)
        if (*p == '`')
            *p = '\'';
    add_cell(shown, out);
    if (strlen(shown) < strlen(text))
        buf_adds(out, "...");
}

void plan_words_row(const json_t *line, struct buf *out)
{
    bool is_blocked = str_eq(json_text(line, "action"), "blocked");
    const json_t *cost = json_object_get(line, "cost");
    AUTO_BUF struct buf price = { 0 };
    size_t i;
    json_t *f;

    buf_printf(out, is_blocked ? "| **%s** | %s | `%s` | " : "| %s | %s | `%s` | ",
               json_text_or(line, "action", ""), json_text_or(line, "kind", ""),
               json_text_or(line, "name", ""));
    add_cell(json_text_or(line, "reason", ""), out);
    buf_adds(out, " | ");
    json_array_foreach (json_object_get(line, "fields"), i, f) {
        buf_printf(out, "%s`%s`: `", i ? "<br>" : "", json_text_or(f, "field", ""));
        add_value(json_object_get(f, "before"), out);
        buf_adds(out, "` → `");
        add_value(json_object_get(f, "after"), out);
        buf_adds(out, "`");
    }
    add_price(cost, &price);
    buf_printf(out, " | %s%s", price.length ? price.data : "", price.length ? "<br>" : "");
    add_cell(json_text_or(cost, "formula", ""), out);
    buf_adds(out, " | ");
    add_quota(json_object_get(line, "quota"), out);
    buf_adds(out, " |\n");
}
