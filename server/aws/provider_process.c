/*
 * provider_process.c - a program that prints credentials (credential_process of a profile).
 */
#include <ctype.h>
#include <string.h>

#include "aws_private.h"
#include "steward/json.h"

#define WORDS_MAX 64

static char next_quote(char quote, char c)
{
    if (quote)
        return '\0';
    return c;
}

/* Splits like a shell does words: quotes and backslashes, no expansion. False on an open quote or
 * too many words. */
static bool split_words(const char *text, struct arena *arena, char *words[WORDS_MAX + 1])
{
    size_t count = 0;

    for (const char *s = text; *s;) {
        char *word, *to, quote = '\0';

        while (isspace((unsigned char) *s))
            s++;
        if (!*s)
            break;
        if (count == WORDS_MAX)
            return false;
        word = to = arena_alloc(arena, strlen(s) + 1);
        for (; *s && (quote || !isspace((unsigned char) *s)); s++) {
            if (quote ? *s == quote : *s == '"' || *s == '\'') {
                quote = next_quote(quote, *s);
            } else if (*s == '\\' && s[1] && quote != '\'') {
                s++;
                *to++ = *s;
            } else {
                *to++ = *s;
            }
        }
        if (quote)
            return false;
        words[count++] = word;
    }
    words[count] = NULL;
    return count > 0;
}

static enum err_code read_answer(const struct aws_output *output, const char *program,
                                 struct aws_credentials *out, struct err *e)
{
    static const struct aws_json_names names = { "AccessKeyId", "SecretAccessKey", "SessionToken",
                                                 "Expiration" };
    AUTO_JSON json_t *answer = NULL;

    if (output->exit_status != 0)
        return err_set(e, ERR_AUTH, "The credential process '%.60s' failed with status %d: %.100s",
                       program, output->exit_status, output->err.data);
    if (json_parse(output->out.data, output->out.length, &answer, NULL, e) != OK)
        return err_set(e, ERR_AUTH, "The credential process '%.60s' did not print JSON.", program);
    if (json_integer_value(json_object_get(answer, "Version")) != 1)
        return err_set(e, ERR_AUTH, "The credential process '%.60s' must print \"Version\": 1.",
                       program);
    return aws_credentials_from_json(answer, &names, out, e);
}

enum err_code aws_provider_process(const struct aws_ask *ask, struct aws_credentials *out,
                                   bool *is_found, struct err *e)
{
    const struct aws_settings *s = ask->settings;
    const char *profile = ask->profile;
    const char *command = aws_profile_get(&s->profiles, profile, "credential_process");
    AUTO_ARENA struct arena arena = { 0 };
    AUTO_OUTPUT struct aws_output output = { 0 };
    char *words[WORDS_MAX + 1];

    if (!command)
        return OK;
    *is_found = true;
    if (!split_words(command, &arena, words))
        return err_set(e, ERR_AUTH,
                       "The credential_process of the profile '%.60s' is not a command line.",
                       profile);
    TRY(s->src->run(s->src->context, words, &output, e));
    return read_answer(&output, words[0], out, e);
}
