/*
 * following.pml -- each coordinator keeps a replica of the database's rows by reading those whose
 * `rev` is greater than what it has seen. Transactions may end unheard, or be in flight when their
 * client has gone; the database may fail over to a standby that has all that was acknowledged, and
 * not what was not.
 *
 * A stamp stands for a write's value and for the random mark of its revision: no two are the same.
 */
#include "words.pml"

#ifndef N
#define N 2
#endif
#ifndef WRITES
#define WRITES 4
#endif
#define KEYS 2

#define NOBODY N
#define LEFT   (N + 1) /* the head row is held by a transaction whose client has gone */

/* properties */
#define SAME 1

typedef database {
	byte rev;
	byte value[KEYS];  /* 0: there is none */
	byte at[KEYS];     /* the revision of the row, or of its row in `gone` */
	byte writer[KEYS];
	byte mark[WRITES + 1];
	byte trimmed; /* below it no marks are kept, up to it none of `gone` */
};
database db, standby;

byte head = NOBODY; /* who holds the head row */
byte left_key, left_value, left_writer;
byte stamp;

typedef instance {
	bool up;
	byte seen, seen_mark;
	byte value[KEYS];
#ifdef TORN_POLL
	bool torn; /* between two statements of a poll, the first of which gave `half` */
	byte half;
#endif
};
instance in[N];
#define ME in[me]

inline copy(to, from)
{
	to.rev = from.rev;
	to.trimmed = from.trimmed;
	for (i : 0 .. KEYS - 1) {
		to.value[i] = from.value[i];
		to.at[i] = from.at[i];
		to.writer[i] = from.writer[i]
	}
	for (i : 0 .. WRITES) {
		to.mark[i] = from.mark[i]
	}
	i = 0
}

inline apply(k, v, who)
{
	db.rev++;
	db.value[k] = v;
	db.at[k] = db.rev;
	db.writer[k] = who;
	db.mark[db.rev] = stamp
}

#ifdef ONLY_FOREIGN_ROWS
#define IS_READ(k) (db.at[k] > ME.seen && (db.writer[k] != me || ME.seen == 0) && KNOWS_OF(k))
#else
#define IS_READ(k) (db.at[k] > ME.seen && KNOWS_OF(k))
#endif
#ifdef NO_GONE
#define KNOWS_OF(k) (db.value[k] != 0)
#else
#define KNOWS_OF(k) true
#endif

inline read_rows(me, k)
{
	if
	:: IS_READ(k) -> ME.value[k] = db.value[k]
	:: else
	fi
}

inline has_seen(me)
{
	ME.seen = db.rev;
	ME.seen_mark = db.mark[db.rev];
	must(SAME, ME.value[0] == db.value[0] && ME.value[1] == db.value[1],
	     "instance %d has seen revision %d and has other rows than the database\n", me, ME.seen);
	printf("instance %d has seen revision %d\n", me, ME.seen)
}

inline start_anew(me)
{
	ME.value[0] = 0;
	ME.value[1] = 0;
	ME.seen = 0;
	ME.seen_mark = 0
}

#define MARK_IS_THERE (ME.seen == 0 || db.rev >= ME.seen && ME.seen >= db.trimmed && db.mark[ME.seen] == ME.seen_mark)
#if defined(NO_MARK)
#define AT_CONNECT true
#define AT_A_LOOK  true
#elif defined(MARK_AT_CONNECT)
#define AT_CONNECT MARK_IS_THERE
#define AT_A_LOOK  true
#else
#define AT_CONNECT true
#define AT_A_LOOK  MARK_IS_THERE
#endif

#ifdef TORN_POLL
#define TORN(who) in[who].torn
#define FORGET_HALF(who) in[who].torn = false; in[who].half = 0
#else
#define TORN(who) false
#define FORGET_HALF(who) skip
#endif

inline close(who)
{
	in[who].up = false;
	FORGET_HALF(who)
}

inline gone_back(me)
{
	close(me);
	head = (head == me -> NOBODY : head);
	start_anew(me);
	printf("instance %d misses the mark of what it has seen: it ends, and starts anew\n", me)
}

inline follow(me) /* one snapshot: under the head, or a transaction that only reads */
{
	if
	:: AT_A_LOOK -> read_rows(me, 0); read_rows(me, 1); has_seen(me)
	:: else -> gone_back(me)
	fi
}

inline choose_write(k, v) /* a row or its deletion */
{
	stamp++;
	if
	:: k = 0
	:: k = 1
	fi;
	if
	:: v = stamp
	:: v = 0
	fi
}

proctype Instance(byte me)
{
	byte i, key, val;

	do
	:: d_step { !ME.up ->
		if
		:: AT_CONNECT -> ME.up = true; printf("instance %d connects\n", me)
		:: else -> gone_back(me)
		fi }
#ifdef TORN_POLL
	:: d_step { ME.up && !ME.torn && head != me && ME.seen != db.rev && AT_A_LOOK -> ME.half = (IS_READ(0) -> db.value[0] : ME.value[0]); ME.torn = true;
		printf("instance %d polls one table\n", me) }
	:: d_step { ME.torn && head != me -> ME.value[0] = ME.half; FORGET_HALF(me); read_rows(me, 1); has_seen(me) }
#else
	:: d_step { ME.up && head != me && ME.seen != db.rev -> follow(me) }
#endif
	:: d_step { ME.up && !TORN(me) && head == NOBODY && stamp < WRITES -> head = me; printf("instance %d takes the head\n", me);
		follow(me) }
	:: atomic { head == me -> choose_write(key, val); d_step {
		apply(key, val, me);
		copy(standby, db);
		ME.value[key] = val;
		ME.seen = db.rev;
		ME.seen_mark = stamp;
		head = NOBODY;
		printf("instance %d commits revision %d\n", me, db.rev);
		key = 0; val = 0 } }
	:: atomic { head == me -> choose_write(key, val); d_step {
		head = LEFT;
		left_key = key;
		left_value = val;
		left_writer = me;
		close(me);
		printf("instance %d sends COMMIT and loses the connection\n", me);
		key = 0; val = 0 } }
	:: d_step { ME.up -> close(me); head = (head == me -> NOBODY : head); printf("instance %d loses the connection\n", me) }
	:: d_step { ME.up -> close(me); head = (head == me -> NOBODY : head); start_anew(me); printf("instance %d dies\n", me) }
	od
}

inline trim()
{
	for (i : 0 .. KEYS - 1) {
		db.at[i] = (db.value[i] == 0 -> 0 : db.at[i])
	}
	i = 0;
	db.trimmed = db.rev;
	printf("marks and deletions are trimmed up to revision %d\n", db.rev)
}

active proctype Database()
{
	byte i;

	do
	:: d_step { head == NOBODY && db.trimmed != db.rev && standby.mark[db.rev] == db.mark[db.rev] -> trim(); copy(standby, db) }
	:: d_step { head == LEFT ->
		if
		:: apply(left_key, left_value, left_writer); printf("revision %d is committed, heard by nobody\n", db.rev)
		:: printf("what was in flight is not committed\n")
		fi;
		head = NOBODY;
		left_key = 0; left_value = 0; left_writer = 0 }
	:: d_step { standby.mark[db.rev] != db.mark[db.rev] -> copy(standby, db) }
	:: d_step { standby.mark[db.rev] != db.mark[db.rev] ->
		copy(db, standby);
		head = NOBODY;
		left_key = 0; left_value = 0; left_writer = 0;
		for (i : 0 .. N - 1) {
			close(i)
		}
		i = 0;
		printf("the standby is promoted, at revision %d\n", db.rev) }
	od
}

init
{
	byte k;

	atomic {
		for (k : 0 .. N - 1) {
			run Instance(k)
		}
	}
}
