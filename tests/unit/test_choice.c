/*
 * hyp/vm/choice.c: what is chosen for a VM by a word; hyp/vcpu/isa.c: that the two ways to run one
 * show it the same ISA.
 */
#include "tests/unit/unit.h"

#include "hyp/drv/host.h"
#include "hyp/shadow/shadow.h"
#include "hyp/vcpu/vcpu.h"
#include "hyp/vm/choice.h"

#define WITH_H	  "rv64imafdch_zicsr_zifencei_zicbom_zicboz_zba_sstc_svadu_svinval_svpbmt"
#define WITHOUT_H "rv64imafdc_zicsr_zifencei_zicbom_zicboz_zba_sstc_svadu_svinval_svpbmt"

static void unsaid(void **state)
{
	struct choices c = choices_default();

	(void)state;
	assert_ptr_equal(way_choose(&c, WITH_H)->backend, &backend_hext);
	assert_ptr_equal(way_choose(&c, WITHOUT_H)->backend, &backend_depriv);
	assert_int_equal(c.word[CHOICE_PATCH], PATCH_ON);
	assert_int_equal(c.word[CHOICE_SHADOW_POLICY], SHADOW_LAZY);
}

static void every_word(void **state)
{
	static const struct {
		enum choice_name name;
		const char *word;
		unsigned is;
	} rows[] = {
		{ CHOICE_PATCH, "on", PATCH_ON },
		{ CHOICE_PATCH, "off", PATCH_OFF },
		{ CHOICE_SHADOW_POLICY, "trap", SHADOW_TRAP },
		{ CHOICE_SHADOW_POLICY, "unsync", SHADOW_UNSYNC },
		{ CHOICE_SHADOW_POLICY, "lazy", SHADOW_LAZY },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct choices c = choices_default();

		assert_true(choice_set(&c, rows[i].name, rows[i].word));
		assert_int_equal(c.word[rows[i].name], rows[i].is);
	}
}

static void unknown_words(void **state)
{
	static const char *const words[] = { "", "hex", "hextt", "autolazy", "trapunsync", "On" };

	(void)state;
	for (enum choice_name name = 0; name < CHOICES; name++)
		for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			struct choices c = choices_default(), before = c;

			assert_false(choice_set(&c, name, words[i]));
			assert_memory_equal(&c, &before, sizeof(c));
		}
}

static void asked_for(void **state)
{
	struct choices c = choices_default();

	(void)state;
	assert_true(choice_set(&c, CHOICE_BACKEND, "depriv"));
	assert_ptr_equal(way_choose(&c, WITH_H)->backend, &backend_depriv);
	assert_ptr_equal(way_choose(&c, WITHOUT_H)->backend, &backend_depriv);
	assert_true(choice_set(&c, CHOICE_BACKEND, "hext"));
	assert_ptr_equal(way_choose(&c, WITH_H)->backend, &backend_hext);
	assert_null(way_choose(&c, WITHOUT_H));
	assert_true(choice_set(&c, CHOICE_BACKEND, "auto"));
	assert_ptr_equal(way_choose(&c, WITH_H)->backend, &backend_hext);
}

static void options_override(void **state)
{
	struct choices c = choices_default();

	(void)state;
	assert_true(choice_set(&c, CHOICE_PATCH, "off"));
	choices_from_options(&c, "guest=hello backend=depriv shadow-policy=trap stats");
	assert_ptr_equal(way_choose(&c, WITH_H)->backend, &backend_depriv);
	assert_int_equal(c.word[CHOICE_SHADOW_POLICY], SHADOW_TRAP);
	assert_int_equal(c.word[CHOICE_PATCH], PATCH_OFF);
	choices_from_options(&c, "shadow-policy=lazyyyyyyyyyyyyyyyy patch=maybe backend=");
	assert_int_equal(c.word[CHOICE_SHADOW_POLICY], SHADOW_TRAP);
	assert_int_equal(c.word[CHOICE_PATCH], PATCH_OFF);
}

/* The `h` of a host with H is all that tells the two apart, and it is never shown. */
static void same_isa(void **state)
{
	struct isa with, without;

	(void)state;
	fake_reset();
	isa_init(&with, WITH_H, NULL, 0, isa_probe_henvcfg());
	isa_init(&without, WITHOUT_H, NULL, 0, ~UINT64_C(0));
	assert_memory_equal(&with, &without, sizeof(with));
	assert_string_equal(without.string, WITHOUT_H);
}

static void what_firmware_holds_back_is_hidden(void **state)
{
	struct isa isa;

	(void)state;
	isa_init(&isa, WITH_H, NULL, 0, ~(HENVCFG_STCE | HENVCFG_CBZE));
	assert_false(isa_has(isa.string, "sstc"));
	assert_false(isa_has(isa.string, "zicboz"));
	assert_true(isa_has(isa.string, "svpbmt"));
	assert_false(isa.has_sstc);
}

/* Hidden, N is reserved where we walk; hardware takes it for what it is. */
static void what_has_no_switch_is_not_reserved(void **state)
{
	static const char mask[] = "svnapot\0svpbmt";
	static struct state_page page;
	static struct vcpu v;
	struct isa isa;

	(void)state;
	isa_init(&isa, WITH_H "_svnapot", mask, sizeof(mask), ~UINT64_C(0));
	assert_false(isa.has_svnapot || isa.has_svpbmt);
	v.isa = &isa;
	v.depriv.state = &page;
	assert_true(backend_hext.saved_regime(&v).napot);
	assert_false(backend_hext.saved_regime(&v).pbmt);
	assert_false(backend_depriv.saved_regime(&v).napot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unsaid),
		cmocka_unit_test(every_word),
		cmocka_unit_test(unknown_words),
		cmocka_unit_test(asked_for),
		cmocka_unit_test(options_override),
		cmocka_unit_test(same_isa),
		cmocka_unit_test(what_firmware_holds_back_is_hidden),
		cmocka_unit_test(what_has_no_switch_is_not_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
