/*
 * The tables, step by step: a database has made some of the steps, a program knows some. Whoever
 * adds one keeps the others as they are, for databases have made them.
 *
 * A step says which programs may go on after it, by how many steps they know: they read and write
 * the columns that they know while newer ones run beside them. So they may where it adds tables,
 * indexes, and columns that have a default; they may not where it changes what they read, or where
 * their successors store what they would not understand (a new kind of `gone`, a new state). What
 * is old goes two releases later, in a step of its own. While others run the table `head` is not
 * altered, nor a statement run that takes long: they wait for it.
 */
#include "coordinator/postgres/internal.h"

/* Unsigned 64-bit numbers are stored as the signed ones with the same bits. Names and sentences are
 * bytes: what a peer sent need not be text in the database's encoding. */
#define ROW ", rev bigint NOT NULL, writer bigint NOT NULL"

/* Of an instance's rows 64 are there from the start: a slot is taken by locking one of them. */
static const struct schema_step steps[] = {
    {"CREATE TABLE head (one boolean PRIMARY KEY DEFAULT true CHECK (one), rev bigint NOT NULL,"
     " mark bigint NOT NULL, fence bigint NOT NULL, trimmed bigint NOT NULL,"
     " identity bigint NOT NULL) WITH (fillfactor = 10);\n"
     "INSERT INTO head SELECT true, 0, 0, 0, 0,"
     " ('x' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 16))::bit(64)::bigint;\n"
     "CREATE TABLE mark (rev bigint PRIMARY KEY, mark bigint NOT NULL,"
     " at timestamptz NOT NULL DEFAULT clock_timestamp());\n"
     "INSERT INTO mark (rev, mark) VALUES (0, 0);\n"
     "CREATE TABLE fact (key bytea PRIMARY KEY, value bytea NOT NULL" ROW ");\n"
     "CREATE INDEX fact_rev ON fact (rev);\n"
     "CREATE TABLE input (batch bigint, commit_hash bytea, sha256 bytea, size bigint NOT NULL,"
     " created_ms bigint NOT NULL, replaced_ms bigint NOT NULL" ROW
     ", PRIMARY KEY (batch, commit_hash, sha256));\n"
     "CREATE INDEX input_rev ON input (rev);\n"
     "CREATE INDEX input_sha256 ON input (sha256);\n"
     "CREATE TABLE proof (id bigint PRIMARY KEY, batch bigint NOT NULL,"
     " prover_type integer NOT NULL, source bytea NOT NULL, received_ms bigint NOT NULL,"
     " state integer NOT NULL, signer bytea, reason bytea NOT NULL, judged_ms bigint NOT NULL,"
     " public_values bytea NOT NULL, bytes bytea NOT NULL" ROW ");\n"
     "CREATE INDEX proof_rev ON proof (rev);\n"
     "CREATE INDEX proof_batch ON proof (batch);\n"
     "CREATE TABLE lease (batch bigint, prover_type integer, source bytea NOT NULL,"
     " expires_ms bigint NOT NULL" ROW ", PRIMARY KEY (batch, prover_type));\n"
     "CREATE INDEX lease_rev ON lease (rev);\n"
     "CREATE TABLE prover (signer bytea PRIMARY KEY, payload bytea NOT NULL,"
     " payload_kind integer NOT NULL, source bytea NOT NULL, first_seen_ms bigint NOT NULL,"
     " last_seen_ms bigint NOT NULL, last_proof_ms bigint NOT NULL,"
     " proofs_good bigint NOT NULL, state integer NOT NULL, reason bytea NOT NULL" ROW ");\n"
     "CREATE INDEX prover_rev ON prover (rev);\n"
     "CREATE TABLE intent (id bigint PRIMARY KEY, data bytea NOT NULL,"
     " fence bigint NOT NULL" ROW ");\n"
     "CREATE INDEX intent_rev ON intent (rev);\n"
     "CREATE TABLE gone (kind text NOT NULL, number bigint, type integer, name bytea,"
     " sha256 bytea" ROW ");\n"
     "CREATE INDEX gone_rev ON gone (rev);\n"
     "CREATE TABLE input_file (sha256 bytea PRIMARY KEY, size bigint NOT NULL,"
     " shared timestamptz NOT NULL DEFAULT clock_timestamp());\n"
     "CREATE TABLE input_chunk (sha256 bytea REFERENCES input_file ON DELETE CASCADE,"
     " n integer, bytes bytea NOT NULL, PRIMARY KEY (sha256, n));\n"
     "ALTER TABLE input_chunk ALTER COLUMN bytes SET STORAGE EXTERNAL;\n"
     "CREATE TABLE instance (slot integer PRIMARY KEY, name text NOT NULL DEFAULT '',"
     " token bigint NOT NULL DEFAULT 0, version text NOT NULL DEFAULT '',"
     " schema integer NOT NULL DEFAULT 0, listen text NOT NULL DEFAULT '',"
     " started timestamptz NOT NULL DEFAULT '-infinity',"
     " seen timestamptz NOT NULL DEFAULT '-infinity', rev bigint NOT NULL DEFAULT 0,"
     " skew_ms bigint NOT NULL DEFAULT 0, fence bigint NOT NULL DEFAULT 0,"
     " status text NOT NULL DEFAULT '') WITH (fillfactor = 50);\n"
     "CREATE UNIQUE INDEX instance_name ON instance (name) WHERE name <> '';\n"
     "INSERT INTO instance (slot) SELECT generate_series(0, 63);\n",
     1},
};

const struct schema schema_known = {steps, sizeof steps / sizeof *steps};
