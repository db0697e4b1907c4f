/*
 * failpoint.h - named places where a test can make the program die, stop, sleep or fail.
 *
 * Compiled in with -DSTEWARD_FAILPOINTS only; the release binary has none. STEWARD_FAILPOINTS in
 * the environment arms them: "eng.mark_after_commit=kill9@3;lease.before_renew=sleep(2000)" (kill9,
 * stop, abort, exit(N), sleep(MS), cut: every connection of the process breaks; @N: at the Nth
 * hit). STEWARD_FAILPOINTS_SEEN names a file that gets each name once that was passed: the suite
 * holds it against `steward --list-failpoints`. STEWARD_FAILPOINTS_TOKEN names a file without which
 * nothing counts: a test makes it when its start is over, and the first replica to act takes it.
 */
#ifndef STEWARD_FAILPOINT_H
#define STEWARD_FAILPOINT_H

#ifdef STEWARD_FAILPOINTS
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#define FP_MAGIC UINT64_C(0x46500A57E3A1D001)

/* One per place; the linker puts all of them side by side. */
struct fp_site {
    uint64_t magic;
    const char *name;
    _Atomic int is_seen;
};
void fp_hit(struct fp_site *site);
/* All names, sorted, one a line. */
void fp_print(FILE *to);
#define FP(text)                                                                  \
    do {                                                                          \
        static struct fp_site fp_here                                             \
            __attribute__((section("fp_sites"), used)) = { FP_MAGIC, (text), 0 }; \
        fp_hit(&fp_here);                                                         \
    } while (0)
#else
#define FP(text) ((void) 0)
#endif

#endif
