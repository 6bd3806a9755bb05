#include "coordinator/cli/verbs.h"

#include "cli/version.h"
#include "coordinator/config/config.h"

static const struct cli_option json[] = {
    {"json", NULL, NULL, NULL, "the answer of the admin API as it is", false},
    {NULL, NULL, NULL, NULL, NULL, false},
};
/* Of a verb that asks no daemon. */
static const struct cli_option own_json[] = {
    {"json", NULL, NULL, NULL, "as JSON", false},
    {NULL, NULL, NULL, NULL, NULL, false},
};

#define ASKS                                                                                       \
	"It asks the running daemon over its admin listener and waits 15 s for the answer at "     \
	"most."

static const struct cli_verb verbs[VERB_COUNT] = {
    [VERB_RUN] = {"run", "", 0, 0, NULL, true, "serve provers until SIGTERM",
		  "SIGHUP has it read again what may change while it runs (its settings say "
		  "which).\nA mistake in the settings ends it with 78, at once and with every "
		  "mistake named."},
    [VERB_CONFIG] = {"config", "", 0, 0, own_json, true,
		     "check the settings and print those in effect",
		     "Every mistake is named, secrets are not shown, and nothing is started."},
    [VERB_PUT_INPUT] = {"put-input", "BATCH COMMIT_HASH FILE", 3, 3, json, true,
			"give a running coordinator the input of a batch",
			"FILE holds the JSON of ethrex's ProverInputData; COMMIT_HASH is the one "
			"that provers\nask with. It waits a minute, and a second more for each "
			"MiB."},
    [VERB_DROP_INPUT] = {"drop-input", "BATCH COMMIT_HASH", 2, 2, NULL, true,
			 "delete the stored input of a batch; another one may then be put", ASKS},
    [VERB_STATUS] = {"status", "", 0, 0, json, true,
		     "what the coordinator does, and what it waits for", ASKS},
    [VERB_CLUSTER] = {"cluster", "", 0, 0, json, true,
		      "the coordinators on this database: who leads, last seen, clocks, figures",
		      ASKS},
    [VERB_PROVERS] = {"provers", "", 0, 0, json, true,
		      "the prover keys: who, state, TCB, end of their evidence", ASKS},
    [VERB_EXPLAIN] = {"explain", "[QUOTE|HASH]", 0, 1, json, true,
		      "why a quote was refused; alone: the verdicts that are kept",
		      "QUOTE is a file: bytes, hex, base64, or a log with a line 'Sending quote "
		      "...'.\nHASH is its SHA-256, or the first four digits or more of it.\n" ASKS},
    [VERB_TCB_STATUS] = {"tcb-status", "", 0, 0, json, true,
			 "the evidence of each key, and the collateral here and on chain", ASKS},
    [VERB_COLLATERAL] = {"collateral", "[refresh|fetch QUOTE]", 0, 2, json, true,
			 "what is cached from which source; refresh: fetch it anew; fetch: a "
			 "quote's, as one file",
			 "fetch asks no daemon but the sources of the settings, each as long as\n"
			 "ETHREX_PROOF_COORDINATOR_COLLATERAL_TIMEOUT allows; what it prints is "
			 "what\n`tdx-quote verify --collateral` reads. The others wait 15 s for "
			 "the daemon at most."},
    [VERB_PROMOTE] = {"promote", "ADDRESS", 1, 1, NULL, true, "register this key next", ASKS},
    [VERB_REVOKE] = {"revoke", "NAME", 1, 1, NULL, true,
		     "never use this key again, or any of this platform or image",
		     "NAME is a key's address, ppid:HEX, fmspc:HEX, mrtd:HEX or rtmr0:HEX to "
		     "rtmr3:HEX.\n" ASKS},
    [VERB_UNREVOKE] = {"unrevoke", "NAME", 1, 1, NULL, true, "take a revocation back", ASKS},
    [VERB_REVOCATIONS] = {"revocations", "", 0, 0, json, true, "what is revoked, since when", ASKS},
    [VERB_RESUME] = {"resume", "", 0, 0, NULL, true,
		     "send again after a transaction that had no effect", ASKS},
    [VERB_CHECKPOINTS] = {"checkpoints", "[DIRECTORY]", 0, 1, json, true,
			  "the checkpoint_batch_N of an ethrex upstream that may go",
			  "Its sender removes them after its own transactions alone. Of DIRECTORY, "
			  "ethrex's data\ndirectory, the paths that are there, one a line; else a "
			  "sentence.\n" ASKS},
    [VERB_STORE] = {"store", "ACTION [DIR]", 1, 2, own_json, true,
		    "the database of several coordinators: what it has; from SQLite into it, and "
		    "back",
		    "ACTION is status, migrate, import DIR or export DIR.\n"
		    "migrate copies all that DATA_DIR has, import all that another data directory "
		    "has, into the\nPostgreSQL of STORE, where nothing may be yet; export copies "
		    "it into a new data directory.\nNo coordinator may run on either meanwhile. "
		    "The rows of each table are counted on both sides.\nThe source stays as it is: "
		    "start no coordinator on it any more, or two sign with one key.\nstatus may be "
		    "asked at any time; it asks the database, no daemon,\nand waits 5 s at most "
		    "for a connection."},
    [VERB_METRICS] = {"metrics", "", 0, 0, NULL, true, "its numbers, as Prometheus reads them",
		      ASKS},
    [VERB_HEALTHCHECK] = {"healthcheck", "", 0, 0, NULL, true, "exit with 0 if provers are served",
			  "It waits 4 s at most, and says nothing where all is well."},
    [VERB_HELP] = {"help", "[VERB]", 0, 1, NULL, false, "this text and every setting; or a verb's",
		   NULL},
};

static const struct cli_exit exits[] = {
    {0, "done"},
    {1, "refused: the sentence on stderr says why"},
    {2, "the daemon cannot be reached, or has not answered in time"},
    {64, "the command line makes no sense"},
    {78, "a mistake in the settings, or a contract of another kind; a restart would not help"},
};

const struct cli_program verbs_program = {
    .name = "proof-coordinator",
    .version = program_version,
    .summary = "hands ethrex L2 batches to provers and gets their proofs verified on L1",
    .about = "It runs beside an ethrex L2 sequencer: hands batch inputs to provers, keeps their "
	     "proofs,\nregisters TDX keys and gets the batches verified on L1. `run` is the "
	     "daemon; the other\nverbs ask it, and find it as it was started: by settings, or as "
	     "systemd's service\nproof-coordinator.\n\nSettings are environment variables, the "
	     "same names in a file (--env-file FILE), or flags,\nbefore or after the verb. A flag "
	     "wins over the environment, the environment over the file.",
    .verbs = verbs,
    .n_verbs = VERB_COUNT,
    .setting_at = config_flag_at,
    .setting_of = config_flag_of,
    .help_settings = config_help,
    .exits = exits,
    .n_exits = sizeof exits / sizeof *exits,
    .see_also = "tdx-quote(1), quote-gen(1)",
};

enum verb verbs_of(const struct cli_call *call)
{
	return (enum verb)(call->verb - verbs);
}
