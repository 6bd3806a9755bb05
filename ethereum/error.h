/*
 * error.h -- the closed list of what goes wrong in this room.
 *
 * The code drives logic; the sentence for the operator is in the struct why that goes with it.
 * Functions with a single way to fail return bool instead.
 */
#ifndef ETHEREUM_ERROR_H
#define ETHEREUM_ERROR_H

enum eth_error {
	ETH_OK = 0,
	ETH_MALFORMED,     /* the bytes read do not follow their format */
	ETH_BAD_SIGNATURE, /* well formed, but no signer can be recovered from it */
	ETH_BAD_ARGUMENT,  /* the caller's values do not fit the type or structure asked for */
	ETH_NO_ROOM,       /* the output's ceiling, a fixed bound of this room, or memory */
};

#endif
