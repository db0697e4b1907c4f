/*
 * plan_test.c - from a parameter file and a run kind to steps: edges, options, claims, errors; and
 * from what was seen to the lines of a plan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "steward/json.h"
#include "steward/plan.h"
#include "steward/plan_lines.h"
#include "steward/str.h"

#define AVRO(name)                                                                           \
    "{'type':'record','name':'" name "','namespace':'com.amazonaws.personalize.schema',"     \
    "'version':'1.0','fields':[{'name':'USER_ID','type':'string'},{'name':'ITEM_ID','type':" \
    "'string'},{'name':'TIMESTAMP','type':'long'}]}"
#define DATASETS                                                                          \
    "'datasets':{'interactions':{'dataset':{'serviceConfig':{'name':'shop-i'}},'schema':" \
    "{'serviceConfig':{'name':'shop-schema','schema':" AVRO("Interactions") "}}}}"
#define SOLUTION(name, more)                                                                     \
    "{'serviceConfig':{'name':'" name "','recipeArn':"                                           \
    "'arn:aws:personalize:::recipe/aws-user-personalization-v2'},'campaigns':[{'serviceConfig':" \
    "{'name':'" name "-live','minProvisionedTPS':1}}]" more "}"
#define SHOP                                                                         \
    "{'datasetGroup':{'serviceConfig':{'name':'shop'}}," DATASETS ",'eventTracker':" \
    "{'serviceConfig':{'name':'shop-events'}},'solutions':[" SOLUTION(               \
        "a", ",'batchInferenceJobs':[{'serviceConfig':{}}]") "," SOLUTION("b", "") "]}"

static const struct plan_settings settings = { .bucket = "data",
                                               .role_arn = "arn:aws:iam::123456789012:role/r",
                                               .account_id = "123456789012",
                                               .region = "us-east-1",
                                               .partition = "aws",
                                               .deployment_id = "dep" };

struct made {
    struct parameter_file file;
    struct plan plan;
    enum err_code rc;
    struct err e;
};

static char *with_quotes(const char *text)
{
    char *copy = xstrdup(text);

    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    return copy;
}

static struct made make_with(const struct plan_settings *s, const char *text, enum run_kind kind,
                             const char *options)
{
    AUTO_FREE char *json = with_quotes(text), *given = with_quotes(options ? options : "{}");
    AUTO_JSON json_t *parsed = json_loads(given, 0, NULL);
    struct made m = { 0 };

    assert_non_null(parsed);
    parameter_file_parse(json, strlen(json), &m.file);
    if (m.file.errors.count)
        fail_msg("%s: %s", m.file.errors.items[0].pointer, m.file.errors.items[0].detail);
    m.rc = plan_build(&m.file, s, kind, parsed, &m.plan, &m.e);
    return m;
}

static struct made make(const char *text, enum run_kind kind, const char *options)
{
    return make_with(&settings, text, kind, options);
}

static void done(struct made *m)
{
    if (!m->rc)
        plan_done(&m->plan);
    parameter_file_done(&m->file);
}

static const struct plan_step *find(const struct made *m, const char *key)
{
    for (size_t i = 0; i < m->plan.n_steps; i++)
        if (str_eq(m->plan.steps[i].key, key))
            return &m->plan.steps[i];
    fail_msg("no step %s", key);
    return NULL;
}

static bool has(const struct made *m, const char *key)
{
    for (size_t i = 0; i < m->plan.n_steps; i++)
        if (str_eq(m->plan.steps[i].key, key))
            return true;
    return false;
}

static bool needs(const struct made *m, const char *key, const char *other)
{
    const struct plan_step *s = find(m, key);

    for (size_t i = 0; i < s->n_needs; i++)
        if (str_eq(m->plan.steps[s->needs[i]].key, other))
            return true;
    return false;
}

/* Every edge points back: the order of the steps is one of execution. */
static void assert_order(const struct made *m)
{
    for (size_t i = 0; i < m->plan.n_steps; i++)
        for (size_t k = 0; k < m->plan.steps[i].n_needs; k++)
            assert_true(m->plan.steps[i].needs[k] < i);
}

static void test_apply(void **state)
{
    struct made m = make(SHOP, RUN_KIND_APPLY, NULL);

    (void) state;
    assert_int_equal(m.rc, OK);
    assert_int_equal(m.plan.n_steps, 12);
    assert_order(&m);
    assert_true(needs(&m, "dataset/shop/INTERACTIONS", "schema/shop/shop-schema"));
    assert_true(needs(&m, "dataset/shop/INTERACTIONS", "datasetGroup/shop"));
    assert_true(needs(&m, "datasetImportJob/shop/INTERACTIONS", "dataset/shop/INTERACTIONS"));
    assert_true(needs(&m, "eventTracker/shop", "datasetGroup/shop"));
    assert_false(needs(&m, "eventTracker/shop", "datasetImportJob/shop/INTERACTIONS"));
    assert_true(needs(&m, "solution/a", "datasetImportJob/shop/INTERACTIONS"));
    assert_true(needs(&m, "campaign/a-live", "solutionVersion/a"));
    assert_false(needs(&m, "campaign/a-live", "solutionVersion/b"));
    assert_true(needs(&m, "batchInferenceJob/a/0", "solutionVersion/a"));
    assert_int_equal(find(&m, "solutionVersion/a")->verb, VERB_ENSURE);
    assert_string_equal(json_text(find(&m, "campaign/a-live")->refs, "solutionVersionArn"),
                        "solutionVersion/a");
    assert_string_equal(
        json_text(find(&m, "datasetImportJob/shop/INTERACTIONS")->options, "prefix"),
        "train/shop/");
    done(&m);
}

static void test_options_narrow_a_run(void **state)
{
    struct made m = make(SHOP, RUN_KIND_TRAIN_FULL, "{'solutions':['b']}");

    (void) state;
    assert_int_equal(m.rc, OK);
    assert_int_equal(m.plan.n_steps, 2);
    assert_int_equal(find(&m, "solutionVersion/b")->verb, VERB_RENEW);
    assert_int_equal(find(&m, "campaign/b-live")->verb, VERB_ENSURE);
    done(&m);
    m = make(SHOP, RUN_KIND_RETRAIN, "{'import':'skip','batch':false,'mode':'update'}");
    assert_int_equal(m.plan.n_steps, 4);
    assert_string_equal(json_text(find(&m, "solutionVersion/a")->request, "trainingMode"),
                        "UPDATE");
    done(&m);
    m = make(SHOP, RUN_KIND_IMPORT, "{'import':'force'}");
    assert_int_equal(m.plan.n_steps, 1);
    assert_true(json_bool_or(m.plan.steps[0].options, "isForced", false));
    done(&m);
    m = make(SHOP, RUN_KIND_PROMOTE, "{'campaigns':['b-live'],'version':'arn:v','pin':true}");
    assert_int_equal(m.plan.n_steps, 1);
    assert_string_equal(json_text(m.plan.steps[0].options, "version"), "arn:v");
    done(&m);
}

static void test_claims(void **state)
{
    struct made m = make(SHOP, RUN_KIND_TRAIN_FULL, "{'solutions':['b']}");
    AUTO_JSON json_t *claims = plan_claims(&m.plan), *none = NULL;

    (void) state;
    assert_int_equal(json_array_size(claims), 2);
    assert_string_equal(json_string_value(json_array_get(claims, 0)), "campaign/b-live");
    done(&m);
    m = make(SHOP, RUN_KIND_OBSERVE, NULL);
    none = plan_claims(&m.plan); /* looking disturbs nobody */
    assert_int_equal(json_array_size(none), 0);
    assert_int_equal(m.plan.n_steps, 12);
    for (size_t i = 0; i < m.plan.n_steps; i++)
        assert_int_equal(m.plan.steps[i].verb, VERB_OBSERVE);
    done(&m);
}

static void test_destroy(void **state)
{
    struct made m = make(SHOP, RUN_KIND_DESTROY, "{'resources':'delete'}");

    (void) state;
    assert_int_equal(m.rc, OK);
    assert_order(&m);
    assert_false(has(&m, "datasetImportJob/shop/INTERACTIONS")); /* jobs cannot be deleted */
    assert_int_equal(find(&m, "solutionVersion/a")->verb, VERB_STOP);
    assert_int_equal(find(&m, "campaign/a-live")->verb, VERB_DELETE);
    assert_true(needs(&m, "solution/a", "campaign/a-live"));
    assert_true(needs(&m, "solution/a", "solutionVersion/a"));
    assert_false(needs(&m, "solution/a", "campaign/b-live"));
    assert_true(needs(&m, "dataset/shop/INTERACTIONS", "solution/b"));
    assert_true(needs(&m, "schema/shop/shop-schema", "dataset/shop/INTERACTIONS"));
    assert_true(needs(&m, "datasetGroup/shop", "dataset/shop/INTERACTIONS"));
    assert_true(needs(&m, "datasetGroup/shop", "eventTracker/shop"));
    assert_false(needs(&m, "datasetGroup/shop", "datasetGroup/shop"));
    done(&m);
    m = make(SHOP, RUN_KIND_DESTROY, "{'resources':'keep'}");
    assert_int_equal(find(&m, "campaign/a-live")->verb, VERB_RELEASE);
    done(&m);
}

#define PROTECTED                                                                         \
    "{'datasetGroup':{'serviceConfig':{'name':'shop'},'workflowConfig':{'preventDestroy'" \
    ":true}}," DATASETS "}"

/* A deletion of data holds whatever reads or writes it, switches Amazon's own training off before
   and restores it however it ended. */
static void test_deletion_of_data(void **state)
{
    struct made m =
        make(SHOP, RUN_KIND_DELETE_DATA, "{'confirm':true,'dataLocation':'s3://b/users.csv'}");
    AUTO_JSON json_t *claims = plan_claims(&m.plan);
    AUTO_FREE char *text = json_compact(claims);
    size_t n = m.plan.n_steps, at = n / 2;

    (void) state;
    assert_int_equal(m.plan.steps[at].kind, KIND_DATA_DELETION_JOB);
    assert_int_equal(m.plan.steps[at].n_needs, at);
    for (size_t i = 0; i < at; i++) {
        assert_string_equal(json_text(m.plan.steps[i].options, "autoTraining"), "off");
        assert_string_equal(json_text(m.plan.steps[at + 1 + i].options, "autoTraining"), "restore");
        assert_string_equal(m.plan.steps[at + 1 + i].key, m.plan.steps[i].key);
        assert_true(m.plan.steps[at + 1 + i].is_always);
        assert_int_equal(m.plan.steps[at + 1 + i].needs[1], at);
    }
    assert_non_null(strstr(text, "\"datasetImportJob/"));
    assert_non_null(strstr(text, "\"solutionVersion/"));
    assert_null(strstr(text, "\"campaign/"));
    done(&m);
    m = make(SHOP, RUN_KIND_EXPORT_DATA,
             "{'destination':'s3://out/x','datasets':['interactions']}");
    assert_int_equal(m.plan.n_steps, 1);
    assert_int_equal(m.plan.steps[0].kind, KIND_DATASET_EXPORT_JOB);
    assert_string_equal(json_string_value(json_object_get(
                            json_object_get(json_object_get(m.plan.steps[0].request, "jobOutput"),
                                            "s3DataDestination"),
                            "path")),
                        "s3://out/x/interactions/");
    done(&m);
}

static void test_errors_name_what_is_wrong(void **state)
{
    struct plan_settings bare = settings;
    struct made m = make(SHOP, RUN_KIND_TRAIN, "{'solutions':['c']}");

    (void) state;
    assert_int_equal(m.rc, ERR_INVALID);
    assert_non_null(strstr(m.e.message, "no solution \"c\""));
    done(&m);
    m = make(SHOP, RUN_KIND_DELETE_DATA, "{'dataLocation':'s3://b/users.csv'}");
    assert_int_equal(m.rc, ERR_INVALID);
    assert_non_null(strstr(m.e.message, "confirm"));
    done(&m);
    m = make(SHOP, RUN_KIND_DELETE_DATA, "{'confirm':true,'dataLocation':'users.csv'}");
    assert_int_equal(m.rc, ERR_INVALID);
    assert_non_null(strstr(m.e.message, "s3://"));
    done(&m);
    m = make(PROTECTED, RUN_KIND_DESTROY, "{'resources':'delete'}");
    assert_int_equal(m.rc, ERR_CONFLICT);
    assert_non_null(strstr(m.e.message, "preventDestroy"));
    done(&m);
    m = make(PROTECTED, RUN_KIND_DESTROY, "{'resources':'keep'}");
    assert_int_equal(m.rc, OK);
    done(&m);
    bare.bucket = NULL;
    m = make_with(&bare, SHOP, RUN_KIND_APPLY, NULL);
    assert_int_equal(m.rc, ERR_INVALID);
    assert_non_null(strstr(m.e.message, "--bucket"));
    done(&m);
}

static void test_promotion_by_hand_is_an_option_of_the_campaign(void **state)
{
    struct made m = make(
        "{'datasetGroup':{'serviceConfig':{'name':'shop'}}," DATASETS
        ",'solutions':[" SOLUTION("a", ",'workflowConfig':{'promotion':{'policy':'manual'}}") "]}",
        RUN_KIND_APPLY, NULL);

    (void) state;
    assert_string_equal(json_text(find(&m, "campaign/a-live")->options, "promotion"), "manual");
    assert_null(json_object_get(find(&m, "solution/a")->options, "promotion"));
    done(&m);
}

/* ---- lines ---- */

#define SAW(n, kind, needs, seen, more)                                                        \
    "{'ordinal':" n ",'kind':'" kind "','name':'x','resourceKey':'" kind "/x','needs':[" needs \
    "],'details':{'observation':{'seen':'" seen "','isKnown':true" more "}}}"

static json_t *lines(const char *steps)
{
    AUTO_FREE char *text = with_quotes(steps);
    AUTO_JSON json_t *list = json_loads(text, 0, NULL);

    assert_non_null(list);
    return plan_lines_of(list);
}

static const char *action(const json_t *plan, size_t i)
{
    return json_text(json_array_get(json_object_get(plan, "lines"), i), "action");
}

static void test_lines(void **state)
{
    AUTO_JSON json_t *plan = lines("[" SAW("0", "solution", "", "matches", "") "," SAW(
        "1", "solutionVersion", "0", "stale",
        "") "," SAW("2", "campaign", "1", "matches",
                    "") "," SAW("3", "campaign", "1", "matches",
                                ",'promotion':'manual'") "," SAW("4", "batchInferenceJob", "1",
                                                                 "current",
                                                                 "") "," SAW("5", "filter", "",
                                                                             "replaceable",
                                                                             "") "]");
    AUTO_JSON json_t *same = lines("[" SAW("0", "solution", "", "matches", "") "," SAW(
        "1", "datasetImportJob", "", "noInput", "") "]");
    AUTO_JSON json_t *blocked = lines("[" SAW("0", "schema", "", "absent", "") "," SAW(
        "1", "dataset", "0", "matches",
        "") "," SAW("2", "solution", "", "matches",
                    ",'conflict':'not ours'") ",{'ordinal':3,'kind':'filter',"
                                              "'name':'f','reason':'AWS "
                                              "said no'}]");
    AUTO_BUF struct buf text = { 0 };

    (void) state;
    assert_string_equal(action(plan, 0), "noop");
    assert_string_equal(action(plan, 1), "job");
    assert_string_equal(action(plan, 2), "updateInPlace");
    assert_string_equal(action(plan, 3), "noop");
    assert_string_equal(action(plan, 4), "job");
    assert_string_equal(action(plan, 5), "replace");
    assert_true(json_bool_or(plan, "changes", false));
    assert_false(json_bool_or(same, "changes", true));
    assert_string_equal(action(blocked, 0), "create");
    assert_string_equal(action(blocked, 1), "blocked");
    assert_string_equal(action(blocked, 2), "blocked");
    assert_string_equal(action(blocked, 3), "blocked");
    plan_lines_text(blocked, "config x", &text);
    assert_non_null(strstr(text.data, "not ours"));
    assert_non_null(strstr(text.data, "1 to create, 3 blocked."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_options_narrow_a_run),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_destroy),
        cmocka_unit_test(test_deletion_of_data),
        cmocka_unit_test(test_errors_name_what_is_wrong),
        cmocka_unit_test(test_promotion_by_hand_is_an_option_of_the_campaign),
        cmocka_unit_test(test_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
