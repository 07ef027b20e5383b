/*
 * Offsets in structures, for entry.S and fast.S; run.c and depriv.c assert that they are right.
 */
#ifndef HYP_TRAP_FRAME_H
#define HYP_TRAP_FRAME_H

#define FRAME_X(n)    (8 * (n))
#define FRAME_PC      256
#define FRAME_HOST_SP 264
#define FRAME_HOST_TP 272

/* struct fast_path, in struct vcpu */
#define FAST_TAG    280
#define FAST_MIX    288
#define FAST_SEQ    296
#define FAST_SITES  304
#define FAST_STATE  312
#define FAST_TAKEN  320
#define FAST_CALLS  328
#define FAST_FENCES 336
#define FAST_RS2    344
#define FAST_READ   352
#define FAST_WRITE  360
#define FAST_LOCK   368

/* its struct shadow_absence */
#define ABSENCE_SEQ	  376
#define ABSENCE_ASID	  384
#define ABSENCE_MEGA	  392
#define ABSENCE_UP(n)	  (400 + 8 * (n))
#define ABSENCE_SEEN(n)	  (424 + 8 * (n))
#define ABSENCE_LEAVES(n) (448 + 8 * (n))

/* struct shadow, from .code_seq */
#define SEQ_LINKS 8

/* struct depriv_site */
#define SITES	     2048
#define SITE_SHIFT   6
#define SITE_PC	     0
#define SITE_TAG    8
#define SITE_SEQ     16
#define SITE_HANDLER 24
#define SITE_OPERAND 32
#define SITE_CALL    40
#define SITE_READ    48
#define SITE_WRITE   50
#define SITE_READ2   52
#define SITE_OFFSET  54

/* struct state_page */
#define STATE_SSTATUS 0
#define STATE_SIE     8
#define STATE_SIP     16

#endif
