/*
 * failpoint.h - named places where a test can make the program die, stop, sleep or fail.
 *
 * Compiled in with -DSTEWARD_FAILPOINTS only; the release binary has none. STEWARD_FAILPOINTS in
 * the environment arms them: "eng.mark_after_commit=kill9@3;lease.before_renew=sleep(2000)" (kill9,
 * stop, abort, exit(N), sleep(MS), cut: every connection of the process breaks; @N: at the Nth
 * hit).
 */
#ifndef STEWARD_FAILPOINT_H
#define STEWARD_FAILPOINT_H

#ifdef STEWARD_FAILPOINTS
void fp_hit(const char *name);
#define FP(name) fp_hit(name)
#else
#define FP(name) ((void) 0)
#endif

#endif
