/*
 * granting.pml -- one batch, granted to provers by several coordinators: leases are optimistic
 * rows; proofs are acknowledged once they are committed.
 *
 * Of a replica only its age matters: a loop that has not applied the newest change of the row may
 * take the batch for free, as it once was.
 */
#include "words.pml"

#ifndef N
#define N 2
#endif
#ifndef PROVERS
#define PROVERS 2
#endif

#define NONE PROVERS

/* properties */
#define ONE_HOLDER  1
#define ACKED_STAYS 2

/* ---- the database, and its standby ---- */
byte holder = NONE, standby_holder = NONE;
bool expired, standby_expired; /* the row's time is over, on every clock */
bool proof[PROVERS], standby_proof[PROVERS];

/* ---- provers ---- */
bool holds[PROVERS]; /* has the input and its lease's time runs */
bool got[PROVERS];   /* the input, now or once: it may bring a proof */
bool acked[PROVERS];

/* ---- instances ---- */
#ifdef NO_RESERVATION
#define GRANTS 2
#else
#define GRANTS 1
#endif
typedef instance {
	bool up;
	bool unseen; /* the loop has not applied the newest change */
	byte grant[GRANTS]; /* groups that wait for the store: leases to these provers */
	byte keep;     /* the group with this prover's proof ... */
	bool ends;     /* ... and the end of the lease, where the loop takes it for that prover's */
	/* the row was changed by another after what the loop had seen when it submitted the group */
	bool grant_old[GRANTS], keep_old;
#ifdef SEEN_BY_THREAD
	bool unread; /* the row was changed after the store's thread last read */
#endif
};
instance in[N];
#define ME in[me]

#ifdef SEEN_BY_THREAD
#define UNREAD(who) in[who].unread
#define set_unread(who, is) in[who].unread = is
#else
#define UNREAD(who) false
#define set_unread(who, is) skip
#endif

inline is_old(who)
{
	set_unread(who, true);
	in[who].unseen = true;
	in[who].grant_old[0] = true;
	in[who].grant_old[GRANTS - 1] = true;
	in[who].keep_old = true
}

inline changed(me) /* by an instance: the others' replicas are old */
{
	for (i : 0 .. N - 1) {
		if
		:: i != me ->
			is_old(i)
		:: else
		fi
	}
	i = 0
}

inline close(who)
{
	in[who].up = false;
	in[who].grant[0] = NONE;
	in[who].grant[GRANTS - 1] = NONE;
	in[who].keep = NONE;
	in[who].ends = false;
	is_old(who)
}

#define LOOKS_FREE (holder == NONE || expired || ME.unseen)

#ifdef NO_RESERVATION
#define RESERVED (ME.grant[0] != NONE && ME.grant[1] != NONE)
#else
#define RESERVED (ME.grant[0] != NONE || ME.ends)
#endif

#if defined(NO_CONFLICT)
#define CONFLICT(old) false
#elif defined(SEEN_BY_THREAD)
#define CONFLICT(old) UNREAD(me)
#elif defined(SEEN_AT_COMMIT)
#define CONFLICT(old) ME.unseen
#else
#define CONFLICT(old) ME.old
#endif
#ifdef NO_CONFLICT_OF_DELETE
#define KEEP_CONFLICT false
#else
#define KEEP_CONFLICT (ME.ends && CONFLICT(keep_old))
#endif

#if PROVERS > 2
#define HELD (holds[0] || holds[1] || holds[2])
#define LOST ((acked[0] && !proof[0]) || (acked[1] && !proof[1]) || (acked[2] && !proof[2]))
#else
#define HELD (holds[0] || holds[1])
#define LOST ((acked[0] && !proof[0]) || (acked[1] && !proof[1]))
#endif

inline send_input(me, p)
{
	must(ONE_HOLDER, !HELD, "instance %d grants the batch to prover %d while another holds it\n", me, p);
	holds[p] = true;
	got[p] = true;
	printf("instance %d sends the input to prover %d\n", me, p)
}

inline acknowledge(me, p)
{
	acked[p] = true;
	printf("instance %d acknowledges the proof of prover %d\n", me, p)
}

inline replicate()
{
	standby_holder = holder;
	standby_expired = expired;
	for (i : 0 .. PROVERS - 1) {
		standby_proof[i] = proof[i]
	}
	i = 0
}

/* What a COMMIT waits for before it answers. */
#ifdef ASYNCHRONOUS
#define answer_of_commit() skip
#else
#define answer_of_commit() replicate()
#endif

inline put_lease(me, p)
{
	holder = p;
	expired = false;
	changed(me)
}

inline put_proof(me, p)
{
	proof[p] = true;
	if
	:: ME.ends -> holder = NONE; expired = false; holds[p] = false; changed(me)
	:: else
	fi
}

inline take_grant(me, g)
{
	if
	:: CONFLICT(grant_old[g]) -> printf("instance %d: the lease of prover %d is a conflict\n", me, ME.grant[g])
	:: else -> put_lease(me, ME.grant[g]); answer_of_commit();
		printf("instance %d commits the lease of prover %d\n", me, ME.grant[g]);
#ifndef LEASE_AFTER_INPUT
		send_input(me, ME.grant[g])
#endif
	fi;
	set_unread(me, false);
	ME.grant[g] = NONE;
	ME.grant_old[g] = true
}

inline take_proof(me)
{
	if
	:: KEEP_CONFLICT -> printf("instance %d: the end of a lease is a conflict\n", me)
	:: else -> put_proof(me, ME.keep); answer_of_commit(); acknowledge(me, ME.keep); holds[ME.keep] = false
	fi;
	set_unread(me, false);
	ME.keep = NONE;
	ME.keep_old = true;
	ME.ends = false
}

proctype Instance(byte me)
{
	byte i, p, g;

	do
	:: d_step { !ME.up -> ME.up = true }
	:: d_step { ME.up && UNREAD(me) -> set_unread(me, false) }
	:: d_step { ME.up && !UNREAD(me) && ME.unseen -> ME.unseen = false; printf("the loop of instance %d has seen the newest lease\n", me) }
	/* a prover asks */
	:: atomic { ME.up && LOOKS_FREE && !RESERVED ->
		select(p : 0 .. PROVERS - 1);
		d_step {
			if
			:: !holds[p] && !acked[p] && ME.grant[0] != p && ME.grant[GRANTS - 1] != p ->
				g = (ME.grant[0] == NONE -> 0 : 1);
				ME.grant[g] = p;
				ME.grant_old[g] = ME.unseen;
				printf("instance %d chooses the batch for prover %d\n", me, p);
#ifdef LEASE_AFTER_INPUT
				send_input(me, p)
#endif
			:: else
			fi;
			p = 0;
			g = 0
		} }
	:: d_step { ME.up && ME.grant[0] != NONE -> take_grant(me, 0) }
#ifdef NO_RESERVATION
	:: d_step { ME.up && ME.grant[1] != NONE -> take_grant(me, 1) }
#endif
	:: d_step { ME.up && ME.grant[0] != NONE && !CONFLICT(grant_old[0]) -> put_lease(me, ME.grant[0]); close(me);
		printf("instance %d commits a lease and loses the connection\n", me) }
	/* a prover brings its proof, to any of them */
	:: atomic { ME.up && ME.keep == NONE -> select(p : 0 .. PROVERS - 1);
		d_step {
			if
			:: got[p] && !acked[p] ->
				ME.keep = p;
				ME.keep_old = ME.unseen;
				ME.ends = !RESERVED && (ME.unseen || holder == p);
				printf("prover %d brings its proof to instance %d\n", p, me);
#ifdef ACK_EARLY
				acknowledge(me, p)
#endif
			:: else
			fi;
			p = 0
		} }
	:: d_step { ME.up && ME.keep != NONE -> take_proof(me) }
	:: d_step { ME.up && ME.keep != NONE && !KEEP_CONFLICT -> put_proof(me, ME.keep); close(me);
		printf("instance %d commits the proof and loses the connection\n", me) }
	:: d_step { ME.up -> close(me); printf("instance %d loses the connection, or dies\n", me) }
	od
}

active proctype World()
{
	byte i;

	do
	:: d_step { holder != NONE && !expired -> expired = true; holds[holder] = false; printf("the lease of prover %d expires\n", holder) }
	:: d_step { true -> replicate() }
	:: d_step { true ->
		holder = standby_holder;
		expired = standby_expired || !(holder < NONE && holds[holder]);
		for (i : 0 .. PROVERS - 1) {
			proof[i] = standby_proof[i]
		}
		for (i : 0 .. N - 1) {
			close(i)
		}
		i = 0;
		printf("the standby is promoted\n");
		must(ACKED_STAYS, !LOST, "an acknowledged proof is not in the database\n") }
	od
}

init
{
	byte k;

	atomic {
		for (k : 0 .. N - 1) {
			close(k);
			in[k].unseen = false;
			run Instance(k)
		}
	}
}
