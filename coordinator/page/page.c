#include "coordinator/page/page.h"

/* Made by cmake/embed.cmake. */
extern const unsigned char page_index_html[], page_page_css[], page_page_js[];
extern const size_t page_index_html_size, page_page_css_size, page_page_js_size;

const struct page *page_of(enum page_file file)
{
	static struct page pages[PAGE_FILES];

	pages[PAGE_INDEX] =
	    (struct page){page_index_html, page_index_html_size, "text/html; charset=utf-8"};
	pages[PAGE_STYLE] =
	    (struct page){page_page_css, page_page_css_size, "text/css; charset=utf-8"};
	pages[PAGE_SCRIPT] =
	    (struct page){page_page_js, page_page_js_size, "text/javascript; charset=utf-8"};
	return &pages[file];
}
