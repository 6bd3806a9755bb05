/* The first byte chooses the options, the second the chunks; the verdict must not depend on the
 * latter. */
#include "encoding/json_scan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct verdict {
	enum json_scan_state state;
	uint64_t used;
	uint8_t first;
	struct why why;
};

static struct verdict scan(const uint8_t *p, size_t n, uint8_t options, size_t chunk)
{
	struct verdict v = {.state = JSON_SCAN_MORE};
	struct json_scan s;
	size_t i, take;

	json_scan_init(&s, 1 + (options >> 1), options & 1);
	for (i = 0; i < n && v.state != JSON_SCAN_WRONG; i += take) {
		take = n - i < chunk ? n - i : chunk;
		v.state = json_scan_feed(&s, p + i, take, &v.why);
	}
	if (v.state != JSON_SCAN_WRONG)
		v.state = json_scan_end(&s, &v.why);
	v.used = s.used;
	v.first = s.first;
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verdict whole, parts;

	if (size < 2)
		return 0;
	whole = scan(data + 2, size - 2, data[0], size);
	parts = scan(data + 2, size - 2, data[0], 1 + data[1] % 8u);
	if (whole.state == JSON_SCAN_MORE || whole.state != parts.state ||
	    whole.used != parts.used || whole.first != parts.first ||
	    strcmp(whole.why.text, parts.why.text) != 0)
		abort();
	if (whole.used > size - 2 || (whole.state == JSON_SCAN_WRONG) != (whole.why.text[0] != 0))
		abort();
	return 0;
}
