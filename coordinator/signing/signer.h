/*
 * signer.h -- the process that holds the local keys: `proof-coordinator signer`, which `run`
 * starts.
 *
 * Two processes: a keeper that got the keys and reads nothing any more, and its child that reads
 * what is asked (wire.h), holds it against the policy, and signs. Should the child die, the keeper
 * makes another; what was signed before is in memory they share. Both end when the daemon does.
 */
#ifndef COORDINATOR_SIGNING_SIGNER_H
#define COORDINATOR_SIGNING_SIGNER_H

#define SIGNER_VERB "signer"

/* Serves the socket at descriptor 0 until its other end closes. The exit code; 64, with words on
 * stderr, where descriptor 0 is no such socket. */
int signer_main(void);

#endif
