/*
 * filter_expression.c - a recursive-descent parser without recursion for filter expressions.
 *
 * The grammar is the developer guide's ("Filter expression structure and elements"). What Amazon
 * alone knows (types of values, number of values) is not judged here; what its guide forbids is.
 */
#include "steward/filter_expression.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "steward/mem.h"
#include "steward/str.h"

enum token_type { TOKEN_END, TOKEN_WORD, TOKEN_TEXT, TOKEN_NUMBER, TOKEN_PLACEHOLDER, TOKEN_SIGN };

struct token {
    enum token_type type;
    size_t position, length; /* in the text, quotes included */
};

struct parser {
    const char *text;
    struct token token; /* the one to look at */
    struct filter_expression *out;
    struct err *e;
    size_t part;
};

static bool is_word(char c)
{
    return isalnum((unsigned char) c) || c == '_';
}

static size_t number_length(const char *at)
{
    size_t n = *at == '-' || *at == '+';
    size_t digits = strspn(at + n, "0123456789");

    n += digits;
    if (at[n] == '.') {
        size_t fraction = strspn(at + n + 1, "0123456789");

        digits += fraction;
        n += 1 + fraction;
    }
    return digits > 0 ? n : 0;
}

static enum err_code fail(struct parser *p, const char *expected)
{
    const char *at = p->text + p->token.position;
    char found[48];

    if (p->token.type == TOKEN_END)
        return err_set(p->e, ERR_INVALID, "Position %zu: the expression ends; expected %s.",
                       p->token.position + 1, expected);
    (void) str_copy(found, sizeof found, at);
    if (p->token.length < sizeof found)
        found[p->token.length < strlen(found) ? p->token.length : strlen(found)] = '\0';
    return err_set(p->e, ERR_INVALID, "Position %zu: found %s; expected %s.", p->token.position + 1,
                   found, expected);
}

/* Reads the token after the current one. */
static enum err_code next(struct parser *p)
{
    const char *at = p->text + p->token.position + p->token.length;
    struct token t = { TOKEN_END, 0, 0 };

    at += strspn(at, " \t\r\n");
    t.position = (size_t) (at - p->text);
    if (*at == '\0') {
        t.type = TOKEN_END;
    } else if (*at == '"' || *at == '\'') {
        const char *end = at + 1;

        while (*end && *end != *at)
            end += *end == '\\' && end[1] ? 2 : 1;
        t.type = TOKEN_TEXT;
        t.length = (size_t) (end - at) + 1;
        if (!*end) {
            p->token = (struct token){ TOKEN_END, t.position, 0 };
            return err_set(p->e, ERR_INVALID, "Position %zu: a text in quotes that does not end.",
                           t.position + 1);
        }
    } else if (*at == '$') {
        t.type = TOKEN_PLACEHOLDER;
        t.length = 1;
        while (is_word(at[t.length]))
            t.length++;
    } else if (number_length(at) > 0) {
        t.type = TOKEN_NUMBER;
        t.length = number_length(at);
    } else if (is_word(*at)) {
        t.type = TOKEN_WORD;
        while (is_word(at[t.length]))
            t.length++;
    } else {
        t.type = TOKEN_SIGN;
        t.length = strchr("<>!", *at) && at[1] == '=' ? 2 : 1;
        while (((unsigned char) at[t.length] & 0xC0) == 0x80) /* a whole UTF-8 character */
            t.length++;
    }
    p->token = t;
    return OK;
}

static bool is_keyword(const struct parser *p, const char *word)
{
    return p->token.type == TOKEN_WORD && p->token.length == strlen(word) &&
           strncasecmp(p->text + p->token.position, word, p->token.length) == 0;
}

static bool is_sign(const struct parser *p, const char *sign)
{
    return p->token.type == TOKEN_SIGN && p->token.length == strlen(sign) &&
           strncmp(p->text + p->token.position, sign, p->token.length) == 0;
}

static enum err_code take_name(struct parser *p, char *out, size_t size, const char *expected)
{
    if (p->token.type != TOKEN_WORD || p->token.length >= size)
        return fail(p, expected);
    memcpy(out, p->text + p->token.position, p->token.length);
    out[p->token.length] = '\0';
    return next(p);
}

static enum err_code take_dot(struct parser *p)
{
    if (!is_sign(p, "."))
        return fail(p, "\".\" and a field, as in Items.GENRE");
    return next(p);
}

/* CurrentItem.FIELD as a value (CurrentUser stands after IF only). */
static enum err_code take_current(struct parser *p)
{
    char name[32], field[FILTER_NAME_BYTES];
    struct token start = p->token;

    TRY(take_name(p, name, sizeof name, "a value"));
    if (strcasecmp(name, "CurrentItem") != 0) {
        p->token = start;
        return fail(p, "a \"text\" in quotes, a number, a $PLACEHOLDER, or CurrentItem.FIELD");
    }
    TRY(take_dot(p));
    return take_name(p, field, sizeof field, "a field");
}

static enum err_code take_value(struct parser *p, struct filter_test *test)
{
    switch (p->token.type) {
    case TOKEN_TEXT:
        test->has_wildcard |= p->token.length == 3 && p->text[p->token.position + 1] == '*';
        return next(p);
    case TOKEN_NUMBER:
        return next(p);
    case TOKEN_PLACEHOLDER:
        if (p->token.length < 2)
            return fail(p, "a name after $");
        test->has_placeholder = true;
        return next(p);
    case TOKEN_WORD:
        return take_current(p);
    case TOKEN_SIGN:
    case TOKEN_END:
        break;
    }
    return fail(p, "a \"text\" in quotes, a number or a $PLACEHOLDER");
}

static enum err_code take_list(struct parser *p, struct filter_test *test)
{
    if (p->token.type == TOKEN_WORD)
        return take_current(p);
    if (!is_sign(p, "("))
        return fail(p, "\"(\" and a list of values");
    do {
        TRY(next(p));
        TRY(take_value(p, test));
    } while (is_sign(p, ","));
    if (!is_sign(p, ")"))
        return fail(p, "\",\" or \")\"");
    return next(p);
}

static enum err_code take_comparison(struct parser *p, struct filter_test *test)
{
    bool is_bracketed;

    TRY(next(p));
    is_bracketed = is_sign(p, "(");
    if (is_bracketed)
        TRY(next(p));
    TRY(take_value(p, test));
    if (!is_bracketed)
        return OK;
    if (!is_sign(p, ")"))
        return fail(p, "\")\"");
    return next(p);
}

static enum err_code take_operator(struct parser *p, struct filter_test *test)
{
    if (is_keyword(p, "NOT")) {
        TRY(next(p));
        if (!is_keyword(p, "IN"))
            return fail(p, "IN after NOT");
        test->operator= FILTER_NOT_IN;
    } else if (is_keyword(p, "IN")) {
        test->operator= FILTER_IN;
    } else if (is_sign(p, "=") || is_sign(p, "!=")) {
        test->operator= is_sign(p, "=") ? FILTER_EQUAL : FILTER_NOT_EQUAL;
        return take_comparison(p, test);
    } else if (is_sign(p, "<") || is_sign(p, "<=") || is_sign(p, ">") || is_sign(p, ">=")) {
        test->operator= FILTER_ORDER;
        return take_comparison(p, test);
    } else {
        return fail(p, "IN, NOT IN, =, !=, <, <=, > or >=");
    }
    TRY(next(p));
    return take_list(p, test);
}

static enum err_code take_test(struct parser *p, bool is_condition)
{
    struct filter_expression *out = p->out;
    struct filter_test *test;
    struct token start = p->token;

    if (out->n_tests == FILTER_FIELDS_MAX)
        return fail(p, "no more than 64 tests");
    test = &out->tests[out->n_tests];
    *test = (struct filter_test){ .position = start.position,
                                  .part = p->part,
                                  .is_condition = is_condition };
    TRY(take_name(p, test->dataset, sizeof test->dataset,
                  is_condition ? "CurrentUser.FIELD" : "a field such as Items.GENRE"));
    if (is_condition ? strcasecmp(test->dataset, "CurrentUser") != 0
                     : !filter_dataset_type(test->dataset)) {
        p->token = start;
        return fail(p, is_condition ? "CurrentUser.FIELD after IF"
                                    : "Interactions, Items, Users, Actions or Action_Interactions");
    }
    TRY(take_dot(p));
    TRY(take_name(p, test->field, sizeof test->field, "a field's name after \".\""));
    TRY(take_operator(p, test));
    out->n_tests++;
    return OK;
}

static enum err_code take_tests(struct parser *p)
{
    size_t first = p->out->n_tests;

    for (;;) {
        const struct filter_test *test;

        TRY(take_test(p, false));
        test = &p->out->tests[p->out->n_tests - 1];
        if (!str_eq(filter_dataset_type(test->dataset),
                    filter_dataset_type(p->out->tests[first].dataset))) {
            p->token = (struct token){ TOKEN_WORD, test->position, strlen(test->dataset) };
            return fail(p, "a field of the dataset of the first test (AND and OR do not mix "
                           "datasets; chain expressions with | instead)");
        }
        if (!is_keyword(p, "AND") && !is_keyword(p, "OR"))
            return OK;
        TRY(next(p));
    }
}

static enum err_code take_part(struct parser *p)
{
    static const char *const targets[] = { "ItemID", "UserID", "ActionID" };
    size_t target = 0;

    if (!is_keyword(p, "INCLUDE") && !is_keyword(p, "EXCLUDE"))
        return fail(p, "INCLUDE or EXCLUDE");
    TRY(next(p));
    while (target < ARRAY_LEN(targets) && !is_keyword(p, targets[target]))
        target++;
    if (target == ARRAY_LEN(targets))
        return fail(p, "ItemID, UserID or ActionID");
    if (p->part == 0)
        p->out->target = (enum filter_target) target;
    else if (p->out->target != (enum filter_target) target)
        return fail(p, "the same kind of id as in the first expression");
    TRY(next(p));
    if (!is_keyword(p, "WHERE"))
        return fail(p, "WHERE");
    TRY(next(p));
    TRY(take_tests(p));
    if (!is_keyword(p, "IF"))
        return OK;
    do {
        TRY(next(p));
        TRY(take_test(p, true));
    } while (is_keyword(p, "AND"));
    return OK;
}

static enum err_code parse(struct parser *p)
{
    TRY(next(p));
    for (;; p->part++) {
        TRY(take_part(p));
        if (p->token.type == TOKEN_END)
            break;
        if (!is_sign(p, "|"))
            return fail(p, "AND, OR, IF, | or the end");
        TRY(next(p));
    }
    p->out->n_parts = p->part + 1;
    return OK;
}

enum err_code filter_parse(const char *text, struct filter_expression *out, size_t *position,
                           struct err *e)
{
    struct parser p = { .text = text, .out = out, .e = e };
    enum err_code rc;

    out->n_parts = 0;
    out->n_tests = 0;
    out->target = FILTER_ITEMS;
    rc = parse(&p);
    if (position)
        *position = rc ? p.token.position : 0;
    return rc;
}

const char *filter_dataset_type(const char *name)
{
    static const char *const types[][2] = {
        { "Interactions", "INTERACTIONS" },
        { "Items", "ITEMS" },
        { "Users", "USERS" },
        { "Actions", "ACTIONS" },
        { "Action_Interactions", "ACTION_INTERACTIONS" },
        { "Action", "ACTIONS" }, /* an example of the guide has it */
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcasecmp(types[i][0], name) == 0)
            return types[i][1];
    return NULL;
}
