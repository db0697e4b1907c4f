/*
 * aws_chain_test.c - the order of the credential chain, and when a session refreshes, over a world
 * made for the test.
 *
 * Environment, files, answers of the network and the clock are tables; nothing real is touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aws/aws_private.h"
#include "steward/clock.h"

#define NOW_MS  1800000000000
#define MINUTE  INT64_C(60000)
#define RECORDS 64

struct world {
    struct aws_sources sources;
    const char *env[16][2];
    const char *files[8][2];
    struct {
        const char *method, *url_part;
        int status; /* 0: no connection */
        const char *body;
    } answers[8];
    char asked[RECORDS][200];
    int n_asked, n_run, n_slept;
    int64_t now_ms;
    bool are_files_exposed;
};

static const char *world_env(void *context, const char *name)
{
    const struct world *w = context;

    for (size_t i = 0; i < ARRAY_LEN(w->env) && w->env[i][0]; i++)
        if (str_eq(w->env[i][0], name))
            return w->env[i][1];
    return NULL;
}

static enum err_code world_read_file(void *context, const char *path, struct aws_file *out,
                                     struct err *e)
{
    const struct world *w = context;

    for (size_t i = 0; i < ARRAY_LEN(w->files) && w->files[i][0]; i++) {
        if (!str_eq(w->files[i][0], path))
            continue;
        *out = (struct aws_file){ xstrdup(w->files[i][1]), w->are_files_exposed };
        return OK;
    }
    return err_set(e, ERR_NOT_FOUND, "no file %s", path);
}

static enum err_code world_fetch(void *context, const struct aws_http_request *rq,
                                 struct aws_http_reply *out, struct err *e)
{
    struct world *w = context;

    *out = (struct aws_http_reply){ 0 };
    if (w->n_asked < RECORDS)
        (void) snprintf(w->asked[w->n_asked++], sizeof w->asked[0], "%s %s %.80s", rq->method,
                        rq->url, rq->body ? rq->body : "");
    for (size_t i = 0; i < ARRAY_LEN(w->answers) && w->answers[i].method; i++) {
        if (!str_eq(w->answers[i].method, rq->method) || !strstr(rq->url, w->answers[i].url_part))
            continue;
        if (!w->answers[i].status)
            break;
        out->status = w->answers[i].status;
        buf_adds(&out->body, w->answers[i].body);
        return OK;
    }
    return err_set(e, ERR_UNAVAILABLE, "no connection");
}

static enum err_code world_run(void *context, char *const argv[], struct aws_output *out,
                               struct err *e)
{
    struct world *w = context;

    (void) e;
    *out = (struct aws_output){ 0 };
    w->n_run++;
    buf_adds(&out->err, "");
    buf_printf(&out->out, "{\"Version\":1,\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\"}",
               argv[1]);
    return OK;
}

static int64_t world_now_ms(void *context)
{
    return ((struct world *) context)->now_ms;
}

static void world_sleep_ms(void *context, int64_t ms)
{
    (void) ms;
    ((struct world *) context)->n_slept++;
}

static void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->now_ms = NOW_MS;
    w->sources = (struct aws_sources){ .context = w,
                                       .env = world_env,
                                       .read_file = world_read_file,
                                       .fetch = world_fetch,
                                       .run = world_run,
                                       .now_ms = world_now_ms,
                                       .sleep_ms = world_sleep_ms };
}

static void set_env(struct world *w, const char *name, const char *value)
{
    size_t i = 0;

    while (w->env[i][0] && !str_eq(w->env[i][0], name))
        i++;
    assert_true(i < ARRAY_LEN(w->env));
    w->env[i][0] = name;
    w->env[i][1] = value;
}

static void add_file(struct world *w, const char *path, const char *text)
{
    size_t i = 0;

    while (w->files[i][0])
        i++;
    w->files[i][0] = path;
    w->files[i][1] = text;
}

static void add_answer(struct world *w, const char *method, const char *url_part, const char *body)
{
    size_t i = 0;

    while (w->answers[i].method)
        i++;
    w->answers[i].method = method;
    w->answers[i].url_part = url_part;
    w->answers[i].status = 200;
    w->answers[i].body = body;
}

static const char *keys_until(char *out, size_t size, const char *id, int64_t expires_ms)
{
    char text[CLOCK_TEXT_BYTES];

    clock_format_s(expires_ms / 1000, text);
    (void) snprintf(
        out, size,
        "{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"%s\"}",
        id, text);
    return out;
}

static void open_session(struct world *w, const char *profile, struct aws_session **s)
{
    struct aws_options options = { .region = "eu-west-1", .profile = profile };
    struct err e = { 0 };

    if (aws_session_open_with(&options, &w->sources, s, &e) != OK)
        fail_msg("%s", e.message);
}

/* The key id that the chain finds, or "" when it fails. */
static const char *chain_key(struct world *w, const char *profile)
{
    static char key[64];
    struct aws_options options = { .region = "eu-west-1", .profile = profile };
    AUTO_CREDENTIALS struct aws_credentials found = { 0 };
    struct aws_settings settings;
    struct err e = { 0 };

    key[0] = '\0';
    if (aws_settings_open(&options, &w->sources, &settings, &e) != OK)
        fail_msg("%s", e.message);
    if (aws_chain_load(&settings, &found, &e) == OK)
        (void) str_copy(key, sizeof key, found.access_key_id);
    else
        assert_true(e.message[0]);
    aws_settings_done(&settings);
    return key;
}

/* Every provider is there; they are taken away one by one from the front, and the next one answers.
 */
// NOLINTNEXTLINE(readability-function-size): one table of a world, taken apart step by step
static void order(void **state)
{
    struct world w;

    (void) state;
    world_init(&w);
    set_env(&w, "HOME", "/home/u");
    add_file(&w, "/home/u/.aws/config",
             "[profile p]\nrole_arn = arn:r\nsource_profile = q\n"
             "aws_access_key_id = CONFIG\naws_secret_access_key = s\n"
             "credential_process = program PROCESS\n"
             "sso_session = x\nsso_account_id = 1\nsso_role_name = r\n"
             "[profile q]\naws_access_key_id = SOURCE\naws_secret_access_key = s\n"
             "[sso-session x]\nsso_start_url = https://start\nsso_region = eu-west-1\n");
    add_file(&w, "/home/u/.aws/credentials",
             "[p]\naws_access_key_id = SHARED\naws_secret_access_key = s\n");
    add_file(&w, "/home/u/.aws/sso/cache/11f6ad8ec52a2984abaafd7c3b516503785c2072.json",
             "{\"accessToken\":\"token\",\"expiresAt\":\"2027-01-16T00:00:00Z\"}");
    add_file(&w, "/token", "jwt");
    set_env(&w, "AWS_PROFILE", "p");
    set_env(&w, "AWS_ACCESS_KEY_ID", "ENV");
    set_env(&w, "AWS_SECRET_ACCESS_KEY", "s");
    set_env(&w, "AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
    set_env(&w, "AWS_ROLE_ARN", "arn:w");
    set_env(&w, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
    add_answer(&w, "POST", "sts.",
               "<R><AccessKeyId>STS</AccessKeyId><SecretAccessKey>s</"
               "SecretAccessKey><SessionToken>t</SessionToken></R>");
    add_answer(&w, "GET",
               "portal.sso.eu-west-1.amazonaws.com/federation/credentials?account_id=1&role_name=r",
               "{\"roleCredentials\":{\"accessKeyId\":\"SSO\",\"secretAccessKey\":\"s\","
               "\"sessionToken\":\"t\","
               "\"expiration\":1900000000000}}");
    add_answer(&w, "GET", "http://169.254.170.2/c",
               "{\"AccessKeyId\":\"CONTAINER\",\"SecretAccessKey\":\"s\"}");
    add_answer(&w, "PUT", "http://169.254.169.254/latest/api/token", "session");
    add_answer(&w, "GET", "security-credentials/role",
               "{\"AccessKeyId\":\"IMDS\",\"SecretAccessKey\":\"s\"}");
    add_answer(&w, "GET", "security-credentials/", "role");

    assert_string_equal(chain_key(&w, NULL), "ENV");
    assert_int_equal(w.n_asked, 0);
    assert_string_equal(chain_key(&w, "p"),
                        "STS"); /* a profile named explicitly goes before the environment */
    assert_non_null(strstr(w.asked[0], "Action=AssumeRole&"));
    set_env(&w, "AWS_ACCESS_KEY_ID", NULL);
    assert_string_equal(chain_key(&w, NULL), "STS");
    w.files[0][1] = strstr(w.files[0][1], "aws_access_key_id");
    add_file(&w, "unused", "");
    {
        AUTO_FREE char *without_role = xasprintf("[profile p]\n%s", w.files[0][1]);

        w.files[0][1] = without_role;
        w.n_asked = 0;
        assert_string_equal(chain_key(&w, NULL), "STS"); /* now the web identity */
        assert_non_null(strstr(w.asked[0], "Action=AssumeRoleWithWebIdentity"));
        set_env(&w, "AWS_WEB_IDENTITY_TOKEN_FILE", NULL);
        assert_string_equal(chain_key(&w, NULL), "SSO");
        w.files[0][1] = "[profile p]\ncredential_process = program PROCESS\n"
                        "aws_access_key_id = CONFIG\naws_secret_access_key = s\n";
        assert_string_equal(chain_key(&w, NULL), "SHARED");
        w.files[1][0] = "gone";
        assert_string_equal(chain_key(&w, NULL), "PROCESS");
        w.files[0][1] = "[profile p]\naws_access_key_id = CONFIG\naws_secret_access_key = s\n";
        assert_string_equal(chain_key(&w, NULL), "CONFIG");
        w.files[0][1] = "[profile p]\n";
        assert_string_equal(chain_key(&w, NULL), "CONTAINER");
        set_env(&w, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", NULL);
        assert_string_equal(chain_key(&w, NULL), "IMDS");
        set_env(&w, "AWS_EC2_METADATA_DISABLED", "TRUE");
        assert_string_equal(chain_key(&w, NULL), "");
    }
}

/* What is configured and broken is an error; it does not fall through to the instance's role. */
static void broken_providers_stop_the_chain(void **state)
{
    static const struct {
        const char *name, *value;
    } breaks[] = {
        { "AWS_ACCESS_KEY_ID", "HALF" },
        { "AWS_WEB_IDENTITY_TOKEN_FILE", "/missing" },
        { "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/" },
        { "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/not-answering" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(breaks); i++) {
        struct world w;

        world_init(&w);
        add_answer(&w, "PUT", "latest/api/token", "session");
        add_answer(&w, "GET", "security-credentials/role",
                   "{\"AccessKeyId\":\"IMDS\",\"SecretAccessKey\":\"s\"}");
        add_answer(&w, "GET", "security-credentials/", "role");
        assert_string_equal(chain_key(&w, NULL), "IMDS");
        set_env(&w, breaks[i].name, breaks[i].value);
        w.n_asked = 0;
        assert_string_equal(chain_key(&w, NULL), "");
        for (int k = 0; k < w.n_asked; k++)
            assert_null(strstr(w.asked[k], "169.254.169.254"));
    }
}

static void container_is_asked_three_times(void **state)
{
    struct world w;

    (void) state;
    world_init(&w);
    set_env(&w, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://[fd00:ec2::23]/v1/credentials");
    assert_string_equal(chain_key(&w, NULL), "");
    assert_int_equal(w.n_asked, 3);
    assert_int_equal(w.n_slept, 2);
    add_answer(&w, "GET", "fd00", "{\"AccessKeyId\":\"C\",\"SecretAccessKey\":\"s\"}");
    assert_string_equal(chain_key(&w, NULL), "C");
    set_env(&w, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nX-Evil: 1");
    assert_string_equal(chain_key(&w, NULL), "");
}

static void refresh_windows(void **state)
{
    (void) state;
    assert_int_equal(aws_refresh_window_ms(6 * 60 * MINUTE), 15 * MINUTE);
    assert_int_equal(aws_refresh_window_ms(60 * MINUTE), 15 * MINUTE);
    assert_int_equal(aws_refresh_window_ms(30 * MINUTE), 15 * MINUTE);
    assert_int_equal(aws_refresh_window_ms(15 * MINUTE), 15 * MINUTE / 2);
    assert_int_equal(aws_refresh_window_ms(1000), 500);
}

static enum err_code get(struct aws_session *s, char *key, size_t size, struct err *e)
{
    AUTO_CREDENTIALS struct aws_credentials found = { 0 };
    enum err_code rc = aws_cache_get(s, &found, e);

    (void) str_copy(key, size, rc == OK ? found.access_key_id : "");
    return rc;
}

/* Failures are paused: a thousand calls without credentials ask the source a few times, not a
 * thousand. */
static void failures_are_not_hammered(void **state)
{
    struct aws_session *s;
    struct err e = { 0 };
    struct world w;
    char key[64];

    (void) state;
    world_init(&w);
    set_env(&w, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
    open_session(&w, NULL, &s);
    for (int i = 0; i < 1000; i++)
        assert_int_not_equal(get(s, key, sizeof key, &e), OK);
    assert_int_equal(w.n_asked, 3);
    assert_string_equal(e.message, "no connection");
    w.now_ms += 2000;
    assert_int_not_equal(get(s, key, sizeof key, &e), OK);
    assert_int_equal(w.n_asked, 6);
    w.now_ms -= 24L * 60 * MINUTE; /* the wall clock is set back a day: that is no pause of a day */
    assert_int_not_equal(get(s, key, sizeof key, &e), OK);
    assert_int_equal(w.n_asked, 9);
    add_answer(&w, "GET", "/c", "{\"AccessKeyId\":\"BACK\",\"SecretAccessKey\":\"s\"}");
    w.now_ms += 5000;
    assert_int_equal(get(s, key, sizeof key, &e), OK);
    assert_string_equal(key, "BACK");
    aws_session_close(s);
}

static void new_keys_that_are_old_are_refused(void **state)
{
    struct aws_session *s;
    struct err e = { 0 };
    struct world w;
    char key[64], text[200];

    (void) state;
    world_init(&w);
    set_env(&w, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
    add_answer(&w, "GET", "/c", keys_until(text, sizeof text, "OLD", NOW_MS - 1000));
    open_session(&w, NULL, &s);
    assert_int_equal(get(s, key, sizeof key, &e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.message, "expired"));
    aws_session_close(s);
}

static void instance_keys_near_their_end_are_extended(void **state)
{
    struct world w;
    struct aws_options options = { .region = "eu-west-1" };
    char text[200];

    (void) state;
    world_init(&w);
    add_answer(&w, "PUT", "latest/api/token", "session");
    add_answer(&w, "GET", "security-credentials/role",
               keys_until(text, sizeof text, "I", NOW_MS - 60 * MINUTE));
    add_answer(&w, "GET", "security-credentials/", "role");
    for (int i = 0; i < 50; i++) {
        AUTO_CREDENTIALS struct aws_credentials found = { 0 };
        struct aws_settings settings;
        struct err e = { 0 };

        assert_int_equal(aws_settings_open(&options, &w.sources, &settings, &e), OK);
        assert_int_equal(aws_chain_load(&settings, &found, &e), OK);
        assert_in_range(found.expires_ms, NOW_MS + 17 * MINUTE, NOW_MS + 25 * MINUTE);
        aws_settings_done(&settings);
    }
}

static void explicit_keys_need_nothing(void **state)
{
    struct aws_options options = { .is_ambient_ignored = true,
                                   .region = "us-gov-west-1",
                                   .access_key_id = "A",
                                   .secret_access_key = "S",
                                   .endpoint_url = "http://127.0.0.1:4580/" };
    struct aws_session *s;
    struct err e = { 0 };
    struct world w;
    char key[64];

    (void) state;
    world_init(&w);
    assert_int_equal(aws_session_open_with(&options, &w.sources, &s, &e), OK);
    assert_int_equal(get(s, key, sizeof key, &e), OK);
    assert_string_equal(key, "A");
    assert_string_equal(aws_partition(s), "aws-us-gov");
    assert_string_equal(aws_endpoint(s, AWS_S3), "http://127.0.0.1:4580");
    assert_true(aws_is_endpoint_custom(s));
    aws_session_close(s);
    options.secret_access_key = NULL;
    assert_int_equal(aws_session_open_with(&options, &w.sources, &s, &e), ERR_INVALID);
    assert_int_equal(w.n_asked, 0);
}

static void standard_endpoints(void **state)
{
    static const struct {
        enum aws_service service; // NOLINT(clang-analyzer-optin.performance.Padding)
        const char *region;
        bool is_fips, is_dual;
        const char *url;
    } cases[] = {
        { AWS_PERSONALIZE, "us-east-1", false, false,
          "https://personalize.us-east-1.amazonaws.com" },
        { AWS_PERSONALIZE, "us-east-1", true, true, "https://personalize-fips.us-east-1.api.aws" },
        { AWS_PERSONALIZE, "cn-north-1", false, true,
          "https://personalize.cn-north-1.api.amazonwebservices.com.cn" },
        { AWS_PERSONALIZE, "us-iso-east-1", false, false,
          "https://personalize.us-iso-east-1.c2s.ic.gov" },
        { AWS_PERSONALIZE, "us-isob-east-1", false, false,
          "https://personalize.us-isob-east-1.sc2s.sgov.gov" },
        { AWS_PERSONALIZE, "eusc-de-east-1", false, false,
          "https://personalize.eusc-de-east-1.amazonaws.eu" },
        { AWS_PERSONALIZE_EVENTS, "us-gov-west-1", true, false,
          "https://personalize-events-fips.us-gov-west-1.amazonaws.com" },
        { AWS_S3, "eu-west-1", false, true, "https://s3.dualstack.eu-west-1.amazonaws.com" },
        { AWS_S3, "us-gov-west-1", true, false, "https://s3-fips.us-gov-west-1.amazonaws.com" },
        { AWS_CLOUDWATCH, "eu-west-1", false, false, "https://monitoring.eu-west-1.amazonaws.com" },
        { AWS_STS, "us-gov-west-1", true, false, "https://sts.us-gov-west-1.amazonaws.com" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *url = aws_standard_endpoint(cases[i].service, cases[i].region,
                                                    cases[i].is_fips, cases[i].is_dual);

        assert_string_equal(url, cases[i].url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(broken_providers_stop_the_chain),
        cmocka_unit_test(container_is_asked_three_times),
        cmocka_unit_test(refresh_windows),
        cmocka_unit_test(failures_are_not_hammered),
        cmocka_unit_test(new_keys_that_are_old_are_refused),
        cmocka_unit_test(instance_keys_near_their_end_are_extended),
        cmocka_unit_test(explicit_keys_need_nothing),
        cmocka_unit_test(standard_endpoints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
