/*
 * The ways a request can be refused for want of something; a guest's mistakes are not among them.
 * A function that returns anything but OK has changed nothing.
 */
#ifndef HYP_LIB_ERR_H
#define HYP_LIB_ERR_H

#define MUST_USE __attribute__((warn_unused_result))

enum err {
	OK = 0,
	ERR_NOMEM,	 /* no frame left */
	ERR_RANGE,	 /* an address or size outside what is allowed */
	ERR_OVERLAP,	 /* the place is taken */
	ERR_FULL,	 /* a fixed table has no row left */
	ERR_FORMAT,	 /* bytes from outside are not what they should be */
	ERR_MISSING,	 /* something named is not there */
	ERR_UNSUPPORTED, /* this machine can't do it */
	ERR_STATE,	 /* not in the state it is in */
};

/* A short English name of @e, for messages. */
const char *err_name(enum err e);

#endif
