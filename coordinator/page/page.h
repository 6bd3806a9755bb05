/*
 * page.h -- the operator's status page: three files that are embedded as they stand in this folder.
 *
 * It is told everything by the admin API and loads nothing from elsewhere. It sets text, never
 * markup. Pure.
 */
#ifndef COORDINATOR_PAGE_PAGE_H
#define COORDINATOR_PAGE_PAGE_H

#include <stddef.h>

enum page_file { PAGE_INDEX, PAGE_STYLE, PAGE_SCRIPT, PAGE_FILES };

struct page {
	const unsigned char *bytes;
	size_t n;
	const char *type; /* for Content-Type */
};
const struct page *page_of(enum page_file file);

/* Content-Security-Policy of whatever the listener answers: nothing but its own script and style,
 * no frame around it, and no string that becomes markup (trusted types). */
#define PAGE_POLICY                                                                                \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "            \
	"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "             \
	"require-trusted-types-for 'script'; trusted-types 'none'"

#endif
