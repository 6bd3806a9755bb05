/*
 * sending.pml -- of several coordinators one sends: leadership, its fence, intents, L1's nonces.
 *
 * Every step may be put off for ever, so a stopped process needs no step of its own: the database
 * ends its session, the others go on, it continues. A transaction of the database is one step, for
 * it holds the head row: one that its client has left in flight ends before the next begins.
 *
 * A fence number is only compared, so it is a bit here: "the number that I hold is the
 * database's". Whoever raises the fence clears that bit of everybody.
 */
#include "words.pml"

#ifndef N
#define N 2
#endif
#ifndef BATCHES
#define BATCHES 1
#endif
#define NONCES  (BATCHES + 2)
#define FOREIGN 3 /* on the chain: a transaction of our account that is not ours */

#define NOBODY  N
#define LINGERS (N + 1) /* a session that its instance has left, which the database has not noticed */

/* properties */
#define DOUBLE_SEND 1
#define ONE_SIGNER  2
#define SEEN_INTENT 3
#define SEEN_CHAIN  4

/* ---- L1: blocks above `deep` may be reorganised, and an endpoint may lag as far behind ---- */
byte chain[NONCES]; /* by nonce: the batch of the transaction that used it */
byte pool[NONCES];  /* by nonce, bit b: a transaction for batch b is signed and was let go */
byte height, deep;
#ifndef LIVE
bool foreign = true; /* one may still come */
#else
bool foreign = false;
#endif

#if BATCHES > 1
#define OR_FOURTH(p, b) || ((p) > 3 && chain[3] == (b))
#else
#define OR_FOURTH(p, b)
#endif
#define VERIFIED(p, b)                                                                             \
	(((p) > 0 && chain[0] == (b)) || ((p) > 1 && chain[1] == (b)) ||                           \
	 ((p) > 2 && chain[2] == (b)) OR_FOURTH(p, b))

/* ---- the database ---- */
byte lock = NOBODY; /* whose session has the advisory lock */
bool open;          /* the row of table intent */
byte open_batch, open_nonce;

/* ---- instances ---- */
mtype = { OFF, UP, CUT /* the database has ended the session, which its instance does not know */ };
mtype = { IDLE, AT_NONCE, DECIDED, PASSED, FOLLOWS };

typedef instance {
	/* the store's thread */
	mtype link = OFF;
	bool leads;       /* has raised the fence in this session */
	bool fence;       /* its number is the database's */
	bool row;         /* the open intent, read at the takeover */
	byte row_batch, row_nonce;
	bool news;        /* the loop is to hear of a change of these */
	/* the loop */
	bool told, number; /* "you lead, fence N"; N is the database's */
	mtype phase = IDLE;
	bool again;        /* another nonce for an intent that is open */
	byte batch, nonce;
	byte before;       /* then: the nonce that was used by another */
	bool fresh;        /* decided on the chain as it was after the takeover */
#ifdef NO_CHAIN
	byte facts;        /* bit b: batch b is verified, as read at any time before */
	bool facts_fresh;
#endif
};
instance in[N];
#define ME in[me]

/* ---- steps of the store's thread ---- */

inline drop(me, rest) /* the session is over, as the instance sees it */
{
	if
	:: lock == me -> lock = rest
	:: else
	fi;
	ME.link = OFF;
	ME.leads = false;
	ME.fence = false;
	ME.row = false;
	ME.row_batch = 0;
	ME.row_nonce = 0;
	ME.news = ME.told
}

inline read_open_intent(me)
{
#ifndef NO_OPEN_INTENTS
	ME.row = open;
	ME.row_batch = open_batch;
	ME.row_nonce = open_nonce
#else
	skip
#endif
}

inline raise_fence()
{
	for (i : 0 .. N - 1) {
		in[i].fence = false;
		in[i].number = false;
		in[i].fresh = false
	}
	i = 0
}

inline lead(me)
{
	raise_fence();
	ME.leads = true;
	ME.fence = true;
	ME.news = true;
#ifndef READ_BEFORE_FENCE
	read_open_intent(me);
#endif
	printf("instance %d raises the fence; an open intent: %d\n", me, ME.row)
}

/* ---- steps of the loop ---- */

inline forget(me)
{
	ME.phase = IDLE;
	ME.again = false;
	ME.batch = 0;
	ME.nonce = 0;
	ME.before = 0;
	ME.fresh = false
}

inline hear(me)
{
	ME.news = false;
	ME.told = ME.leads;
	ME.number = ME.fence;
#ifdef NO_CHAIN
	ME.facts_fresh = false;
#endif
	forget(me);
	if
	:: ME.row -> ME.phase = FOLLOWS; ME.batch = ME.row_batch; ME.nonce = ME.row_nonce
	:: else
	fi;
	printf("the loop of instance %d hears that it leads: %d\n", me, ME.told)
}

/* The sender waits a while for what is below its nonce to be deep; a model without a clock knows no
 * while. */
#ifdef NONCE_DEEP
#define NONCE_SETTLED (ME.nonce <= deep)
#else
#define NONCE_SETTLED true
#endif

#ifdef LIVE
#define READ_CHAIN(p) p = height
#else
#define READ_CHAIN(p) select(p : deep .. height)
#endif

inline read_nonce(me)
{
	READ_CHAIN(p);
	if
	:: p < NONCES -> ME.nonce = p; ME.phase = AT_NONCE; printf("instance %d reads nonce %d\n", me, p)
	:: else
	fi;
	p = 0
}

/* Facts of L1 are kept by every instance; the dry run, after the nonce is read, is the last look. */
inline decide(me)
{
	READ_CHAIN(p);
	if
	:: ME.again -> b = ME.batch
	:: else -> select(b : 1 .. BATCHES)
	fi;
	if
#ifdef NO_CHAIN
	:: !(ME.facts & (1 << b)) -> ME.fresh = ME.facts_fresh && ME.number;
#else
	:: !VERIFIED(p, b) -> ME.fresh = ME.number;
#endif
		ME.batch = b;
		ME.phase = DECIDED;
		printf("instance %d decides to send batch %d with nonce %d\n", me, b, ME.nonce)
	:: else ->
		if
		:: ME.again -> ME.phase = FOLLOWS; ME.again = false; ME.nonce = ME.before; ME.before = 0
		:: else -> forget(me)
		fi
	fi;
	p = 0;
	b = 0
}

/* ---- the group with the intent, whose first statement takes the head row ---- */

/* A group carries the fence of the loop that decided it. */
#if defined(NO_FENCE) /* the database is not asked; thread and loop agree that they lead */
#define FENCE_HOLDS (ME.leads && ME.told && !ME.news)
#elif defined(FENCE_OF_THREAD)
#define FENCE_HOLDS (ME.leads && ME.fence)
#elif defined(FENCE_OUTLIVES_SESSION)
#define FENCE_HOLDS ME.number
#else
#define FENCE_HOLDS (ME.leads && ME.number)
#endif

#ifdef CHECK_APART
#define TO_STORE    PASSED
#define STORE_TAKES true
#else
#define TO_STORE    DECIDED
#define STORE_TAKES FENCE_HOLDS
#endif

inline let_go(what, at) /* for a nonce that is used for good, nothing comes of it */
{
	if
	:: at >= deep -> pool[at] = pool[at] | (1 << what)
	:: else
	fi
}

inline store_intent(me)
{
	must(ONE_SIGNER, ME.number, "instance %d stores an intent for batch %d after another has taken over\n", me, ME.batch);
	must(SEEN_INTENT, ME.again || !open, "instance %d signs for batch %d and has not seen the open intent\n", me, ME.batch);
	must(SEEN_CHAIN, ME.fresh, "instance %d signs for batch %d on what it knew before it led\n", me, ME.batch);
	open = true;
	open_batch = ME.batch;
	open_nonce = ME.nonce
}

inline refused(me)
{
	forget(me);
	printf("instance %d may not store its intent\n", me)
}

#ifdef EARLY_DELETE
#define SETTLED height
#else
#define SETTLED deep
#endif

inline delete_intent()
{
	open = false;
	open_batch = 0;
	open_nonce = 0
}

/* For liveness: a few failures, and then none; endpoints that do not lag; a loop that hears in time. */
#ifdef LIVE
byte failures = LIVE;
#define MAY_FAIL    (failures > 0)
#define fail()      failures--
#define HEARS_FIRST !ME.news
byte gone = NOBODY; /* an instance that never comes back */
#define IS_THERE (gone != me)
#define SOMETHING_TO_SEND (!VERIFIED(deep, 1) || !VERIFIED(deep, BATCHES))
#else
#define MAY_FAIL    true
#define fail()      skip
#define HEARS_FIRST true
#define IS_THERE    true
#define SOMETHING_TO_SEND true
#endif

proctype Thread(byte me)
{
	byte i;

	do
	:: d_step { ME.link == OFF && IS_THERE -> ME.link = UP }
	:: d_step { ME.link == CUT -> drop(me, lock); printf("instance %d notices that its session is over\n", me) }
	:: d_step { ME.link == UP && !ME.leads && lock == NOBODY -> lock = me; printf("instance %d has the lock\n", me) }
#ifdef READ_BEFORE_FENCE
	:: d_step { ME.link == UP && lock == me && !ME.leads ->
		read_open_intent(me); printf("instance %d reads the open intents: %d\n", me, open) }
#endif
	:: d_step { ME.link == UP && lock == me && !ME.leads -> lead(me) }
	:: d_step { ME.link == UP && lock == me && !ME.leads && MAY_FAIL -> fail(); raise_fence(); drop(me, LINGERS);
		printf("instance %d raises the fence and loses the connection\n", me) }
#ifndef DEAF_TO_FENCE
	:: d_step { ME.leads && !ME.fence && ME.link == UP -> ME.leads = false; ME.row = false; ME.row_batch = 0; ME.row_nonce = 0; ME.news = true;
		lock = (lock == me -> NOBODY : lock); printf("instance %d reads that another has raised the fence\n", me) }
#endif
	od
}

proctype Loop(byte me)
{
	byte p, b;

	do
	:: d_step { ME.news -> hear(me) }
#ifdef NO_CHAIN
	:: atomic { true -> select(p : deep .. height); ME.facts = (VERIFIED(p, 1) -> 2 : 0) | (VERIFIED(p, 2) -> 4 : 0);
		ME.facts_fresh = ME.number; p = 0 }
#endif
	:: atomic { ME.told && ME.phase == IDLE && HEARS_FIRST && SOMETHING_TO_SEND -> read_nonce(me) }
	:: atomic { ME.phase == AT_NONCE && NONCE_SETTLED -> decide(me) }
#ifdef CHECK_APART
	:: d_step { ME.link == UP && ME.phase == DECIDED ->
		if
		:: FENCE_HOLDS -> ME.phase = PASSED
		:: else -> refused(me)
		fi }
#endif
#ifdef SEND_FIRST
	:: d_step { ME.phase == DECIDED && !(pool[ME.nonce] & (1 << ME.batch)) -> let_go(ME.batch, ME.nonce);
		printf("instance %d sends batch %d before its intent is stored\n", me, ME.batch) }
#endif
	:: d_step { ME.link == UP && ME.phase == TO_STORE ->
		if
		:: STORE_TAKES -> store_intent(me); let_go(ME.batch, ME.nonce); ME.phase = FOLLOWS; ME.again = false; ME.before = 0; ME.fresh = false;
			printf("instance %d stores the intent for batch %d and may send it from now on\n", me, ME.batch)
		:: else -> refused(me)
		fi }
	:: d_step { ME.link == UP && ME.phase == TO_STORE && STORE_TAKES && MAY_FAIL -> fail(); store_intent(me); drop(me, LINGERS); forget(me);
		printf("instance %d stores an intent and does not hear of it: nothing is sent\n", me) }
	:: d_step { ME.link != UP && ME.phase == TO_STORE -> refused(me) }
	/* an intent of somebody else is followed as if it had been sent */
	:: d_step { ME.phase == FOLLOWS && ME.nonce >= deep && !(pool[ME.nonce] & (1 << ME.batch)) -> let_go(ME.batch, ME.nonce);
		printf("instance %d sends batch %d again\n", me, ME.batch) }
	:: d_step { ME.phase == FOLLOWS && ME.nonce < deep && chain[ME.nonce] != ME.batch && !VERIFIED(deep, ME.batch) && ME.told ->
		ME.again = true; ME.before = ME.nonce; ME.nonce = 0; ME.phase = IDLE }
	:: d_step { ME.phase == FOLLOWS && ME.nonce < SETTLED && VERIFIED(SETTLED, ME.batch) && ME.link == UP ->
		if
		:: FENCE_HOLDS -> delete_intent(); printf("instance %d deletes the intent for batch %d\n", me, ME.batch)
		:: else
		fi; 
		forget(me) }
	:: d_step { ME.phase == FOLLOWS && ME.nonce < SETTLED && VERIFIED(SETTLED, ME.batch) && ME.link == UP && FENCE_HOLDS && MAY_FAIL ->
		fail(); delete_intent(); drop(me, LINGERS); forget(me) }
	od
}

/* What may happen to an instance at any step: its session ends, its connection breaks, it dies. */
proctype Trouble(byte me)
{
	do
	:: d_step { ME.link == UP && MAY_FAIL -> fail();
		if
		:: lock == me -> lock = NOBODY; printf("the database ends the session of instance %d, which had the lock\n", me)
		:: else
		fi; 
		ME.link = CUT }
#ifndef LOCK_HOLDS
	:: d_step { lock == me && MAY_FAIL -> fail(); lock = NOBODY; printf("instance %d loses the lock and keeps its session\n", me) }
#endif
	:: d_step { ME.link == UP && MAY_FAIL -> fail(); drop(me, LINGERS); printf("instance %d loses its connection\n", me) }
	:: d_step { (ME.link != OFF || ME.told || ME.phase != IDLE) && MAY_FAIL -> fail(); drop(me, LINGERS); forget(me);
		ME.told = false; ME.number = false; ME.news = false; printf("instance %d dies and starts anew\n", me) }
#ifdef LIVE
	:: d_step { gone == NOBODY && !ME.told && ME.link == OFF -> gone = me; printf("instance %d does not come back\n", me) }
#endif
	od
}

active proctype Database()
{
	do
	:: d_step { lock == LINGERS -> lock = NOBODY; printf("the database notices that the lock's session is gone\n") }
	od
}

inline mine(b)
{
	must(DOUBLE_SEND, b == FOREIGN || !VERIFIED(height, b), "batch %d is on L1 twice, the second time with nonce %d\n", b, height);
	chain[height] = b;
	printf("L1 takes batch %d with nonce %d\n", b, height);
	height++
}

active proctype L1()
{
	do
	:: d_step { height < NONCES && (pool[height] & 2) -> mine(1) }
	:: d_step { height < NONCES && (pool[height] & 4) -> mine(2) } /* BATCHES > 1 */
	:: d_step { height < NONCES && foreign -> foreign = false; mine(FOREIGN) }
	:: d_step { deep < height -> pool[deep] = 0; deep++; printf("nonce %d is deep enough\n", deep - 1) }
#ifndef LIVE
	:: d_step { deep < height -> height--; foreign = foreign || chain[height] == FOREIGN; chain[height] = 0;
		printf("nonce %d is reorganised away\n", height) }
#endif
	od
}

#ifdef LIVE
#define LEADS(i) (in[i].leads && in[i].told && in[i].number)
ltl somebody_leads { <>[] (LEADS(0) || LEADS(1)) }
ltl all_is_sent { <>[] (VERIFIED(deep, BATCHES) && !open) }
#endif

init
{
	byte k;

	atomic {
		for (k : 0 .. N - 1) {
			run Thread(k);
			run Loop(k);
			run Trouble(k)
		}
	}
}
