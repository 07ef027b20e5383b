/*
 * Offsets from a window's stub, for hyp/trap/window.S; window.c asserts that they are right.
 */
#ifndef HYP_SHADOW_WINDOW_H
#define HYP_SHADOW_WINDOW_H

/* struct window: the last bytes of the page before */
#define WINDOW_HOST_SATP (-64)
#define WINDOW_SATP	 (-56)
#define WINDOW_VCPU	 (-48)
#define WINDOW_ARRIVE	 (-40)
#define WINDOW_BUG	 (-32)
#define WINDOW_A0	 (-24)
#define WINDOW_FENCES	 (-16)

/* The way out. The way in is at 0: stvec points there. */
#define WINDOW_EXIT 64

#endif
