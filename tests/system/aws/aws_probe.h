/*
 * aws_probe.h - the two halves of the probe.
 */
#ifndef AWS_PROBE_H
#define AWS_PROBE_H

/* Reads cases, one JSON object a line, from standard input and prints one answer each. */
int probe_sign(void);
int probe_verify(void);

#endif
