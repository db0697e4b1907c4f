/*
 * xml.c - the flat view of an XML answer: leaf elements by name. Over expat; no DTD, no entities of
 * the document's own.
 */
#include <expat.h>
#include <string.h>

#include "aws_private.h"

#define DEPTH_MAX 32

struct leaves {
    XML_Parser parser;
    json_t *object;
    struct buf text;
    int depth;
    bool is_leaf; /* the open element has had no children yet */
};

static void XMLCALL on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    struct leaves *l = user;

    (void) name;
    (void) attributes;
    buf_clear(&l->text);
    l->is_leaf = true;
    if (++l->depth > DEPTH_MAX)
        (void) XML_StopParser(l->parser, XML_FALSE);
}

static void XMLCALL on_end(void *user, const XML_Char *name)
{
    struct leaves *l = user;

    l->depth--;
    if (l->is_leaf)
        (void) json_object_set_new(l->object, name,
                                   json_stringn(l->text.data ? l->text.data : "", l->text.length));
    l->is_leaf = false;
}

static void XMLCALL on_text(void *user, const XML_Char *text, int n)
{
    struct leaves *l = user;

    buf_add(&l->text, text, (size_t) n);
}

// NOLINTNEXTLINE(readability-function-size): the signature is expat's
static void XMLCALL on_doctype(void *user, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_subset)
{
    struct leaves *l = user;

    (void) name;
    (void) system_id;
    (void) public_id;
    (void) has_subset;
    (void) XML_StopParser(l->parser, XML_FALSE);
}

json_t *aws_xml_leaves(const char *xml, size_t n)
{
    struct leaves l = { .parser = XML_ParserCreate(NULL), .object = json_object() };
    bool is_good;

    if (!l.parser || !l.object)
        mem_exhausted();
    XML_SetUserData(l.parser, &l);
    XML_SetElementHandler(l.parser, on_start, on_end);
    XML_SetCharacterDataHandler(l.parser, on_text);
    XML_SetStartDoctypeDeclHandler(l.parser, on_doctype);
    is_good = n <= INT32_MAX && XML_Parse(l.parser, xml, (int) n, XML_TRUE) == XML_STATUS_OK;
    XML_ParserFree(l.parser);
    buf_done(&l.text);
    if (!is_good)
        json_decref(TAKE(l.object));
    return l.object;
}
