/*
 * filter.c - a hand-written scanner and a left-to-right parser; AND binds tighter than OR.
 */
#include "filter.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"

#define COMPLAINT "Could not create filter. Invalid input symbol: "

struct scanner {
    const char *p;
    char word[FILTER_NAME_BYTES]; /* the current token */
    char *text;                   /* content of a quoted one; NULL otherwise */
};

static bool is_word_char(char c)
{
    return isalnum((unsigned char) c) || c == '_' || c == '.' || c == '-' || c == '$' || c == '*';
}

static enum err_code scan_quoted(struct scanner *s, struct err *e)
{
    AUTO_BUF struct buf text = { 0 };
    char quote = *s->p++;

    while (*s->p && *s->p != quote) {
        if (*s->p == '\\' && s->p[1])
            s->p++;
        buf_addc(&text, *s->p++);
    }
    if (*s->p != quote)
        return err_set(e, ERR_INVALID, "Invalid Expression: a string is not closed.");
    s->p++;
    s->text = buf_take(&text);
    (void) str_copy(s->word, sizeof s->word, "\"");
    return OK;
}

/* Moves to the next token: a word, a quoted text, an operator or one of ( ) , |. Empty at the end.
 */
static enum err_code scan(struct scanner *s, struct err *e)
{
    size_t n = 0;

    free(s->text);
    s->text = NULL;
    while (isspace((unsigned char) *s->p))
        s->p++;
    if (*s->p == '"' || *s->p == '\'')
        return scan_quoted(s, e);
    if (is_word_char(*s->p)) {
        while (is_word_char(s->p[n]))
            n++;
    } else if (*s->p && strchr("<>!=", *s->p)) {
        n = s->p[1] == '=' ? 2 : 1;
    } else if (*s->p && strchr("(),|", *s->p)) {
        n = 1;
    } else if (*s->p) {
        return err_set(e, ERR_INVALID, COMPLAINT "%c.", *s->p);
    }
    if (n >= sizeof s->word)
        return err_set(e, ERR_INVALID, "Invalid Expression: a name is too long.");
    memcpy(s->word, s->p, n);
    s->word[n] = '\0';
    s->p += n;
    return OK;
}

static bool is_at(const struct scanner *s, const char *word)
{
    return !s->text && strcasecmp(s->word, word) == 0;
}

static enum err_code expect(struct scanner *s, const char *word, struct err *e)
{
    if (!is_at(s, word))
        return err_set(e, ERR_INVALID, "Invalid Expression: expected %s at \"%.60s\".", word,
                       *s->word ? s->word : "the end");
    return scan(s, e);
}

static bool is_number(const char *word)
{
    char *end;

    (void) strtod(word, &end);
    return *word && *end == '\0';
}

static enum err_code parse_value(struct scanner *s, struct filter_condition *c, struct err *e)
{
    bool is_list = c->op == FILTER_IN || c->op == FILTER_NOT_IN;

    if (s->text) {
        if (str_eq(s->text, "*") && !(strcasecmp(c->dataset, "Interactions") == 0 &&
                                      strcasecmp(c->field, "EVENT_TYPE") == 0))
            return err_set(e, ERR_INVALID,
                           "Invalid Expression: * can only be used with Interactions.EVENT_TYPE.");
        json_array_append_new(c->values, json_string(s->text));
    } else if (s->word[0] == '$' && s->word[1]) {
        if (c->op == FILTER_NOT_IN || c->op == FILTER_NE)
            return err_set(e, ERR_INVALID,
                           COMPLAINT "%s. Placeholders can only be used with IN or EQ operator",
                           s->word);
        free(c->placeholder);
        c->placeholder = xstrdup(s->word + 1);
    } else if (is_number(s->word)) {
        json_array_append_new(c->values, json_string(s->word));
    } else if (!strncasecmp(s->word, "CurrentItem.", 12) && s->word[12]) {
        free(c->current);
        c->current = xstrdup(s->word + 12);
    } else if (is_at(s, "*") && is_list) {
        json_array_append_new(c->values, json_string("*"));
    } else {
        return err_set(e, ERR_INVALID, COMPLAINT "%.60s.",
                       *s->word ? s->word : "end of expression");
    }
    return scan(s, e);
}

static enum err_code parse_operator(struct scanner *s, struct filter_condition *c, struct err *e)
{
    static const struct {
        const char *word;
        enum filter_operator op;
    } operators[] = { { "IN", FILTER_IN }, { "=", FILTER_EQ },  { "!=", FILTER_NE },
                      { "<", FILTER_LT },  { "<=", FILTER_LE }, { ">", FILTER_GT },
                      { ">=", FILTER_GE } };

    if (is_at(s, "NOT")) {
        TRY(scan(s, e));
        c->op = FILTER_NOT_IN;
        return expect(s, "IN", e);
    }
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        if (is_at(s, operators[i].word)) {
            c->op = operators[i].op;
            return scan(s, e);
        }
    }
    return err_set(e, ERR_INVALID, COMPLAINT "%.60s.", *s->word ? s->word : "end of expression");
}

static enum err_code parse_field(struct scanner *s, struct filter_condition *c, struct err *e)
{
    /* The guide writes Action as well as Actions. */
    static const struct {
        const char *word, *dataset;
    } datasets[] = { { "Items", "Items" },
                     { "Users", "Users" },
                     { "Interactions", "Interactions" },
                     { "CurrentUser", "CurrentUser" },
                     { "Actions", "Actions" },
                     { "Action", "Actions" },
                     { "Action_Interactions", "Action_Interactions" },
                     { "ActionInteractions", "Action_Interactions" } };
    char *dot = strchr(s->word, '.');

    if (!dot || s->text)
        return err_set(e, ERR_INVALID, COMPLAINT "%.60s.",
                       *s->word ? s->word : "end of expression");
    *dot = '\0';
    for (size_t i = 0; i < ARRAY_LEN(datasets); i++) {
        if (strcasecmp(datasets[i].word, s->word) == 0) {
            (void) str_copy(c->dataset, sizeof c->dataset, datasets[i].dataset);
            (void) str_copy(c->field, sizeof c->field, dot + 1);
            return scan(s, e);
        }
    }
    return err_set(e, ERR_INVALID, "Invalid Expression: unknown dataset %.60s.", s->word);
}

static enum err_code parse_condition(struct scanner *s, struct filter_condition *c, struct err *e)
{
    TRY(parse_field(s, c, e));
    TRY(parse_operator(s, c, e));
    if (c->op != FILTER_IN && c->op != FILTER_NOT_IN && !is_at(s, "("))
        return parse_value(s, c, e);
    TRY(expect(s, "(", e));
    TRY(parse_value(s, c, e));
    while ((c->op == FILTER_IN || c->op == FILTER_NOT_IN) && is_at(s, ",")) {
        TRY(scan(s, e));
        TRY(parse_value(s, c, e));
    }
    return expect(s, ")", e);
}

static struct filter_condition *add_condition(struct filter_clause *clause)
{
    struct filter_condition *c;

    clause->conditions =
        xrealloc(clause->conditions, (clause->count + 1) * sizeof *clause->conditions);
    c = &clause->conditions[clause->count++];
    *c = (struct filter_condition){ .values = json_array() };
    return c;
}

/* One or more conditions joined by AND or OR. */
static enum err_code parse_conditions(struct scanner *s, struct filter_clause *clause, bool is_if,
                                      struct err *e)
{
    bool is_or = false;

    for (;;) {
        struct filter_condition *c = add_condition(clause);

        c->is_if = is_if;
        c->is_or = is_or;
        TRY(parse_condition(s, c, e));
        if (is_if && strcasecmp(c->dataset, "CurrentUser") != 0)
            return err_set(e, ERR_INVALID,
                           "Invalid Expression: IF can only test CurrentUser fields.");
        if (!is_if && strcasecmp(c->dataset, "CurrentUser") == 0)
            return err_set(e, ERR_INVALID,
                           "Invalid Expression: CurrentUser can only be tested after IF.");
        if (is_if && is_at(s, "OR"))
            return err_set(e, ERR_INVALID,
                           "Invalid Expression: conditions after IF are joined by AND only.");
        if (!is_at(s, "AND") && !is_at(s, "OR"))
            return OK;
        is_or = is_at(s, "OR");
        TRY(scan(s, e));
    }
}

static enum err_code check_mixture(const struct filter_clause *clause, struct err *e)
{
    bool has_items = false, has_interactions = false;

    for (size_t i = 0; i < clause->count; i++) {
        has_items |= str_eq(clause->conditions[i].dataset, "Items");
        has_interactions |= str_eq(clause->conditions[i].dataset, "Interactions");
    }
    if (has_items && has_interactions)
        return err_set(
            e, ERR_INVALID,
            "Invalid Expression: Interactions and Items cannot be mixed in one expression; "
            "chain two expressions with |.");
    return OK;
}

static enum err_code parse_clause(struct scanner *s, struct filter_clause *clause, struct err *e)
{
    static const char *const subjects[] = { "ItemID", "UserID", "ActionID" };

    if (!is_at(s, "INCLUDE") && !is_at(s, "EXCLUDE"))
        return err_set(e, ERR_INVALID,
                       "Invalid Expression: it must begin with INCLUDE or EXCLUDE.");
    clause->is_include = is_at(s, "INCLUDE");
    TRY(scan(s, e));
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
        if (is_at(s, subjects[i]))
            (void) str_copy(clause->subject, sizeof clause->subject, subjects[i]);
    if (!*clause->subject)
        return err_set(e, ERR_INVALID, "Invalid Expression: expected ItemID, UserID or ActionID.");
    TRY(scan(s, e));
    TRY(expect(s, "WHERE", e));
    TRY(parse_conditions(s, clause, false, e));
    if (is_at(s, "IF")) {
        TRY(scan(s, e));
        TRY(parse_conditions(s, clause, true, e));
    }
    return check_mixture(clause, e);
}

static enum err_code parse_all(struct scanner *s, struct filter *out, struct err *e)
{
    TRY(scan(s, e));
    for (;;) {
        out->clauses = xrealloc(out->clauses, (out->count + 1) * sizeof *out->clauses);
        out->clauses[out->count] = (struct filter_clause){ 0 };
        TRY(parse_clause(s, &out->clauses[out->count++], e));
        if (!is_at(s, "|"))
            break;
        TRY(scan(s, e));
    }
    if (*s->word)
        return err_set(e, ERR_INVALID, COMPLAINT "%.60s.", s->word);
    return OK;
}

enum err_code sim_filter_parse(const char *text, struct filter *out, struct err *e)
{
    struct scanner s = { .p = text };
    enum err_code rc;

    *out = (struct filter){ 0 };
    rc = parse_all(&s, out, e);
    free(s.text);
    if (rc)
        sim_filter_done(out);
    return rc;
}

void sim_filter_done(struct filter *f)
{
    for (size_t i = 0; i < f->count; i++) {
        for (size_t k = 0; k < f->clauses[i].count; k++) {
            json_decref(f->clauses[i].conditions[k].values);
            free(f->clauses[i].conditions[k].placeholder);
            free(f->clauses[i].conditions[k].current);
        }
        free(f->clauses[i].conditions);
    }
    free(f->clauses);
    *f = (struct filter){ 0 };
}

void sim_filter_add_fields(const struct filter *f, json_t *seen)
{
    for (size_t i = 0; i < f->count; i++) {
        for (size_t k = 0; k < f->clauses[i].count; k++) {
            const struct filter_condition *c = &f->clauses[i].conditions[k];
            AUTO_FREE char *name = xasprintf("%s.%s", c->dataset, c->field);

            json_object_set_new(seen, name, json_true());
        }
    }
}

const char *sim_filter_missing_value(const struct filter *f, const json_t *values)
{
    for (size_t i = 0; i < f->count; i++) {
        for (size_t k = 0; k < f->clauses[i].count; k++) {
            const char *name = f->clauses[i].conditions[k].placeholder;

            if (name && !json_text(values, name))
                return name;
        }
    }
    return NULL;
}

/* ---- evaluation ---- */

static bool compare_one(enum filter_operator op, const char *have, const char *want)
{
    int order = strcmp(have, want);

    if (is_number(have) && is_number(want)) {
        double a = strtod(have, NULL), b = strtod(want, NULL);

        order = a < b ? -1 : a > b;
    }
    switch (op) {
    case FILTER_IN:
    case FILTER_NOT_IN:
    case FILTER_EQ:
    case FILTER_NE:
        return order == 0;
    case FILTER_LT:
        return order < 0;
    case FILTER_LE:
        return order <= 0;
    case FILTER_GT:
        return order > 0;
    case FILTER_GE:
        return order >= 0;
    }
    return false;
}

/* "\"a\",\"b\"" into a list; a bare text is one value. */
static json_t *split_values(const char *text)
{
    json_t *out = json_array();
    const char *p = text;

    if (!strchr(text, '"')) {
        json_array_append_new(out, json_string(text));
        return out;
    }
    while ((p = strchr(p, '"'))) {
        const char *end = strchr(p + 1, '"');

        if (!end)
            break;
        json_array_append_new(out, json_stringn(p + 1, (size_t) (end - p - 1)));
        p = end + 1;
    }
    return out;
}

static bool any_matches(enum filter_operator op, const json_t *have, const json_t *want)
{
    for (size_t i = 0; i < json_array_size(have); i++)
        for (size_t k = 0; k < json_array_size(want); k++) {
            const char *w = json_string_value(json_array_get(want, k));

            if (str_eq(w, "*") || compare_one(op, json_string_value(json_array_get(have, i)), w))
                return true;
        }
    return false;
}

static bool condition_holds(const struct filter_condition *c, const struct filter_question *q)
{
    const json_t *have = q->lookup(q->context, c->dataset, c->field);
    AUTO_JSON json_t *given = NULL;
    const json_t *want = c->values;
    bool is_negative = c->op == FILTER_NOT_IN || c->op == FILTER_NE;

    if (c->placeholder) {
        given = split_values(json_text_or(q->values, c->placeholder, ""));
        want = given;
    }
    if (c->current) {
        /* One lookup borrows until the next: what was found first is copied. */
        AUTO_JSON json_t *own = json_deep_copy(have);

        return any_matches(c->op, own, q->lookup(q->context, "CurrentItem", c->current)) !=
               is_negative;
    }
    return any_matches(c->op, have, want) != is_negative;
}

/* Conditions of one sort (WHERE or IF): ORs of ANDs. True when there is none. */
static bool conditions_hold(const struct filter_clause *clause, bool is_if,
                            const struct filter_question *q)
{
    bool any = false, all = true, is_first = true;

    for (size_t i = 0; i < clause->count; i++) {
        const struct filter_condition *c = &clause->conditions[i];

        if (c->is_if != is_if)
            continue;
        if (c->is_or) {
            any |= all;
            all = true;
        }
        is_first = false;
        all = all && condition_holds(c, q);
    }
    return is_first || any || all;
}

bool sim_filter_keeps(const struct filter *f, const struct filter_question *q)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct filter_clause *clause = &f->clauses[i];

        if (!conditions_hold(clause, true, q))
            continue;
        if (conditions_hold(clause, false, q) != clause->is_include)
            return false;
    }
    return true;
}
