/*
 * rebind.c - a resolver that lies: preloaded, every name under rebind.example.com is 127.0.0.1.
 *
 * It is what DNS rebinding looks like from inside: the name was harmless when somebody looked at
 * it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

typedef int (*getaddrinfo_fn)(const char *, const char *, const struct addrinfo *,
                              struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    getaddrinfo_fn real = (getaddrinfo_fn) dlsym(RTLD_NEXT, "getaddrinfo");

    if (node && strstr(node, "rebind.example.com"))
        node = "127.0.0.1";
    return real(node, service, hints, result);
}
