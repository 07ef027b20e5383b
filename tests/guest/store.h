/*
 * Every kind of store there is, as functions for probe(): the address in a0, the value in a1.
 */
#ifndef TESTS_GUEST_STORE_H
#define TESTS_GUEST_STORE_H

#include "guests/lib/trap.h"

code_fn store_sb, store_sh, store_sw, store_sd;
code_fn store_c_sw, store_c_sd, store_c_swsp, store_c_sdsp;
code_fn store_amoswap_w, store_amoadd_w, store_amoxor_w, store_amoand_w, store_amoor_w;
code_fn store_amomin_w, store_amomax_w, store_amominu_w, store_amomaxu_w;
code_fn store_amoswap_d, store_amoadd_d, store_amoxor_d, store_amoand_d, store_amoor_d;
code_fn store_amomin_d, store_amomax_d, store_amominu_d, store_amomaxu_d;
code_fn store_sc_w, store_sc_d; /* with their LR, until it succeeds; return 0 then */
code_fn store_fsw, store_fsd, store_c_fsd, store_c_fsdsp; /* FS must be on */
code_fn store_vse64, store_vse8;			  /* 8 bytes; VS must be on */
code_fn store_vse64_two;				  /* the value, and again 8 bytes on */
code_fn store_vse16, store_vse32, store_vsse16, store_vsse32, store_vsuxei64, store_vsoxei8;
code_fn store_vsseg2e32, store_vsm, store_vs1r, store_masked, store_vstart;

#endif
