/*
 * events.h -- what firmware and kernel measured, on the console: for whoever compares it with what
 * was predicted. Only where the measured command line asks for it (guest.events=serial).
 */
#ifndef GUEST_INIT_EVENTS_H
#define GUEST_INIT_EVENTS_H

/* A trust domain's CCEL, or a TPM's event log and its PCRs; guest/run-qemu --tpm-log reads it.
 * Without either, a sentence says so. */
void events_print(void);

#endif
