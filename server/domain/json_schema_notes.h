/*
 * json_schema_notes.h - what a member of a request is for, in a sentence, and its default.
 */
#ifndef STEWARD_JSON_SCHEMA_NOTES_H
#define STEWARD_JSON_SCHEMA_NOTES_H

struct member_note {
    const char *member;
    const char *fallback; /* JSON text, or NULL */
    const char *description;
};

/* Of a member of the request itself; of one anywhere below. NULL when there is none. */
const struct member_note *request_note(const char *member);
const struct member_note *inner_note(const char *member);

#endif
