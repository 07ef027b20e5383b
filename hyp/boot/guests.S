/*
 * The bundle of unikernel guests that the image carries. Its pages are mapped into a guest in
 * place, so it begins on a page of its own.
 */
	.section .guests, "a"
	.balign	4096
	.globl	guests_fit, guests_fit_end
guests_fit:
	.incbin	"build/guests.fit"
guests_fit_end:
	.balign	4096
