/*
 * services.c - the services we call: names, protocols, addresses.
 *
 * Standard addresses follow the endpoint rules that AWS publishes: prefix[-fips].region.suffix of
 * the region's partition.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <string.h>

#include "aws_private.h"

#define JSON_1_0 "application/x-amz-json-1.0"
#define JSON_1_1 "application/x-amz-json-1.1"

const struct aws_service_facts aws_services[AWS_SERVICE_COUNT] = {
    [AWS_PERSONALIZE] = { "PERSONALIZE", "personalize", "personalize", AWS_PROTOCOL_JSON, JSON_1_1,
                          "AmazonPersonalize.", NULL },
    [AWS_PERSONALIZE_RUNTIME] = { "PERSONALIZE_RUNTIME", "personalize-runtime", "personalize",
                                  AWS_PROTOCOL_REST_JSON, "application/json", NULL, NULL },
    [AWS_PERSONALIZE_EVENTS] = { "PERSONALIZE_EVENTS", "personalize-events", "personalize",
                                 AWS_PROTOCOL_REST_JSON, "application/json", NULL, NULL },
    [AWS_S3] = { "S3", "s3", "s3", AWS_PROTOCOL_S3, NULL, NULL, NULL },
    [AWS_STS] = { "STS", "sts", "sts", AWS_PROTOCOL_QUERY, NULL, NULL, "2011-06-15" },
    [AWS_EVENTBRIDGE] = { "EVENTBRIDGE", "events", "events", AWS_PROTOCOL_JSON, JSON_1_1,
                          "AWSEvents.", NULL },
    [AWS_SNS] = { "SNS", "sns", "sns", AWS_PROTOCOL_QUERY, NULL, NULL, "2010-03-31" },
    [AWS_CLOUDWATCH] = { "CLOUDWATCH", "monitoring", "monitoring", AWS_PROTOCOL_JSON, JSON_1_0,
                         "GraniteServiceVersion20100801.", NULL },
    [AWS_SQS] = { "SQS", "sqs", "sqs", AWS_PROTOCOL_JSON, JSON_1_0, "AmazonSQS.", NULL },
};

/* The longer prefix first where one begins with another; the last row stands for all the rest. */
static const struct aws_partition_facts partitions[] = {
    { "aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn" },
    { "aws-us-gov", "us-gov-", "amazonaws.com", "api.aws" },
    { "aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud" },
    { "aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov" },
    { "aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov" },
    { "aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk" },
    { "aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu" },
    { "aws", "", "amazonaws.com", "api.aws" },
};

static const struct {
    enum aws_service service;
    const char *operation, *path;
} rest_paths[] = {
    { AWS_PERSONALIZE_EVENTS, "PutEvents", "/events" },
    { AWS_PERSONALIZE_EVENTS, "PutItems", "/items" },
    { AWS_PERSONALIZE_EVENTS, "PutUsers", "/users" },
    { AWS_PERSONALIZE_EVENTS, "PutActions", "/actions" },
    { AWS_PERSONALIZE_EVENTS, "PutActionInteractions", "/action-interactions" },
    { AWS_PERSONALIZE_RUNTIME, "GetRecommendations", "/recommendations" },
    { AWS_PERSONALIZE_RUNTIME, "GetPersonalizedRanking", "/personalize-ranking" },
    { AWS_PERSONALIZE_RUNTIME, "GetActionRecommendations", "/action-recommendations" },
};

const struct aws_partition_facts *aws_partition_of(const char *region)
{
    for (size_t i = 0; i < ARRAY_LEN(partitions); i++)
        if (str_starts(region, partitions[i].region_prefix))
            return &partitions[i];
    return &partitions[ARRAY_LEN(partitions) - 1];
}

bool aws_region_is_valid(const char *region)
{
    size_t n = strlen(region);

    if (n == 0 || n > 63 || region[0] == '-' || region[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char) region[i]) && region[i] != '-')
            return false;
    return true;
}

char *aws_standard_endpoint(enum aws_service service, const char *region, bool is_fips,
                            bool is_dual_stack)
{
    const struct aws_partition_facts *partition = aws_partition_of(region);
    const char *prefix = aws_services[service].prefix;

    if (service == AWS_S3 && is_dual_stack)
        return xasprintf("https://s3%s.dualstack.%s.%s", is_fips ? "-fips" : "", region,
                         partition->dns_suffix);
    /* In the government regions the plain names of the general services are the validated ones. */
    if (is_fips && !is_dual_stack && str_eq(partition->id, "aws-us-gov") &&
        (service == AWS_STS || service == AWS_EVENTBRIDGE || service == AWS_SNS ||
         service == AWS_CLOUDWATCH || service == AWS_SQS))
        is_fips = false;
    return xasprintf("https://%s%s.%s.%s", prefix, is_fips ? "-fips" : "", region,
                     is_dual_stack ? partition->dual_stack_suffix : partition->dns_suffix);
}

/* Clear text stays on this machine or its private network: loopback, private addresses, names
 * without a dot. */
static bool is_clear_text_host(const char *host)
{
    struct in6_addr six;
    struct in_addr four;
    uint32_t a;

    if (host[0] == '[') {
        char plain[64];

        (void) str_copy(plain, sizeof plain, host + 1);
        plain[strcspn(plain, "]")] = '\0';
        return inet_pton(AF_INET6, plain, &six) == 1 &&
               (IN6_IS_ADDR_LOOPBACK(&six) || (six.s6_addr[0] & 0xFE) == 0xFC);
    }
    if (inet_pton(AF_INET, host, &four) == 1) {
        a = ntohl(four.s_addr);
        return a >> 24 == 127 || a >> 24 == 10 || a >> 20 == 0xAC1 || a >> 16 == 0xC0A8;
    }
    return !strchr(host, '.') || str_ends(host, ".localhost") || str_ends(host, ".local") ||
           str_ends(host, ".internal");
}

static enum err_code check_endpoint(CURLU *url, const char *text, const char *from, struct err *e)
{
    char *scheme = NULL, *host = NULL, *query = NULL, *user = NULL;
    enum err_code rc = OK;

    (void) curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    (void) curl_url_get(url, CURLUPART_HOST, &host, 0);
    (void) curl_url_get(url, CURLUPART_QUERY, &query, 0);
    (void) curl_url_get(url, CURLUPART_USER, &user, 0);
    if (!scheme || !host || query || user || !(str_eq(scheme, "https") || str_eq(scheme, "http")))
        rc = err_set(e, ERR_INVALID,
                     "The endpoint '%.100s' of %s is not usable: expected is "
                     "https://host[:port][/path].",
                     text, from);
    else if (str_eq(scheme, "http") && !is_clear_text_host(host))
        rc = err_set(e, ERR_INVALID,
                     "The endpoint '%.100s' of %s would send signed requests in clear text over a "
                     "public network: use https.",
                     text, from);
    curl_free(scheme);
    curl_free(host);
    curl_free(query);
    curl_free(user);
    return rc;
}

enum err_code aws_custom_endpoint(const char *text, const char *from, char **out, struct err *e)
{
    CURLU *url = curl_url();
    size_t n = strlen(text);
    enum err_code rc;

    if (!url)
        mem_exhausted();
    if (n > 1024 || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK)
        rc = err_set(e, ERR_INVALID,
                     "The endpoint '%.100s' of %s is not a URL: expected is "
                     "https://host[:port][/path].",
                     text, from);
    else
        rc = check_endpoint(url, text, from, e);
    curl_url_cleanup(url);
    if (rc != OK)
        return rc;
    while (n && text[n - 1] == '/')
        n--;
    *out = xstrndup(text, n);
    return OK;
}

const char *aws_rest_path(enum aws_service service, const char *operation)
{
    for (size_t i = 0; i < ARRAY_LEN(rest_paths); i++)
        if (rest_paths[i].service == service && str_eq(rest_paths[i].operation, operation))
            return rest_paths[i].path;
    return NULL;
}
