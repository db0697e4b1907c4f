/*
 * cli.h - the command line: a pure client of the REST API, but for what works offline.
 */
#ifndef STEWARD_CLI_H
#define STEWARD_CLI_H

#include <stddef.h>

struct cli_command {
    const char *name, *arguments, *summary;
    int (*run)(char *const argv[]); /* arguments after the command's name; returns the exit code */
};
extern const struct cli_command cli_commands[];
extern const size_t n_cli_commands;

int cli_schedules(char *const argv[]);
int cli_pause(char *const argv[]);
int cli_resume(char *const argv[]);
int cli_schedule_next(char *const argv[]);
int cli_plan(char *const argv[]);
int cli_import(char *const argv[]);
int cli_versions(char *const argv[]);
int cli_rollback(char *const argv[]);
int cli_delete(char *const argv[]);
int cli_triggers(char *const argv[]);
int cli_tokens(char *const argv[]);

#endif
