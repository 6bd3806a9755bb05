#include "coordinator/cli/where.h"

#include "coordinator/base/listen_at.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct where_service where_service = {WHERE_SERVICE_FILE, WHERE_SERVICE_DIR};

static bool is_there(const char *path)
{
	struct stat st;

	return path && stat(path, &st) == 0;
}

static bool load_service(struct config *c, int argc, char **argv,
			 const struct where_service *service, FILE *errors)
{
	static const char file_flag[] = "--env-file";
	static const char dir_flag[] = "--proof-coordinator.data-dir";
	char **more = calloc((size_t)argc + 4, sizeof *more);
	int n = argc;
	bool ok;

	if (!more) {
		fputs("config: out of memory\n", errors);
		return false;
	}
	if (argc)
		memcpy(more, argv, (size_t)argc * sizeof *more);
	/* What the unit itself says overrules its file. */
	more[n++] = (char *)(uintptr_t)dir_flag;
	more[n++] = (char *)(uintptr_t)service->data_dir;
	if (access(service->env_file, R_OK) == 0) {
		more[n++] = (char *)(uintptr_t)file_flag;
		more[n++] = (char *)(uintptr_t)service->env_file;
	}
	config_wipe(c);
	ok = config_load(c, n, more, false, errors);
	free(more);
	return ok;
}

bool where_load(struct config *c, int argc, char **argv, const struct where_service *service,
		FILE *errors)
{
	if (!config_load(c, argc, argv, false, errors))
		return false;
	if (!c->place_by_default || is_there(listen_at_path(c->admin_listen)) ||
	    !is_there(service->data_dir))
		return true;
	return load_service(c, argc, argv, service, errors);
}
