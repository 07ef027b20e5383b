/*
 * The SBI extensions that a VM's description can hide, by name: rows of sbi/serve/'s table.
 */
#ifndef HYP_VM_EXTENSIONS_H
#define HYP_VM_EXTENSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Those that guests call most come first. */
enum sbi_row {
	SBI_ROW_TIME,
	SBI_ROW_IPI,
	SBI_ROW_RFENCE,
	SBI_ROW_BASE,
	SBI_ROW_DBCN,
	SBI_ROW_HSM,
	SBI_ROW_SRST,
	SBI_ROW_STA,
	SBI_ROW_LEGACY,
	SBI_ROWS,
};

/**
 * The rows that @list, names each ended by 0, @bytes in all, hides: bit n is row n.
 * Returns false where it names something that isn't an extension, or BASE, which can't be hidden.
 */
bool extensions_mask(const char *list, size_t bytes, uint32_t *masked);

#endif
