/*
 * main.c - the program's subcommands: a table, and the one that was asked for.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "serve.h"
#include "steward/api.h"
#include "steward/failpoint.h"
#include "steward/mem.h"
#include "steward/str.h"
#ifdef STEWARD_HAS_CLI
#include "steward/cli.h"
#endif

static int print_routes(char *const argv[])
{
    (void) argv;
    api_print_routes(stdout);
    return EXIT_GOOD;
}

static int print_version(char *const argv[])
{
    (void) argv;
    (void) printf("steward %s\n", STEWARD_VERSION);
    return EXIT_GOOD;
}

static const struct {
    const char *name, *arguments, *summary;
    int (*run)(char *const argv[]);
} commands[] = {
    { "serve", "[--local] [options]", "run the server", serve_run },
    { "token", "reset", "make a new first admin token, on the database itself", offline_token },
    { "audit", "verify", "check the audit log's hash chain, on the database itself",
      offline_audit },
    { "routes", "[--json]", "print the table of API routes as JSON", print_routes },
    { "version", "", "print the version", print_version },
};

static void print_command(FILE *to, const char *name, const char *arguments, const char *summary)
{
    int columns = (int) str_utf8_length(arguments);

    (void) fprintf(to, "  %-10s %s%*s %s\n", name, arguments, columns < 38 ? 38 - columns : 0, "",
                   summary);
}

static void print_usage(FILE *to)
{
    (void) fprintf(to, "usage: steward COMMAND [arguments]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        print_command(to, commands[i].name, commands[i].arguments, commands[i].summary);
#ifdef STEWARD_HAS_CLI
    for (size_t i = 0; i < n_cli_commands; i++)
        print_command(to, cli_commands[i].name, cli_commands[i].arguments, cli_commands[i].summary);
#endif
    (void) fprintf(to, "\nsteward COMMAND --help tells a command's options."
                       "\nThe first steps: steward serve --local, then steward apply FILE.\n");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    mem_init();
    (void) sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    if (str_eq(name, "--version"))
        return print_version(argv);
#ifdef STEWARD_FAILPOINTS
    if (str_eq(name, "--list-failpoints")) {
        fp_print(stdout);
        return EXIT_GOOD;
    }
#endif
    if (str_eq(name, "help") || str_eq(name, "--help") || str_eq(name, "-h")) {
        print_usage(stdout);
        return EXIT_GOOD;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (str_eq(commands[i].name, name))
            return commands[i].run(argv + 2);
#ifdef STEWARD_HAS_CLI
    for (size_t i = 0; i < n_cli_commands; i++)
        if (str_eq(cli_commands[i].name, name))
            return cli_commands[i].run(argv + 2);
#endif
    if (*name)
        (void) fprintf(stderr, "steward: there is no command \"%s\".\n", name);
    print_usage(stderr);
    return EXIT_USAGE;
}
