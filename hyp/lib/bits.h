/*
 * Bits of a word that no instruction of the base ISA finds.
 */
#ifndef HYP_LIB_BITS_H
#define HYP_LIB_BITS_H

#include <stdint.h>

/*
 * The number of @v's lowest bit that is set; @v isn't 0. A de Bruijn sequence, shifted left by n,
 * has a different number for each n in its top six bits.
 */
static inline unsigned bit_lowest(uint64_t v)
{
	static const uint8_t number[64] = {
		0,  1,	2,  53, 3,  7,	54, 27, 4,  38, 41, 8,	34, 55, 48, 28,
		62, 5,	39, 46, 44, 42, 22, 9,	24, 35, 59, 56, 49, 18, 29, 11,
		63, 52, 6,  26, 37, 40, 33, 47, 61, 45, 43, 21, 23, 58, 17, 10,
		51, 25, 36, 32, 60, 20, 57, 16, 50, 31, 19, 15, 30, 14, 13, 12,
	};

	return number[(v & -v) * UINT64_C(0x022fdd63cc95386d) >> 58];
}

#endif
